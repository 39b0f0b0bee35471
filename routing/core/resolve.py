"""From a route model to ordered candidates, and a reason for every credential that is none.

Pure: the same call answers the hot path, ``manage.py route`` and the admin's "why" page; these two *peek*,
which takes no turn and changes nothing. The order of transformations is in ``docs/routing.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from providers.errors import ClientError
from providers.values import CredentialEntry
from routing.core import limits
from routing.core.cooldown import Cooldown
from routing.core.exclusions import first_match
from routing.core.limits import with_places
from routing.core.query import RouteQuery
from routing.core.state import RoutingState
from routing.core.table import ClientEntry, Offer, RegisteredModel, Rejection, RoutingTable, Strategy


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A credential and an upstream model that may serve the request now."""

    credential: CredentialEntry
    model: str
    force_mapping: bool = False


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """``candidates`` in the order to be tried. ``cooling`` are those that rest, with their windows; they
    stand among the ``rejections`` too, where everybody else who is no candidate is told with the reason.
    ``routing.core.explain`` puts it into words."""

    route_model: str
    """The registered id that the request reached, without a suffix."""
    suffix: str
    candidates: tuple[Candidate, ...]
    rejections: tuple[Rejection, ...] = ()
    cooling: tuple[tuple[Candidate, Cooldown], ...] = ()
    strategy: Strategy = Strategy.ROUND_ROBIN
    """The rule by which each priority tier of ``candidates`` is ordered."""
    bound_by: str = ""
    """The session key whose binding put the first candidate in front; "" when none did."""
    limited: tuple[tuple[Candidate, float], ...] = ()
    """Those that their limits keep out, with the seconds (``math.inf``: unknown) until they have room."""


class UnknownModel(ClientError):
    """404: no registered id, no open prefix and no open provider takes this model."""

    client_status = 404
    code: str | None = "model_not_found"
    param: str | None = "model"


class ModelNotAllowed(ClientError):
    """403: the client key's list of models does not cover this one."""

    client_status = 403
    error_type = "permission_error"
    code: str | None = "model_not_allowed"
    param: str | None = "model"


def split_suffix(model: str) -> tuple[str, str]:
    """``m(high)`` -> (``m``, ``high``); no suffix -> (model, "")."""
    if model.endswith(")") and (cut := model.rfind("(")) > 0:
        return model[:cut], model[cut + 1 : -1]
    return model, ""


def is_allowed(client: ClientEntry, model_id: str) -> bool:
    return not client.allowed or first_match(client.allowed, model_id) is not None


def find_offers(table: RoutingTable, model: str) -> tuple[str, str, tuple[Offer, ...]]:
    """(registered id, suffix, offers). An exact id wins over the id without its suffix, a registered id
    over an open prefix, that over open providers. Raises UnknownModel."""
    known = table.models.get(model)
    if known is not None:
        return model, "", known.offers
    base, suffix = split_suffix(model)
    if suffix and (known := table.models.get(base)) is not None:
        return base, suffix, known.offers
    prefix, slash, rest = base.partition("/")
    if slash and rest and prefix in table.open_prefixes:
        offers = tuple(
            Offer(credential=offer.credential, members=(rest,))
            for offer in table.open_prefixes[prefix]
            if first_match(offer.excluded, rest) is None
        )
        if offers:
            return base, suffix, offers
    offers = tuple(
        Offer(credential=offer.credential, members=(base,))
        for offer in table.open_offers
        if first_match(offer.excluded, base) is None
    )
    if offers:
        return base, suffix, offers
    raise UnknownModel(f"The model `{model}` does not exist or is not offered here.")


