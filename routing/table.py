"""Database rows -> one immutable RoutingTable.

Order of transformations for a key-based credential (``docs/routing.md``): aliases give the visible ids,
exclusions are tested against these, the prefix comes last. Runs off the event loop: it reads the database.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta

import msgspec
from django.db import transaction
from django.utils import timezone

from oauth.models import QuotaReading
from providers import secrets
from providers.adapters.base import Adapter, CatalogueModel
from providers.adapters.registry import UnknownAdapter, adapter_for
from providers.entries import entry_of
from providers.json_columns import read
from providers.models import Credential, Origin, Provider
from providers.secrets import SecretsError
from providers.values import CredentialEntry, ErrorRule, Limits
from routing import revision
from routing.amp_rows import amp_settings
from routing.core.exclusions import first_match
from routing.core.payload import PayloadRules
from routing.core.table import (
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
from routing.models import ClientKey, GatewaySettings, ModelAlias, ModelExclusion
from routing.provider_rows import provider_entries

logger = logging.getLogger("routing.table")

DAY_S = 86_400


def build() -> RoutingTable:
    """Read every row that routing depends on, in one transaction, and return the table.

    A credential that cannot be used (its key is lost, its kind is gone) is left out with a logged error;
    the others go on serving.
    """
    with transaction.atomic():
        number = revision.current()
        settings_row = GatewaySettings.objects.filter(pk=1).first() or GatewaySettings()
        credentials = list(
            Credential.objects.select_related("provider", "oauth_token").order_by("provider__key", "id")
        )
        aliases = list(ModelAlias.objects.order_by("position", "id"))
        exclusions = list(ModelExclusion.objects.all())
        providers = list(Provider.objects.all())
        keys = list(ClientKey.objects.all())
        spent_rows = list(QuotaReading.objects.filter(is_exhausted=True))
    settings = _settings(settings_row)
    draft = _Draft(settings.force_model_prefix)
    rules = _RulesByOwner(aliases, exclusions)
    default_proxy = _revealed(settings_row.proxy_token)
    draft.switches = _switches(settings)
    for credential in credentials:
        draft.add(credential, rules, default_proxy)
    return RoutingTable(
        revision=number,
        clients={key.digest: _client(key) for key in keys},
        models=draft.models(),
        amp=amp_settings(),
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


def _switches(settings: RouteSettings) -> dict[str, object]:
    """Options of adapters that the gateway's settings turn on for every credential."""
    return {"inject-x-search": True} if settings.xai_x_search else {}


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


class _RulesByOwner:
    """Aliases and exclusions, found by the credential or the provider that they hold for."""

    def __init__(self, aliases: Iterable[ModelAlias], exclusions: Iterable[ModelExclusion]) -> None:
        self._aliases: defaultdict[tuple[str, int], list[ModelAlias]] = defaultdict(list)
        self._patterns: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        for alias in aliases:
            self._aliases[_owner(alias)].append(alias)
        for exclusion in exclusions:
            self._patterns[_owner(exclusion)].append(exclusion.pattern)

    def aliases(self, credential: Credential) -> list[ModelAlias]:
        return self._aliases["credential", credential.pk] + self._aliases["provider", credential.provider_id]

    def patterns(self, credential: Credential) -> tuple[str, ...]:
        own = self._patterns["credential", credential.pk]
        return tuple(own + self._patterns["provider", credential.provider_id])


def _owner(row: ModelAlias | ModelExclusion) -> tuple[str, int]:
    if row.credential_id is not None:
        return "credential", row.credential_id
    return "provider", row.provider_id


