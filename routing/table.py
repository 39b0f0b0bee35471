"""Database rows -> one immutable RoutingTable.

What each credential offers is decided in ``routing/listings.py``; here come the switches, the prefix and the
order of offers. Runs off the event loop: it reads the database.
"""

from __future__ import annotations

import gc
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import msgspec
from django.db import transaction
from django.utils import timezone

from oauth.models import OAuthToken, QuotaReading
from providers import secrets
from providers.adapters.base import Adapter, CatalogueModel
from providers.adapters.registry import UnknownAdapter, adapter_for
from providers.entries import GatewayDefaults, entry_of
from providers.json_columns import read
from providers.models import Credential, Provider
from providers.secrets import SecretsError
from providers.values import CredentialEntry, ErrorRule, Limits
from routing import revision
from routing.amp_rows import amp_settings
from routing.core.capability import merged
from routing.core.payload import PayloadRules
from routing.core.relay_model import RelayModel
from routing.core.resolve import IMAGES_ONLY
from routing.core.table import (
    Candidate,
    ClientEntry,
    Fallbacks,
    Offer,
    OpenOffer,
    RegisteredModel,
    Rejection,
    RouteSettings,
    RoutingTable,
    Spent,
    Strategy,
)
from routing.defaults import defaults_of
from routing.listings import AliasRow, Listing, Rules, is_closed, listings_of_key, listings_of_login
from routing.models import (
    ChannelAlias,
    ChannelExclusion,
    ClientKey,
    GatewaySettings,
    ModelExclusion,
)
from routing.prices import price_of
from routing.provider_rows import provider_entries

logger = logging.getLogger("routing.table")

DAY_S = 86_400
UNREAD = ("created_at", "updated_at")
UNREAD_OF_CREDENTIALS = ("health_message", "health_at", "latency_ms", "origin_key")
"""Columns that routing does not look at; converting thousands of moments takes its time."""


@contextmanager
def _collector_paused() -> Iterator[None]:
    """A table of 50,000 offers is a quarter of a million objects that all stay: looking through them again
    and again for garbage takes as long as making them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_collector_paused()
def build() -> RoutingTable:
    """Read every row that routing depends on, in one transaction, and return the table.

    A credential that cannot be used (its key is lost, its kind is gone) is left out with a logged error;
    the others go on serving.
    """
    with transaction.atomic():
        number = revision.current()
        settings_row = GatewaySettings.objects.filter(pk=1).first() or GatewaySettings()
        providers = list(Provider.objects.order_by("key"))
        credentials = list(Credential.objects.defer(*UNREAD, *UNREAD_OF_CREDENTIALS).order_by("id"))
        logins = list(OAuthToken.objects.all())
        aliases = AliasRow.all()
        exclusions = list(ModelExclusion.objects.all())
        channel_aliases = list(ChannelAlias.objects.order_by("position", "id"))
        channel_exclusions = list(ChannelExclusion.objects.all())
        keys = list(ClientKey.objects.all())
        spent_rows = list(QuotaReading.objects.filter(is_exhausted=True))
    _join(credentials, providers, logins)
    credentials.sort(key=lambda credential: (credential.provider.key, credential.pk))
    settings = _settings(settings_row)
    draft = _Draft(settings, frozenset(settings_row.channels_without_aliases))
    rules = Rules(aliases, exclusions, channel_aliases, channel_exclusions)
    defaults = defaults_of(settings_row, _revealed(settings_row.proxy_token))
    for credential in credentials:
        draft.add(credential, rules, defaults)
    models = draft.models()
    return RoutingTable(
        revision=number,
        clients={key.digest: _client(key) for key in keys},
        models=models,
        newest=_newest_first(models),
        has_features=draft.has_features,
        credentials=draft.credentials,
        amp=amp_settings(),
        relayed=relayed_models(rules, with_defaults=RELAYED not in settings_row.channels_without_aliases),
        providers=provider_entries(providers, credentials),
        open_prefixes={prefix: tuple(offers) for prefix, offers in draft.open_prefixes.items()},
        open_offers=tuple(draft.open_offers),
        hidden={model_id: tuple(reasons) for model_id, reasons in draft.hidden.items()},
        settings=settings,
        spent=tuple(_spent(row) for row in spent_rows if row.is_exhausted_at(timezone.now())),
        cleared_at={
            credential.pk: credential.cooldowns_cleared_at.timestamp()
            for credential in credentials
            if credential.cooldowns_cleared_at
        },
    )


def _join(credentials: list[Credential], providers: list[Provider], logins: list[OAuthToken]) -> None:
    """Give each credential its provider and its login. A join in the database would make every provider as
    often as it has credentials, which takes as long as all the rest."""
    provider_of = {provider.pk: provider for provider in providers}
    login_of = {login.credential_id: login for login in logins}
    of_login = Credential._meta.get_field("oauth_token")
    for credential in credentials:
        credential.provider = provider_of[credential.provider_id]
        of_login.set_cached_value(credential, login_of.get(credential.pk))


RELAYED = "aistudio"


def relayed_models(rules: Rules, *, with_defaults: bool) -> tuple[RelayModel, ...]:
    """What a page of AI Studio serves when one is connected: its channel's rules hold as for a login."""
    adapter = adapter_for(RELAYED)
    provider = Provider(key=RELAYED, adapter=RELAYED)
    page = Credential(provider=provider, channel=RELAYED)
    listings = listings_of_login(
        provider,
        adapter,
        adapter.catalogue,
        [],
        rules.channel_aliases(RELAYED, page),
        rules.channel_patterns(RELAYED, page),
        closed=False,
        with_defaults=with_defaults,
    )
    return tuple(
        RelayModel(
            id=listing.id,
            upstream=listing.members[0],
            owned_by=RELAYED,
            display_name=listing.model.display_name,
            force_mapping=listing.force_mapping,
            context_length=listing.model.context_length,
            max_output_tokens=listing.model.max_output_tokens,
        )
        for listing in listings
        if listing.excluded_by is None and listing.enabled
    )