def resolve(
    table: RoutingTable,
    state: RoutingState,
    client: ClientEntry,
    query: RouteQuery,
    now: float,
    random: Callable[[], float] = lambda: 0.5,
    *,
    peek: bool = False,
) -> Resolution:
    """Order the candidates for one request. Raises UnknownModel, ModelNotAllowed.

    Takes one turn of the model's rotation, so call it once per exchange; with ``peek`` it takes none and
    says what the next such request would get. ``random`` draws from [0, 1).
    """
    route_model, suffix, offers = find_offers(table, query.model)
    if not is_allowed(client, route_model):
        raise ModelNotAllowed(f"This client key may not use the model `{query.model}`.")
    cooling: list[tuple[Candidate, Cooldown]] = []
    free: list[tuple[Offer, tuple[str, ...]]] = []
    for offer in offers:
        members = []
        for member in offer.members:
            rest = state.cooldown(offer.credential.id, member, now)
            if rest is None:
                members.append(member)
            else:
                cooling.append((_candidate(offer, member), rest))
        if members:
            free.append((offer, tuple(members)))
    places = with_places(free, state, now)
    limited = tuple((_candidate(offer, members[0]), wait) for offer, members, wait in places.full)
    return Resolution(
        route_model=route_model,
        suffix=suffix,
        candidates=tuple(
            _candidate(offer, member)
            for offer, members in _in_turn(places.free, route_model, state, peek)
            for member in _members_in_turn(offer, members, route_model, state, peek)
        )
        + tuple(_candidate(offer, members[0]) for offer, members, _ in places.held),
        cooling=tuple(cooling),
        rejections=tuple(_cooling_rejection(*pair) for pair in cooling)
        + tuple(_limit_rejection(candidate, wait, now) for candidate, wait in limited)
        + table.hidden.get(route_model, ()),
        strategy=table.settings.strategy,
        limited=limited,
    )


def _candidate(offer: Offer, member: str) -> Candidate:
    return Candidate(credential=offer.credential, model=member, force_mapping=offer.force_mapping)


def _in_turn(
    free: list[tuple[Offer, tuple[str, ...]]], route_model: str, state: RoutingState, peek: bool
) -> list[tuple[Offer, tuple[str, ...]]]:
    """Strict priority tiers, round robin over who is free in each; one cursor per model."""
    if len(free) < 2:
        return free
    turn = state.turn(route_model, peek=peek)
    tiers: dict[int, list[tuple[Offer, tuple[str, ...]]]] = {}
    for pair in free:
        tiers.setdefault(pair[0].credential.priority, []).append(pair)
    ordered: list[tuple[Offer, tuple[str, ...]]] = []
    for priority in sorted(tiers, reverse=True):
        tier = tiers[priority]
        start = turn % len(tier)
        ordered += tier[start:] + tier[:start]
    return ordered


def _members_in_turn(
    offer: Offer, free: tuple[str, ...], route_model: str, state: RoutingState, peek: bool
) -> tuple[str, ...]:
    """The free members of a pool, from an offset over all its members that moves by one per request."""
    members = offer.members
    if len(members) == 1:
        return members
    key = f"{offer.credential.provider_key}#{offer.credential.id}:{route_model}"
    start = state.turn(key, peek=peek) % len(members)
    return tuple(member for member in members[start:] + members[:start] if member in free)


def _limit_rejection(candidate: Candidate, wait: float, now: float) -> Rejection:
    return Rejection(
        credential_id=candidate.credential.id,
        provider_key=candidate.credential.provider_key,
        reason="limit",
        detail=limits.detail(candidate.credential, wait),
        model=candidate.model,
        until=None if wait == math.inf else now + wait,
    )


def _cooling_rejection(candidate: Candidate, cooldown: Cooldown) -> Rejection:
    return Rejection(
        credential_id=candidate.credential.id,
        provider_key=candidate.credential.provider_key,
        reason="cooling",
        detail=f"{cooldown.cause.value}: {cooldown.message}" if cooldown.message else cooldown.cause.value,
        model=candidate.model,
        until=cooldown.until,
    )


def listed_models(table: RoutingTable, client: ClientEntry) -> list[RegisteredModel]:
    """What ``/v1/models`` shows to ``client``."""
    return [model for model in table.models.values() if is_allowed(client, model.id)]
