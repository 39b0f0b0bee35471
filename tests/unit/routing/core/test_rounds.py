import pytest

from providers.errors import UpstreamProtocolError, UpstreamTimeout
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
    unreachable,
)

A, B = make_credential(1), make_credential(2)
TABLE = make_table({"m": [make_offer(A), make_offer(B)]})
ALONE = make_table({"m": [make_offer(A)]})


def tried(a_round, **options):
    """Everybody whom the round hands out."""
    found = []
    while (candidate := a_round.next(**options)) is not None:
        found.append((candidate.credential.id, candidate.model))
    return found


def look(table, state, now=NOW):
    return resolve(table, state, ANYONE, RouteQuery(model="m"), now)


def test_a_round_admits_those_whose_retries_reach_it():
    patient, hasty = make_credential(1, request_retry=2), make_credential(2, request_retry=0)
    resolution = look(make_table({"m": [make_offer(patient), make_offer(hasty)]}), MemoryState())
    found = [tried(rounds.Round(resolution, number, SETTINGS)) for number in range(4)]
    assert found == [[(1, "up"), (2, "up")], [(1, "up")], [(1, "up")], []]


def test_the_limit_counts_credentials_and_not_the_members_of_a_pool():
    pool = make_table({"m": [make_offer(A, "q", "g"), make_offer(B, "q", "g")]})
    one = RouteSettings(max_retry_credentials=1)
    a_round = rounds.Round(look(pool, MemoryState()), 0, one)
    assert tried(a_round) == [(1, "q"), (1, "g")]
    assert [(r.credential_id, r.reason) for r in a_round.passed_over] == [(2, "retry_limit")] * 2


def test_who_is_passed_over_does_not_count_towards_the_limit():
    one = RouteSettings(max_retry_credentials=1)
    a_round = rounds.Round(look(TABLE, MemoryState()), 0, one)
    assert tried(a_round, is_blocked=lambda candidate: candidate.credential is A) == [(2, "up")]


def test_a_failure_of_the_whole_credential_ends_its_pool():
    pool = make_table({"m": [make_offer(A, "q", "g"), make_offer(B, "q", "g")]})
    a_round = rounds.Round(look(pool, MemoryState()), 0, SETTINGS)
    first = a_round.next()
    assert first is not None
    a_round.failed(first, refused(RefusalKind.QUOTA, 429, credential_wide=True))
    assert tried(a_round) == [(2, "q"), (2, "g")]
    assert [(r.credential_id, r.model, r.reason) for r in a_round.passed_over] == [(1, "g", "tried")]


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
    assert error.message == "auth_unavailable: no auth available (providers=acme, model=m)"
    assert error.details == {"causes": ["quota", "unauthorized"]}


def test_nobody_at_all_says_that_nobody_was_found():
    gone = refused(RefusalKind.MODEL_UNSUPPORTED, 400)
    assert not rounds.may_repeat(gone)
    error = rounds.nobody_free(
        look(make_table({"m": [make_offer(make_credential(1, "claude"))]}), MemoryState()), NOW
    )
    assert error.message.startswith(
        "auth_not_found: no auth available (providers=claude, model=m); check Claude"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1s"), (12.0, "12s"), (90.0, "1m30s"), (3600.0, "1h0m0s"), (3725.6, "1h2m6s")],
)
def test_durations_are_written_as_in_go(seconds, words):
    assert rounds.go_duration(seconds) == words


def test_when_nobody_could_be_tried_only_a_spent_quota_is_waited_for():
    state = MemoryState()
    fail(state, 1, refused(RefusalKind.QUOTA, 429, retry_after_s=20.0))
    assert rounds.wait_before_round(look(ALONE, state), 1, SETTINGS, NOW, has_tried=False) == 20.0
    fail(state, 2, refused(RefusalKind.UNAUTHORIZED, 401))
    assert rounds.wait_before_round(look(TABLE, state), 1, SETTINGS, NOW, has_tried=False) is None
    assert rounds.wait_before_round(look(TABLE, state), 1, SETTINGS, NOW) == 20.0


@pytest.mark.parametrize(
    "error",
    [unreachable(), UpstreamTimeout("it kept silent", phase="first_byte")],
    ids=["unreachable", "silent"],
)
def test_no_round_follows_where_nobody_answered_but_a_stream_may_begin_anew(error):
    assert not rounds.may_repeat(error)
    assert rounds.may_begin_anew(error)


def test_an_answer_that_is_none_counts_as_a_bad_gateway():
    assert rounds.may_repeat(UpstreamProtocolError("not JSON"))
    cut = UpstreamProtocolError("cut off")
    cut.is_dropped = True
    assert not rounds.may_repeat(cut)
