"""Which ids one credential offers, before its prefix: its models, less what is excluded, under aliases.

A key and a login go different ways (docs/routing.md#which-ids-exist): a key's exclusions are tested against
the visible id, after its aliases; a login's against the vendor's id, before the channel's aliases.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from providers.adapters.base import Adapter, CatalogueModel
from providers.models import Credential, Origin, Provider
from routing.core.exclusions import first_match
from routing.core.resolve import upstream_suffix
from routing.models import ChannelAlias, ChannelExclusion, ModelAlias, ModelExclusion

logger = logging.getLogger("routing.table")


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One id of one credential. ``excluded_by`` is the pattern that hides it."""

    id: str
    members: tuple[str, ...]
    """Upstream models as configured, maybe with a suffix."""
    force_mapping: bool = False
    model: CatalogueModel
    excluded_by: str | None = None
    enabled: bool = True
    """False: every model behind it is switched off."""
    upstream: tuple[tuple[str, str], ...] = ()
    """``members`` as (model, suffix)."""

    def __post_init__(self) -> None:
        if not self.upstream:
            parsed = tuple(upstream_suffix(member) for member in self.members)
            msgspec.structs.force_setattr(self, "upstream", parsed)


class AliasRow(NamedTuple):
    """A ModelAlias as far as listing needs it: there may be thousands, and a model instance costs ten times
    as much. The fields are columns."""

    alias: str
    upstream_model: str
    provider_id: int = 0
    credential_id: int | None = None
    force_mapping: bool = False
    display_name: str = ""
    enabled: bool = True
    origin: str = Origin.DATABASE
    options: dict[str, Any] = {}

    @classmethod
    def all(cls) -> list[AliasRow]:
        rows = ModelAlias.objects.order_by("position", "id").values_list(*cls._fields)
        return [cls(*row) for row in rows]


class Rules:
    """Aliases and exclusions, found by whom they hold for."""

    def __init__(
        self,
        aliases: Iterable[AliasRow],
        exclusions: Iterable[ModelExclusion],
        channel_aliases: Iterable[ChannelAlias],
        channel_exclusions: Iterable[ChannelExclusion],
    ) -> None:
        self._aliases: defaultdict[tuple[str, int], list[AliasRow]] = defaultdict(list)
        self._patterns: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        self._channel_aliases: defaultdict[tuple[str, int | None], list[ChannelAlias]] = defaultdict(list)
        self._channel_patterns: defaultdict[tuple[str, int | None], list[str]] = defaultdict(list)
        for alias in aliases:
            self._aliases[_owner(alias)].append(alias)
        for exclusion in exclusions:
            self._patterns[_owner(exclusion)].append(exclusion.pattern)
        for renamed in channel_aliases:
            self._channel_aliases[renamed.channel, renamed.credential_id].append(renamed)
        for barred in channel_exclusions:
            self._channel_patterns[barred.channel, barred.credential_id].append(barred.pattern)

    def aliases(self, credential: Credential) -> list[AliasRow]:
        """Its own, then its provider's; the same list for all that have none of their own."""
        general = self._aliases["provider", credential.provider_id]
        own = self._aliases.get(("credential", credential.pk))
        return own + general if own else general

    def patterns(self, credential: Credential) -> tuple[str, ...]:
        own = self._patterns.get(("credential", credential.pk), [])
        return (*own, *self._patterns.get(("provider", credential.provider_id), ()))

    def channel_aliases(self, channel: str, credential: Credential) -> list[ChannelAlias]:
        """The login's own, then the channel's; an own alias takes the place of the channel's of that name."""
        own = self._channel_aliases.get((channel, credential.pk), [])
        taken = {alias.alias.lower() for alias in own}
        general = self._channel_aliases.get((channel, None), [])
        return own + [alias for alias in general if alias.alias.lower() not in taken]

    def channel_patterns(self, channel: str, credential: Credential) -> tuple[str, ...]:
        own = self._channel_patterns.get((channel, credential.pk), [])
        return (*own, *self._channel_patterns.get((channel, None), ()))


def _owner(row: AliasRow | ModelExclusion) -> tuple[str, int]:
    if row.credential_id is not None:
        return "credential", row.credential_id
    return "provider", row.provider_id


def is_closed(credential: Credential, aliases: list[AliasRow]) -> bool:
    """Whether the aliases are the whole list or stand beside the catalogue: an option of the credential says
    so, else one of its provider; where neither does, aliases of the file are the whole list."""
    said = credential.options.get("only-listed", credential.provider.options.get("only-listed"))
    if said is None:
        return any(alias.origin == Origin.FILE for alias in aliases)
    return bool(said)