class _Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One visible id of one credential, before exclusions and prefix."""

    id: str
    members: tuple[str, ...]
    force_mapping: bool = False
    model: CatalogueModel


class _Draft:
    """The table under construction: credentials are added one by one."""

    def __init__(self, force_prefix: bool) -> None:
        self._force_prefix = force_prefix
        self._offers: dict[str, list[Offer]] = defaultdict(list)
        self._described: dict[str, CatalogueModel] = {}
        self.open_prefixes: dict[str, list[OpenOffer]] = defaultdict(list)
        self.open_offers: list[OpenOffer] = []
        self.hidden: dict[str, list[Rejection]] = defaultdict(list)
        self.switches: dict[str, object] = {}

    def add(self, credential: Credential, rules: _RulesByOwner, default_proxy: str) -> None:
        provider = credential.provider
        try:
            adapter = adapter_for(provider.adapter)
            entry = entry_of(credential, default_proxy, self.switches)
        except (SecretsError, UnknownAdapter) as error:
            logger.error("credential %s of %s cannot be used: %s", credential.pk, provider.key, error)
            return
        aliases = rules.aliases(credential)
        patterns = rules.patterns(credential)
        is_closed = _is_closed(credential, aliases)
        listings = list(_listings(provider, adapter, entry, aliases, is_closed=is_closed))
        for listing in listings:
            self._list(entry, adapter, listing, credential, patterns)
        if _why_out(credential) is None and not is_closed:
            offer = OpenOffer(credential=entry, excluded=patterns)
            if entry.prefix:
                self.open_prefixes[entry.prefix].append(offer)
            elif adapter.is_open(entry):
                self.open_offers.append(offer)

    def _list(
        self,
        entry: CredentialEntry,
        adapter: Adapter,
        listing: _Listing,
        credential: Credential,
        patterns: tuple[str, ...],
    ) -> None:
        plain, prefixed = listing.id, f"{entry.prefix}/{listing.id}"
        if not entry.prefix:
            ids = [plain]
        elif adapter.prefix_replaces_ids or self._force_prefix:
            ids = [prefixed]
            self._hide(plain, entry, "prefix", f"asked for as {prefixed}")
        else:
            ids = [plain, prefixed]
        pattern = first_match(patterns, listing.id)
        why_out = _why_out(credential)
        for model_id in ids:
            if why_out is not None:
                self._hide(model_id, entry, *why_out)
            elif pattern is not None:
                self._hide(model_id, entry, "excluded", f"by pattern {pattern}")
            else:
                offer = Offer(credential=entry, members=listing.members, force_mapping=listing.force_mapping)
                self._offers[model_id].append(offer)
                self._described.setdefault(model_id, listing.model)

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
        return {
            model_id: _registered(model_id, self._offers[model_id], self._described[model_id])
            for model_id in sorted(self._offers)
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
    )


def _is_closed(credential: Credential, aliases: list[ModelAlias]) -> bool:
    """Whether the aliases are the whole list or stand beside the catalogue: an option of the credential says
    so, else one of its provider; where neither does, aliases of the file are the whole list."""
    said = credential.options.get("only-listed", credential.provider.options.get("only-listed"))
    if said is None:
        return any(alias.origin == Origin.FILE for alias in aliases)
    return bool(said)


def _listings(
    provider: Provider,
    adapter: Adapter,
    entry: CredentialEntry,
    aliases: list[ModelAlias],
    *,
    is_closed: bool,
) -> Iterator[_Listing]:
    """The visible ids of a credential, each once (compared without case; the first wins)."""
    catalogue = {model.id: model for model in (*adapter.known_models(entry), *discovered(provider))}
    owner = adapter.owned_by or provider.name or provider.key
    created = int(provider.created_at.timestamp())
    seen: set[str] = set()
    pools: dict[str, list[ModelAlias]] = {}
    for alias in aliases:
        pools.setdefault(alias.alias.lower(), []).append(alias)
    for members in pools.values():
        first = members[0]
        seen.add(first.alias.lower())
        known = catalogue.get(first.upstream_model) or CatalogueModel(id=first.upstream_model)
        yield _Listing(
            id=first.alias,
            members=tuple(dict.fromkeys(member.upstream_model for member in members)),
            force_mapping=any(member.force_mapping for member in members),
            model=_owned(
                _as_said(known, first), owner, created, display_name=first.display_name or first.alias
            ),
        )
    if is_closed:
        return
    mapped = dict(adapter.default_mappings)
    for model in catalogue.values():
        if model.id.lower() not in seen:
            seen.add(model.id.lower())
            yield _Listing(
                id=model.id,
                members=(mapped.get(model.id, model.id),),
                model=_owned(model, owner, created, display_name=model.display_name),
            )


def _as_said(known: CatalogueModel, alias: ModelAlias) -> CatalogueModel:
    """What the alias says of the model goes before what is known of it."""
    length = alias.options.get("context_length")
    return msgspec.structs.replace(known, context_length=length) if isinstance(length, int) else known


def _owned(model: CatalogueModel, owner: str, created: int, *, display_name: str) -> CatalogueModel:
    return msgspec.structs.replace(
        model,
        owned_by=model.owned_by or owner,
        created=model.created or created,
        display_name=display_name,
    )


def discovered(provider: Provider) -> tuple[CatalogueModel, ...]:
    """The provider's own list as last read; what does not parse is ignored."""
    try:
        return tuple(msgspec.convert(provider.discovered_models, list[CatalogueModel]))
    except msgspec.ValidationError:
        logger.warning("the stored model list of %s is damaged; read it again", provider.key)
        return ()
