"""A routing decision in words: the candidates in order with the reason, everybody else with theirs.

Pure, and it decides nothing: ``explain`` asks ``resolve`` itself with ``peek``, so what it says is what the
hot path would do with the same state.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

import msgspec

from providers.errors import GatewayError
from routing.core.query import RouteQuery
from routing.core.resolve import (
    ImagesOnly,
    Incapable,
    ModelNotAllowed,
    Resolution,
    UnknownModel,
    find_offers,
    is_allowed,
    resolve,
    split_suffix,
)
from routing.core.state import RoutingState
from routing.core.table import ClientEntry, Rejection, RoutingTable

MOST_SUGGESTIONS = 5


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What would happen to ``query`` now. With ``failure`` there is no resolution: the client would get
    that error, ``rejections`` say who was left out and ``similar`` which ids were perhaps meant."""

    query: RouteQuery
    resolution: Resolution | None = None
    order: tuple[str, ...] = ()
    """Why each candidate of the resolution stands where it stands, one text each."""
    rejections: tuple[Rejection, ...] = ()
    failure: GatewayError | None = None
    similar: tuple[str, ...] = ()


def explain(
    table: RoutingTable,
    state: RoutingState,
    client: ClientEntry,
    query: RouteQuery,
    now: float,
    random: Callable[[], float] = lambda: 0.5,
) -> Explanation:
    """The decision for one request, without taking a turn. Never raises for what a client may ask."""
    try:
        resolution = resolve(table, state, client, query, now, random, peek=True)
    except UnknownModel as error:
        hidden = _hidden(table, query.model)
        similar = similar_ids(table, client, query.model)
        return Explanation(query=query, failure=error, rejections=hidden, similar=similar)
    except ModelNotAllowed as error:
        return Explanation(query=query, failure=error, rejections=_not_allowed(table, client, query.model))
    except Incapable as error:
        return Explanation(query=query, failure=error, rejections=error.rejections)
    except ImagesOnly as error:
        return Explanation(query=query, failure=error)
    return Explanation(
        query=query,
        resolution=resolution,
        order=order_in_words(resolution),
        rejections=resolution.rejections,
    )


def order_in_words(resolution: Resolution) -> tuple[str, ...]:
    """One text per candidate: what put it at its place."""
    reasons: list[str] = []
    best = resolution.candidates[0].credential.priority if resolution.candidates else 0
    for place, candidate in enumerate(resolution.candidates):
        priority = candidate.credential.priority
        if candidate is resolution.probe:
            reasons.append("it rests; this one request tests whether it must rest on")
        elif place == 0 and resolution.bound_by:
            reasons.append(f"the conversation is bound to it ({resolution.bound_by.partition(':')[0]})")
        elif priority < best:
            reasons.append(f"priority {priority}: only when those of a higher priority fail")
        else:
            reasons.append(f"priority {priority}, by {resolution.strategy.value}")
    return tuple(reasons)


def similar_ids(table: RoutingTable, client: ClientEntry, model: str) -> tuple[str, ...]:
    """Registered ids that ``client`` may use and that look like ``model``, the nearest first."""
    wanted = split_suffix(model)[0].lower()
    by_lower = {name.lower(): name for name in table.models if is_allowed(client, name)}
    close = difflib.get_close_matches(wanted, by_lower, n=MOST_SUGGESTIONS, cutoff=0.6)
    tails = (name for name in by_lower if name.endswith("/" + wanted))
    found = dict.fromkeys([*(name for name in (wanted,) if name in by_lower), *tails, *close])
    return tuple(by_lower[name] for name in found)[:MOST_SUGGESTIONS]


def left_out(table: RoutingTable, error: GatewayError, model: str) -> tuple[Rejection, ...]:
    """Who was no candidate where ``resolve`` raised ``error`` for ``model``."""
    if isinstance(error, Incapable):
        return error.rejections
    return _hidden(table, model) if isinstance(error, UnknownModel) else ()


def _hidden(table: RoutingTable, model: str) -> tuple[Rejection, ...]:
    """Who would offer ``model`` but for an exclusion, a switch or a prefix rule."""
    return table.hidden.get(model) or table.hidden.get(split_suffix(model)[0], ())


def _not_allowed(table: RoutingTable, client: ClientEntry, model: str) -> tuple[Rejection, ...]:
    route_model, _, offers = find_offers(table, model)
    allowed = ", ".join(client.allowed)
    return tuple(
        Rejection(
            credential_id=offer.credential.id,
            provider_key=offer.credential.provider_key,
            reason="not_allowed",
            detail=f"the client key may only use: {allowed}",
            model=route_model,
        )
        for offer in offers
    )