SPENT_WITHOUT_RESET = timedelta(hours=1)
"""How long a spent allowance counts whose vendor does not say when it returns."""


def _spent(row: QuotaReading) -> Spent:
    until = row.resets_at or row.read_at + SPENT_WITHOUT_RESET
    return Spent(
        credential_id=row.credential_id,
        model=row.model,
        spares=tuple(str(pattern) for pattern in row.spares),
        until=until.timestamp(),
        message=f"The allowance {row.name} is spent until {until:%Y-%m-%d %H:%M} UTC.",
    )


def _revealed(token: str) -> str:
    try:
        return secrets.reveal(token)
    except SecretsError as error:
        logger.error("the gateway's proxy address cannot be opened: %s", error)
        return ""


_PLAIN_SETTINGS = tuple(
    field.name
    for field in msgspec.structs.fields(RouteSettings)
    if field.name not in ("strategy", "channel_error_rules", "fallbacks", "payload", "channel_base_urls")
)
"""The fields that a column of the same name holds as they are."""


def _settings(row: GatewaySettings) -> RouteSettings:
    """The row as a value. A JSON column that is damaged counts as empty, with a logged error."""
    plain = {name: getattr(row, name) for name in _PLAIN_SETTINGS}
    try:
        strategy = Strategy(row.strategy)
    except ValueError:
        strategy = Strategy.ROUND_ROBIN
    return RouteSettings(
        **plain,
        strategy=strategy,
        channel_error_rules=read(row, "error_rules", dict[str, tuple[ErrorRule, ...]], {}),
        fallbacks=read(row, "fallbacks", dict[str, Fallbacks], {}),
        payload=read(row, "payload", PayloadRules, PayloadRules()),
        channel_base_urls=read(row, "channel_base_urls", dict[str, str], {}),
    )


def _client(key: ClientKey) -> ClientEntry:
    limits = read(key, "limits", Limits, Limits())
    return ClientEntry(
        id=key.pk,
        label=key.note or key.fingerprint,
        enabled=key.enabled,
        expires_at=key.expires_at.timestamp() if key.expires_at else None,
        allowed=tuple(str(pattern).lower() for pattern in key.allowed_models),
        keeps_responses_s=key.keeps_responses_days * DAY_S,
        limits=limits if limits.is_set else None,
    )


