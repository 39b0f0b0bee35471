"""The strategies: each is asked for many requests in a row, with a state that nothing else touches."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.values import RefusalKind
from routing.core.query import RouteQuery
from routing.core.resolve import resolve
from routing.core.table import Candidate, Offer, RouteSettings, Strategy
from routing.state.memory import MemoryState
from tests.unit.routing.core.makers import (
    ANYONE,
    NOW,
    fail,
    make_credential,
    make_offer,
    make_table,
    refused,
)

ASKED = RouteQuery(model="m")


def table_of(strategy, *credentials, **settings):
    offers = [make_offer(credential) for credential in credentials]
    return make_table({"m": offers}, settings=RouteSettings(strategy=strategy, **settings))


def order(table, state, query=ASKED, now=NOW, random=lambda: 0.0, **options):
    resolution = resolve(table, state, ANYONE, query, now, random, **options)
    return [candidate.credential.id for candidate in resolution.candidates]


def firsts(table, state, requests, **options):
    return [order(table, state, **options)[0] for _ in range(requests)]


def test_round_robin_goes_on_behind_whoever_was_tried_last():
    table = table_of(Strategy.ROUND_ROBIN, *map(make_credential, (1, 2, 3)))
    state = MemoryState()
    assert firsts(table, state, 2) == [1, 2]
    fail(state, 3, refused(RefusalKind.UNAUTHORIZED, 401))
    assert firsts(table, state, 3) == [1, 2, 1]


@given(
    resting=st.lists(st.sets(st.integers(3, 6)), min_size=1, max_size=40),
    credentials=st.integers(2, 6),
)
def test_whoever_is_always_free_is_chosen_as_often_as_the_other_give_or_take_one(resting, credentials):
    table = table_of(Strategy.ROUND_ROBIN, *(make_credential(number) for number in range(1, credentials + 1)))
    state = MemoryState()
    counts = {1: 0, 2: 0}
    for step, at_rest in enumerate(resting):
        now = NOW + 10 * step
        for number in at_rest:
            fail(state, number, refused(RefusalKind.QUOTA, 429, retry_after_s=5.0), now=now)
        chosen = order(table, state, now=now)[0]
        if chosen in counts:
            counts[chosen] += 1
    assert abs(counts[1] - counts[2]) <= 1


def test_each_priority_has_its_own_rotation():
    table = table_of(Strategy.ROUND_ROBIN, make_credential(9, priority=10), *map(make_credential, (1, 2)))
    state = MemoryState()
    assert firsts(table, state, 3) == [9, 9, 9]
    fail(state, 9, refused(RefusalKind.QUOTA, 429, retry_after_s=100.0))
    assert firsts(table, state, 3) == [1, 2, 1]


def test_weights_are_served_smoothly():
    weighted = (make_credential(1, weight=5), make_credential(2), make_credential(3))
    table = table_of(Strategy.WEIGHTED, *weighted)
    assert firsts(table, MemoryState(), 7) == [1, 1, 2, 1, 3, 1, 1]


def test_weights_start_anew_when_the_set_changes():
    table = table_of(Strategy.WEIGHTED, make_credential(1, weight=2), make_credential(2), make_credential(3))
    state = MemoryState()
    firsts(table, state, 1)
    fail(state, 3, refused(RefusalKind.QUOTA, 429, retry_after_s=5.0))
    assert firsts(table, state, 3) == [1, 2, 1]


def test_a_weight_of_nothing_is_never_chosen_and_the_reason_is_told():
    table = table_of(Strategy.WEIGHTED, make_credential(1, weight=0), make_credential(2))
    resolution = resolve(table, MemoryState(), ANYONE, ASKED, NOW)
    assert [candidate.credential.id for candidate in resolution.candidates] == [2]
    assert [(r.credential_id, r.reason) for r in resolution.rejections] == [(1, "weight")]
    assert len(order(table_of(Strategy.ROUND_ROBIN, make_credential(1, weight=0)), MemoryState())) == 1


def test_fill_first_stays_with_the_first_that_is_free():
    table = table_of(Strategy.FILL_FIRST, *map(make_credential, (1, 2)))
    state = MemoryState()
    assert firsts(table, state, 2) == [1, 1]
    fail(state, 1, refused(RefusalKind.QUOTA, 429, retry_after_s=10.0))
    assert firsts(table, state, 2) == [2, 2]
    assert firsts(table, state, 2, now=NOW + 10) == [1, 1]


def test_least_busy_asks_who_has_the_fewest_in_flight_and_shares_ties():
    table = table_of(Strategy.LEAST_BUSY, *map(make_credential, (1, 2, 3)))
    state = MemoryState()
    state.attempt_began(1)
    assert firsts(table, state, 4) == [2, 3, 2, 3]
    state.attempt_began(2)
    state.attempt_began(3)
    state.attempt_ended(1)
    assert order(table, state)[0] == 1


def test_lowest_latency_takes_the_faster_of_two_and_counts_what_is_in_flight():
    table = table_of(Strategy.LOWEST_LATENCY, *map(make_credential, (1, 2)))
    state = MemoryState()
    state.note_latency(1, "up", 0.2, NOW)
    state.note_latency(2, "up", 0.5, NOW)
    assert firsts(table, state, 3) == [1, 1, 1]
    for _ in range(3):
        state.attempt_began(1)
    assert order(table, state) == [2, 1]


def test_lowest_latency_lets_the_unknown_become_known():
    table = table_of(Strategy.LOWEST_LATENCY, *map(make_credential, (1, 2)))
    state = MemoryState()
    state.note_latency(1, "up", 0.001, NOW)
    assert order(table, state)[0] == 2


@pytest.mark.parametrize(("draws", "chosen"), [((0.0, 0.0), 2), ((0.99, 0.0), 3), ((0.5, 0.99), 2)])
def test_lowest_latency_draws_two_different_ones(draws, chosen):
    table = table_of(Strategy.LOWEST_LATENCY, *map(make_credential, (1, 2, 3)))
    state = MemoryState()
    for number, seconds in ((1, 0.4), (2, 0.2), (3, 0.3)):
        state.note_latency(number, "up", seconds, NOW)
    drawn = itertools.cycle(draws)
    assert order(table, state, random=lambda: next(drawn))[0] == chosen


def test_lowest_cost_asks_the_cheapest_first_and_the_unknown_last():
    def priced(number, price):
        credential = make_credential(number)
        candidate = Candidate(credential=credential, model="up", price=price)
        return Offer(credential=credential, members=("up",), candidates=(candidate,))

    offers = [priced(1, None), priced(2, 3.0), priced(3, 0.5), priced(4, 3.0)]
    table = make_table({"m": offers}, settings=RouteSettings(strategy=Strategy.LOWEST_COST))
    state = MemoryState()
    assert order(table, state) == [3, 2, 4, 1]


def test_a_websocket_client_prefers_who_may_be_reached_so():
    table = table_of(Strategy.ROUND_ROBIN, make_credential(1), make_credential(2, websockets=True))
    query = RouteQuery(model="m", wants_websocket=True)
    assert firsts(table, MemoryState(), 2, query=query) == [2, 2]


@pytest.mark.parametrize("strategy", Strategy)
def test_looking_changes_nothing(strategy):
    table = table_of(strategy, *(make_credential(number, weight=number) for number in (1, 2, 3)))
    looked, served = MemoryState(), MemoryState()
    for _ in range(5):
        seen = order(table, looked, peek=True)
        assert order(table, looked, peek=True) == seen
        assert order(table, looked) == seen == order(table, served)
