from providers.values import RefusalKind
from routing.core import rounds
from routing.core.query import RouteQuery
from routing.core.resolve import resolve
from routing.core.table import RouteSettings
from routing.state.memory import MemoryState
from tests.unit.routing.core.makers import (
    ANYONE,
    NOW,
    SETTINGS,
    fail,
    make_credential,
    make_offer,
    make_table,
    refused,
)

A, B = make_credential(1), make_credential(2)
TABLE = make_table({"m": [make_offer(A), make_offer(B)]})
ALONE = make_table({"m": [make_offer(A)]})


def look(table, state, now=NOW):
    return resolve(table, state, ANYONE, RouteQuery(model="m"), now)


def test_a_round_admits_those_whose_retries_reach_it():
    patient, hasty = make_credential(1, request_retry=2), make_credential(2, request_retry=0)
    resolution = look(make_table({"m": [make_offer(patient), make_offer(hasty)]}), MemoryState())
    admitted = [
        [candidate.credential.id for candidate in rounds.admitted(resolution.candidates, number, SETTINGS)]
        for number in range(4)
    ]
    assert admitted == [[1, 2], [1], [1], []]


def test_the_limit_counts_credentials_and_not_the_members_of_a_pool():
    pool = make_table({"m": [make_offer(A, "q", "g"), make_offer(B, "q", "g")]})
    one = RouteSettings(max_retry_credentials=1)
    admitted = rounds.admitted(look(pool, MemoryState()).candidates, 0, one)
    assert [(candidate.credential.id, candidate.model) for candidate in admitted] == [(1, "q"), (1, "g")]


def test_another_round_comes_at_once_when_somebody_is_free():
    state = MemoryState()
    fail(state, 1, refused(RefusalKind.TRANSIENT, 503))
    assert rounds.wait_before_round(look(TABLE, state), 1, SETTINGS, NOW) == 0.0


def test_another_round_waits_for_the_first_to_wake():
    state = MemoryState()
    fail(state, 1, refused(RefusalKind.QUOTA, 429, retry_after_s=12.0))
    assert rounds.wait_before_round(look(ALONE, state), 1, SETTINGS, NOW) == 12.0


def test_no_round_waits_longer_than_the_interval():
    state = MemoryState()
    fail(state, 1, refused(RefusalKind.QUOTA, 429, retry_after_s=45.0))
    assert rounds.wait_before_round(look(ALONE, state), 1, SETTINGS, NOW) is None
    never = RouteSettings(max_retry_interval_s=0)
    fail(state, 1, refused(RefusalKind.QUOTA, 429), model="other")
    assert rounds.wait_before_round(look(ALONE, state, NOW + 44), 1, never, NOW + 44) is None


def test_a_refused_key_is_not_waited_for():
    state = MemoryState()
    fail(state, 1, refused(RefusalKind.UNAUTHORIZED, 401))
    assert rounds.wait_before_round(look(ALONE, state), 1, SETTINGS, NOW + 1795) is None


def test_no_round_follows_the_last():
    assert rounds.wait_before_round(look(ALONE, MemoryState()), 4, SETTINGS, NOW) is None


def test_when_all_rest_for_transient_faults_the_first_to_wake_is_tried():
    state = MemoryState()
    fail(state, 1, refused(RefusalKind.TRANSIENT, 503, retry_after_s=20.0))
    fail(state, 2, refused(RefusalKind.TRANSIENT, 503, retry_after_s=10.0))
    waking = rounds.first_to_wake(look(TABLE, state))
    assert waking is not None
    assert waking.credential.id == 2
    fail(state, 1, refused(RefusalKind.QUOTA, 429, retry_after_s=25.0))
    assert rounds.first_to_wake(look(TABLE, state)) is None


def test_all_spent_is_a_429_that_says_when_to_come_back():
    state = MemoryState()
    fail(state, 1, refused(RefusalKind.QUOTA, 429, retry_after_s=11.2))
    error = rounds.nobody_free(look(ALONE, state), NOW)
    assert (error.client_status, error.code, error.retry_after_s) == (429, "model_cooldown", 12.0)


def test_all_blocked_for_several_causes_is_a_503_that_names_them():
    state = MemoryState()
    fail(state, 1, refused(RefusalKind.QUOTA, 429, retry_after_s=20.0))
    fail(state, 2, refused(RefusalKind.UNAUTHORIZED, 401))
    error = rounds.nobody_free(look(TABLE, state), NOW)
    assert error.client_status == 503
    assert "quota, unauthorized" in error.message