def listings_of_key(
    provider: Provider,
    adapter: Adapter,
    known: tuple[CatalogueModel, ...],
    aliases: list[AliasRow],
    patterns: tuple[str, ...],
    *,
    closed: bool,
) -> list[Listing]:
    """Aliases first, then the rest of what the vendor is ``known`` to serve; each id once (compared without
    case, the first wins). Patterns are tested against what is visible."""
    catalogue = _catalogue(known, provider)
    listings = list(_aliased(catalogue, aliases))
    if not closed:
        seen = {listing.id.lower() for listing in listings}
        mapped = dict(adapter.default_mappings)
        if adapter.mappings_yield:
            mapped = {name: mapped[name] for name in mapped.keys() - {one.id for one in discovered(provider)}}
        for model in catalogue.values():
            if model.id.lower() not in seen:
                seen.add(model.id.lower())
                members = (mapped.get(model.id, model.id),)
                listings.append(Listing(id=model.id, members=members, model=model))
    if not patterns:
        return listings
    return [
        msgspec.structs.replace(listing, excluded_by=first_match(patterns, listing.id))
        for listing in listings
    ]


def listings_of_login(
    provider: Provider,
    adapter: Adapter,
    catalogue: tuple[CatalogueModel, ...],
    aliases: list[AliasRow],
    renamed: list[ChannelAlias],
    patterns: tuple[str, ...],
    *,
    closed: bool,
    with_defaults: bool = True,
) -> list[Listing]:
    """The catalogue, less what a pattern excludes, under the channel's aliases; beside it what an admin
    named. An excluded model cannot be had under an alias either. ``with_defaults`` keeps the aliases that are
    built in."""
    known = _catalogue(catalogue, provider)
    found: list[Listing] = []
    for listing in _aliased(known, aliases):
        by = next((hit for member in listing.members if (hit := first_match(patterns, member))), None)
        found.append(msgspec.structs.replace(listing, excluded_by=by))
    if closed:
        return found
    of_model: defaultdict[str, list[ChannelAlias]] = defaultdict(list)
    for alias in renamed:
        of_model[alias.upstream_model.lower()].append(alias)
    if not known:  # a vendor whose models nobody listed: the aliases are what is known of them
        known = {alias.upstream_model: CatalogueModel(id=alias.upstream_model) for alias in renamed}
    seen = {listing.id.lower() for listing in found}
    mapped = dict(adapter.default_mappings)
    if adapter.mappings_are_aliases and (renamed or not with_defaults):
        known = {name: model for name, model in known.items() if mapped.get(name, name) == name}
    for model in known.values():
        upstream = mapped.get(model.id, model.id)
        excluded_by = first_match(patterns, model.id) or first_match(patterns, upstream)
        for listing in _renamed(model, upstream, of_model[model.id.lower()], seen):
            seen.add(listing.id.lower())
            found.append(msgspec.structs.replace(listing, excluded_by=excluded_by))
    return found


def _renamed(
    model: CatalogueModel, upstream: str, entries: list[ChannelAlias], seen: set[str]
) -> Iterator[Listing]:
    """The ids under which ``model`` is listed: its own where no alias names it or one forks, and the aliases
    that no earlier model took."""
    plain = Listing(id=model.id, members=(upstream,), model=model)
    keeps_own = not entries or any(entry.fork for entry in entries)
    free = [entry for entry in entries if entry.alias.lower() not in seen]
    if (keeps_own or not free) and model.id.lower() not in seen:
        yield plain
        seen = seen | {model.id.lower()}
    for entry in free:
        if entry.alias.lower() in seen:
            continue
        seen = seen | {entry.alias.lower()}
        yield Listing(
            id=entry.alias,
            members=(upstream,),
            force_mapping=entry.force_mapping,
            model=msgspec.structs.replace(model, display_name=entry.display_name or entry.alias),
        )


def _aliased(catalogue: dict[str, CatalogueModel], aliases: list[AliasRow]) -> Iterator[Listing]:
    """Each alias once; one repeated for several upstream models is a pool."""
    pools: dict[str, list[AliasRow]] = {}
    for alias in aliases:
        pools.setdefault(alias.alias.lower(), []).append(alias)
    for rows in pools.values():
        members = [row for row in rows if row.enabled] or rows
        first = members[0]
        known = catalogue.get(first.upstream_model) or CatalogueModel(id=first.upstream_model)
        length = first.options.get("context_length")
        yield Listing(
            id=first.alias,
            members=tuple(dict.fromkeys(member.upstream_model for member in members)),
            force_mapping=any(member.force_mapping for member in members),
            enabled=first.enabled,
            model=msgspec.structs.replace(
                known,
                display_name=first.display_name or first.alias,
                context_length=length if isinstance(length, int) else known.context_length,
            ),
        )


def _catalogue(known: tuple[CatalogueModel, ...], provider: Provider) -> dict[str, CatalogueModel]:
    return {model.id: model for model in (*known, *discovered(provider))}


def discovered(provider: Provider) -> tuple[CatalogueModel, ...]:
    """The provider's own list as last read; what does not parse is ignored."""
    if not provider.discovered_models:
        return ()
    try:
        return tuple(msgspec.convert(provider.discovered_models, list[CatalogueModel]))
    except msgspec.ValidationError:
        logger.warning("the stored model list of %s is damaged; read it again", provider.key)
        return ()