class _Draft:
    """The table under construction: credentials are added one by one."""

    def __init__(self, settings: RouteSettings, without_aliases: frozenset[str]) -> None:
        self._settings = settings
        self._without_aliases = without_aliases
        self._offers: dict[str, list[Offer]] = defaultdict(list)
        self._described: dict[str, CatalogueModel] = {}
        self._of_keys: dict[tuple[object, ...], tuple[bool, list[Listing], object]] = {}
        """What keys of one provider offer, by the rules that hold for them: mostly the same for all. The
        last member keeps alive what the key names by its identity."""
        self.open_prefixes: dict[str, list[OpenOffer]] = defaultdict(list)
        self.open_offers: list[OpenOffer] = []
        self.hidden: dict[str, list[Rejection]] = defaultdict(list)
        self.credentials: dict[int, CredentialEntry] = {}
        self.has_features = False

    def add(self, credential: Credential, rules: Rules, defaults: GatewayDefaults) -> None:
        provider = credential.provider
        try:
            adapter = adapter_for(provider.adapter)
            entry = self._entry(credential, defaults)
        except (SecretsError, UnknownAdapter) as error:
            logger.error("credential %s of %s cannot be used: %s", credential.pk, provider.key, error)
            return
        why_out = _why_out(credential)
        aliases, patterns = rules.aliases(credential), rules.patterns(credential)
        if entry.channel:
            closed = is_closed(credential, aliases)
            patterns += rules.channel_patterns(entry.channel, credential)
            listings = listings_of_login(
                provider,
                adapter,
                adapter.known_models(entry),
                aliases,
                rules.channel_aliases(entry.channel, credential),
                patterns,
                closed=closed,
                with_defaults=entry.channel not in self._without_aliases,
            )
        else:
            closed, listings = self._listings_of_key(credential, entry, adapter, aliases, patterns)
        described = _Described(provider, adapter)
        for listing in listings:
            self._list(entry, adapter, listing, why_out, described)
        if why_out is None and not closed:
            switched_off = tuple(listing.id for listing in listings if not listing.enabled)
            offer = OpenOffer(credential=entry, excluded=(*patterns, *switched_off))
            if entry.prefix:
                self.open_prefixes[entry.prefix].append(offer)
                self.credentials[entry.id] = entry
            elif adapter.is_open(entry):
                self.open_offers.append(offer)
                self.credentials[entry.id] = entry

    def _entry(self, credential: Credential, defaults: GatewayDefaults) -> CredentialEntry:
        """The entry, with what the settings say of its channel."""
        entry = entry_of(credential, defaults)
        if entry.channel:
            rules = self._settings.channel_error_rules.get(entry.channel, ())
            if rules:
                entry = msgspec.structs.replace(entry, error_rules=(*entry.error_rules, *rules))
        self.has_features = self.has_features or entry.features is not None or bool(entry.model_features)
        return entry

    def _listings_of_key(
        self,
        credential: Credential,
        entry: CredentialEntry,
        adapter: Adapter,
        aliases: list[AliasRow],
        patterns: tuple[str, ...],
    ) -> tuple[bool, list[Listing]]:
        """(whether the aliases are the whole list, the listings), computed once for keys that are alike."""
        known = adapter.known_models(entry)
        said = credential.options.get("only-listed")
        key = (credential.provider_id, id(known), id(aliases), patterns, said)
        found = self._of_keys.get(key)
        if found is None:
            closed = is_closed(credential, aliases)
            listings = listings_of_key(credential.provider, adapter, known, aliases, patterns, closed=closed)
            found = self._of_keys[key] = closed, listings, (known, aliases)
        return found[0], found[1]

    def _list(
        self,
        entry: CredentialEntry,
        adapter: Adapter,
        listing: Listing,
        why_out: tuple[str, str] | None,
        described: _Described,
    ) -> None:
        plain, prefixed = listing.id, f"{entry.prefix}/{listing.id}"
        if not entry.prefix:
            ids = [plain]
        elif (adapter.prefix_replaces_ids or self._settings.force_model_prefix) and entry.prefix != plain:
            ids = [prefixed]
            self._hide(plain, entry, "prefix", f"asked for as {prefixed}")
        else:
            ids = [plain, prefixed]
        offer: Offer | None = None
        for model_id in ids:
            if why_out is not None:
                self._hide(model_id, entry, *why_out)
            elif not listing.enabled:
                self._hide(model_id, entry, "disabled", "the model is switched off")
            elif listing.excluded_by is not None:
                self._hide(model_id, entry, "excluded", f"by pattern {listing.excluded_by}")
            else:
                self.credentials[entry.id] = entry
                offer = offer or self._offer(entry, listing)
                self._offers[model_id].append(offer)
                if model_id not in self._described:
                    self._described[model_id] = described.of(listing.model)

    def _offer(self, entry: CredentialEntry, listing: Listing) -> Offer:
        has_features = entry.features is not None or entry.model_features
        is_priced = self._settings.strategy is Strategy.LOWEST_COST
        candidates = []
        for member, (model, suffix) in zip(listing.members, listing.upstream, strict=True):
            if not (has_features or is_priced or suffix or listing.force_mapping):
                candidates.append(Candidate(credential=entry, model=model))
                continue
            candidates.append(
                Candidate(
                    credential=entry,
                    model=model,
                    suffix=suffix,
                    force_mapping=listing.force_mapping,
                    features=merged(entry.model_features.get(member), entry.features),
                    price=price_of(entry.adapter, model) if is_priced else None,
                )
            )
        return Offer(
            credential=entry,
            members=listing.members,
            force_mapping=listing.force_mapping,
            candidates=tuple(candidates),
        )

    def _hide(self, model_id: str, entry: CredentialEntry, reason: str, detail: str) -> None:
        self.hidden[model_id].append(
            Rejection(
                credential_id=entry.id,
                provider_key=entry.provider_key,
                reason=reason,
                detail=detail,
                model=model_id,
            )
        )

    def models(self) -> dict[str, RegisteredModel]:
        offers = {model_id: self._offers[model_id] for model_id in sorted(self._offers)}
        offers |= _with_other_spellings(offers)
        return {
            model_id: _registered(model_id, found, self._described[model_id])
            for model_id, found in offers.items()
        }


