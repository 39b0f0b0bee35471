"""Routing's memory in one process: windows per model and per credential, turns, and what the mirror sees."""

from __future__ import annotations

import pytest

from providers.values import RefusalKind
from routing.core.cooldown import Cooldown, History
from routing.state.memory import MemoryState

NOW = 1_000.0


@pytest.fixture
def state():
    return MemoryState()


def failed(until, model="m", since=NOW, level=1):
    rest = Cooldown(cause=RefusalKind.QUOTA, since=since, until=until, model=model)
    return History(level=level, cooldown=rest)


def test_a_new_memory_knows_nothing(state):
    assert state.cooldown(1, "m", NOW) is None
    assert state.history(1, "m") == History()
    assert state.running(1, NOW) == []


def test_a_window_covers_its_credential_and_model_until_it_ends(state):
    state.record_failure(1, "m", failed(NOW + 10))
    assert state.cooldown(1, "m", NOW + 9) is not None
    assert state.cooldown(1, "m", NOW + 10) is None
    assert state.cooldown(1, "other", NOW) is None
    assert state.cooldown(2, "m", NOW) is None


def test_a_credential_wide_window_covers_every_model_and_the_later_of_two_counts(state):
    state.record_failure(1, "m", failed(NOW + 10))
    state.record_failure(1, "", failed(NOW + 20, model=""))
    for model in ("m", "n", "other"):
        rest = state.cooldown(1, model, NOW)
        assert rest is not None
        assert rest.until == NOW + 20
    assert {rest.model for rest in state.running(1, NOW)} == {"m", ""}


def test_a_success_forgets_the_model_and_keeps_a_credential_wide_window(state):
    state.record_failure(1, "m", failed(NOW + 10, level=4))
    state.record_failure(1, "", failed(NOW + 20, model=""))
    state.record_success(1, "m", NOW)
    assert state.history(1, "m").level == 0
    assert state.cooldown(1, "m", NOW) is not None


def test_clearing_drops_what_began_before_and_keeps_what_began_later(state):
    state.record_failure(1, "old", failed(NOW + 60, "old", since=NOW))
    state.record_failure(1, "new", failed(NOW + 60, "new", since=NOW + 5))
    state.record_failure(1, "", failed(NOW + 60, "", since=NOW))
    state.record_failure(2, "old", failed(NOW + 60, "old", since=NOW))
    state.clear(1, NOW + 1)
    assert [rest.model for rest in state.running(1, NOW)] == ["new"]
    assert state.cooldown(1, "old", NOW) is None
    assert state.cooldown(2, "old", NOW) is not None


def test_the_mirror_is_told_of_failures_of_a_first_success_and_of_a_recovery_only(state):
    state.record_success(1, "m", NOW)
    assert state.proved == {1}
    state.proved = set()
    state.record_success(1, "m", NOW)
    assert (state.changed, state.proved, state.ended) == (set(), set(), [])
    state.record_failure(1, "m", failed(NOW + 10))
    assert state.changed == {1}
    state.changed = set()
    state.record_success(1, "m", NOW)
    assert state.changed == {1}
    assert [(credential, rest.until) for credential, rest in state.ended] == [(1, NOW + 10)]


def test_a_cooldown_from_before_the_start_keeps_its_step_of_the_ladder(state):
    long = failed(NOW + 64, "m", since=NOW).cooldown
    state.restore(1, long)
    assert state.cooldown(1, "m", NOW) == long
    assert state.history(1, "m").level == 7
    assert state.changed == set()
    state.restore(1, failed(NOW + 2, "m", since=NOW).cooldown)
    assert state.cooldown(1, "m", NOW) == long


def test_turns_count_up_per_name(state):
    assert [state.turn("a"), state.turn("a"), state.turn("b"), state.turn("a")] == [0, 1, 0, 2]
