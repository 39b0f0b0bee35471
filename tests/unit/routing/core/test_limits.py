import math

import pytest

from providers.values import Limits
from routing.core import rounds
from routing.core.limits import credential_claims, longest_wait_s, words
from routing.core.query import RouteQuery
from routing.core.resolve import resolve
from routing.core.state import Ticket
from routing.state.memory import MemoryState
from tests.unit.routing.core.makers import ANYONE, NOW, make_credential, make_offer, make_table


def ask(credentials, state, now=NOW):
    table = make_table({"m": [make_offer(credential) for credential in credentials]})
    return resolve(table, state, ANYONE, RouteQuery(model="m"), now)


def take(state, credential, tokens=0):
    assert isinstance(state.admit_here(credential_claims(credential, tokens), NOW), Ticket)


def order(resolution):
    return [candidate.credential.id for candidate in resolution.candidates]


def test_a_credential_at_its_limit_is_no_candidate_and_says_why():
    state, full, free = MemoryState(), make_credential(1, limits=Limits(rpm=1)), make_credential(2)
    take(state, full)
    resolution = ask([full, free], state)
    assert order(resolution) == [2]
    (rejection,) = resolution.rejections
    assert (rejection.credential_id, rejection.reason) == (1, "limit")
    assert rejection.detail == "at its limit (1 requests per minute); room in 61 s"
    assert rejection.until == pytest.approx(NOW + 61)
    assert order(ask([full, free], state, NOW + 62)) in ([1, 2], [2, 1])


def test_a_provider_s_limit_holds_for_all_its_credentials_together():
    limits = Limits(rpm=2)
    pair = [make_credential(number, provider_limits=limits) for number in (1, 2)]
    other = make_credential(3, provider_id=9, provider_limits=limits)
    state = MemoryState()
    take(state, pair[0])
    take(state, pair[1])
    assert order(ask([*pair, other], state)) == [3]


def test_all_or_none_of_the_claims_is_taken():
    both = make_credential(1, limits=Limits(rpm=5), provider_limits=Limits(concurrency=1))
    state = MemoryState()
    take(state, both)
    assert state.admit_here(credential_claims(both, 0), NOW) == math.inf
    requests = state.allowance("credential:1", Limits(rpm=5), NOW).requests
    assert requests is not None
    assert requests.remaining == 4


def test_who_waits_stands_behind_who_is_free():
    held = make_credential(1, priority=9, limits=Limits(rpm=1, waits=True, max_wait_s=90))
    impatient = make_credential(2, limits=Limits(rpm=1, waits=True, max_wait_s=5))
    busy = make_credential(3, limits=Limits(concurrency=1, waits=True, max_wait_s=1))
    free = make_credential(4)
    state = MemoryState()
    for credential in (held, impatient, busy):
        take(state, credential)
    resolution = ask([held, impatient, busy, free], state)
    assert order(resolution) == [4, 1, 3]
    assert [rejection.credential_id for rejection in resolution.rejections] == [2]


def test_nobody_with_room_is_a_429_with_the_shortest_wait():
    state = MemoryState()
    slow, soon = make_credential(1, limits=Limits(rpd=1)), make_credential(2, limits=Limits(rpm=1))
    take(state, slow)
    take(state, soon)
    error = rounds.nobody_free(ask([slow, soon], state), NOW)
    assert (error.client_status, error.error_type, error.code) == (
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
    )
    assert error.retry_after_s == 61


def test_a_place_that_only_an_ending_request_frees_is_worth_another_try_soon():
    state, busy = MemoryState(), make_credential(1, limits=Limits(concurrency=1))
    take(state, busy)
    assert rounds.nobody_free(ask([busy], state), NOW).retry_after_s == 1


def test_one_limit_that_refuses_is_enough_to_refuse():
    claims = credential_claims(
        make_credential(1, limits=Limits(rpm=1, waits=True), provider_limits=Limits(rpm=1)), 0
    )
    assert longest_wait_s(claims) == 0
    assert longest_wait_s(()) == 0


def test_limits_in_words():
    assert words(Limits(rpm=1, tpd=5)) == "1 requests per minute, 5 tokens per day"
    assert words(Limits()) == ""