def _why_out(credential: Credential) -> tuple[str, str] | None:
    """Why the whole credential serves nothing: a reason and its words; None when it serves."""
    if not (credential.enabled and credential.provider.enabled):
        what = "credential" if credential.provider.enabled else "provider"
        return "disabled", f"the {what} is disabled"
    login = getattr(credential, "oauth_token", None)
    if login is None and credential.kind == "oauth":
        return "login_needed", "its tokens are not there (yet)"
    if login is not None and login.is_ended:
        return "login_needed", "its login has ended: log in again"
    return None


def _with_other_spellings(offers: dict[str, list[Offer]]) -> dict[str, list[Offer]]:
    """Of ids that differ only in case, the offers together: a provider that has the very id is asked with
    all its credentials that have it in any case. A prefix must be equal to the letter. Only changed ids."""
    if len({model_id.lower() for model_id in offers}) == len(offers):
        return {}  # as nearly always
    spellings: defaultdict[str, list[str]] = defaultdict(list)
    for model_id in offers:
        spellings[model_id.lower()].append(model_id)
    changed: dict[str, list[Offer]] = {}
    for alike in spellings.values():
        for model_id in alike if len(alike) > 1 else ():
            own = offers[model_id]
            providers = {offer.credential.provider_key for offer in own}
            asked = {offer.credential.id for offer in own}
            others = [
                offer
                for other in alike
                for offer in offers[other]
                if offer.credential.provider_key in providers
                and offer.credential.id not in asked
                and _has_prefix(model_id, offer.credential.prefix)
                == _has_prefix(other, offer.credential.prefix)
            ]
            if others:
                changed[model_id] = own + list({offer.credential.id: offer for offer in others}.values())
    return changed


def _has_prefix(model_id: str, prefix: str) -> bool:
    return bool(prefix) and model_id.startswith(f"{prefix}/")


def _registered(model_id: str, offers: list[Offer], described: CatalogueModel) -> RegisteredModel:
    """Offers in routing order: providers with more credentials first, then by key, then by id."""
    counts: defaultdict[str, int] = defaultdict(int)
    for offer in offers:
        counts[offer.credential.provider_key] += 1
    ordered = sorted(
        offers,
        key=lambda offer: (
            -counts[offer.credential.provider_key],
            offer.credential.provider_key,
            offer.credential.id,
        ),
    )
    return RegisteredModel(
        id=model_id,
        offers=tuple(ordered),
        owned_by=described.owned_by,
        created=described.created,
        display_name=described.display_name or model_id,
        context_length=described.context_length,
        max_output_tokens=described.max_output_tokens,
        images_only=all(
            candidate.features is not None and candidate.features.images
            for offer in offers
            for candidate in offer.candidates
        ),
    )


class _Described:
    """What is shown of a provider's models where the model itself leaves it open."""

    def __init__(self, provider: Provider, adapter: Adapter) -> None:
        self._owner = adapter.owned_by or provider.name or provider.key
        self._created = int(provider.created_at.timestamp())

    def of(self, model: CatalogueModel) -> CatalogueModel:
        return msgspec.structs.replace(
            model, owned_by=model.owned_by or self._owner, created=model.created or self._created
        )


def _newest_first(models: dict[str, RegisteredModel]) -> tuple[str, ...]:
    """The ids that ``auto`` may stand for: by age, then by name."""
    chats = [
        model
        for model in models.values()
        if not model.images_only and model.id.rpartition("/")[2] not in IMAGES_ONLY
    ]
    return tuple(model.id for model in sorted(chats, key=lambda model: (-model.created, model.id)))
