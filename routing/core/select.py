"""The order inside one priority tier: whose turn it is, and who comes after. Pure.

Every strategy begins from the ring: the tier's offers in routing order, from the one behind that which was
tried last. So whoever is always free is tried as often as anybody else, give or take one, however often
others come and go. ``docs/routing.md`` describes the strategies; sources: smooth weighted round robin is
nginx's (its commit 52327e0, 2012), peak EWMA with two random choices is Finagle's (``Balancers``, "P2C").
"""

from __future__ import annotations

from collections.abc import Callable

from routing.core.state import RoutingState
from routing.core.table import Candidate, Offer, Strategy, Tier

Ready = tuple[Offer, tuple[Candidate, ...]]
"""An offer and those of its candidates that are free, never none."""
Random = Callable[[], float]


def ordered(
    strategy: Strategy, tier: Tier, ready: list[Ready], state: RoutingState, now: float, random: Random
) -> list[Ready]:
    """``ready`` (of ``tier``, in its order) in the order to be tried. Takes no turn."""
    if len(ready) < 2 or strategy is Strategy.FILL_FIRST:
        return ready
    if strategy is Strategy.WEIGHTED:
        return _by_weight(tier, ready, state)
    ring = _from_next(tier, ready, state.last_served(tier.key))
    if strategy is Strategy.ROUND_ROBIN:
        return ring
    if strategy is Strategy.LEAST_BUSY:
        return sorted(ring, key=lambda pair: state.in_flight(pair[0].credential.id))
    if strategy is Strategy.LOWEST_LATENCY:
        return _by_latency(ring, state, now, random)
    return sorted(ring, key=_price)


def members_in_turn(offer: Offer, free: tuple[Candidate, ...], turn: int) -> tuple[Candidate, ...]:
    """The free members of a pool, from an offset over all its members that moves by one per request."""
    start = turn % len(offer.candidates)
    members = offer.candidates[start:] + offer.candidates[:start]
    return members if len(free) == len(members) else tuple(member for member in members if member in free)


def _from_next(tier: Tier, ready: list[Ready], last: int | None) -> list[Ready]:
    if last is None:
        return ready
    offers = tier.offers
    if len(ready) == len(offers):  # everybody is free: no need to compare places
        for place, (offer, _) in enumerate(ready):
            if offer.credential.id == last:
                return ready[place + 1 :] + ready[: place + 1]
        return ready
    place_of = {offer.credential.id: place for place, offer in enumerate(offers)}
    behind = place_of.get(last, -1)
    for start, (offer, _) in enumerate(ready):
        if place_of[offer.credential.id] > behind:
            return ready[start:] + ready[:start]
    return ready


def weights_of(ready: list[Ready]) -> tuple[tuple[int, int], ...]:
    """(credential id, weight) of each."""
    return tuple((offer.credential.id, offer.credential.weight) for offer, _ in ready)


def _by_weight(tier: Tier, ready: list[Ready], state: RoutingState) -> list[Ready]:
    """The one whose turn it is, then the others, the heavier first."""
    chosen = state.weighted_turn(tier.key, weights_of(ready), peek=True)
    return sorted(
        ready,
        key=lambda pair: (
            pair[0].credential.id != chosen,
            -pair[0].credential.weight,
            pair[0].credential.id,
        ),
    )


def _by_latency(ring: list[Ready], state: RoutingState, now: float, random: Random) -> list[Ready]:
    """The better of two drawn at random, then the others from fast to slow. Who is not known yet counts as
    fast, so that it becomes known; requests in flight count as if each took as long again."""

    def cost(pair: Ready) -> float:
        credential, candidates = pair[0].credential, pair[1]
        seconds = state.latency_s(credential.id, candidates[0].model, now)
        return 0.0 if seconds is None else seconds * (1 + state.in_flight(credential.id))

    first = int(random() * len(ring))
    second = int(random() * (len(ring) - 1))
    second += second >= first
    chosen = min(ring[first], ring[second], key=cost)
    return sorted(ring, key=lambda pair: (pair is not chosen, cost(pair)))


def _price(pair: Ready) -> tuple[bool, float]:
    """Unknown prices come last."""
    prices = [candidate.price for candidate in pair[1] if candidate.price is not None]
    return not prices, min(prices, default=0.0)
