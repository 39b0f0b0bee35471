from __future__ import annotations

import msgspec
import pytest

from oauth import schedule
from oauth.flows.base import Grant
from oauth.flows.registry import BY_KEY

NOW = 1_800_000_000.0
HOUR = 3600.0
QWEN = BY_KEY["qwen"]  # three hours of lead
GRANT = Grant(channel="qwen", access_token="a", refresh_token="r", expires_at=NOW + 6 * HOUR)


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({}, NOW + 3 * HOUR),
        ({"expires_at": NOW + HOUR}, NOW),
        ({"expires_at": NOW + HOUR, "method": "file", "refreshed_at": NOW}, NOW),
        ({"expires_at": NOW + HOUR, "method": "device", "refreshed_at": NOW - HOUR}, NOW),
        ({"expires_at": NOW + HOUR, "method": "device", "refreshed_at": NOW}, NOW + HOUR / 2),
        ({"expires_at": NOW - 99}, NOW),
        ({"access_token": ""}, NOW),
        ({"expires_at": None}, NOW),
        ({"expires_at": None, "refreshed_at": NOW - HOUR}, NOW + 2 * HOUR),
        ({"refresh_token": ""}, None),
    ],
)
def test_when_a_stored_login_is_due(changes, due):
    assert schedule.first_refresh(QWEN, msgspec.structs.replace(GRANT, **changes), NOW) == due


@pytest.mark.parametrize(
    ("life", "due"),
    [(6 * HOUR, 3 * HOUR), (HOUR, HOUR / 2), (4 * HOUR, 2 * HOUR), (0, 1), (-5, 1), (None, 3 * HOUR)],
)
def test_a_renewed_token_is_never_due_at_once(life, due):
    end = NOW + life if life is not None else None
    grant = msgspec.structs.replace(GRANT, expires_at=end)
    assert schedule.next_refresh(QWEN, grant, NOW) == NOW + due


@pytest.mark.parametrize("written", [900, "900", "15m", "900s", "0h15m"])
def test_a_file_may_ask_for_a_cadence(written):
    extras = {"refresh_interval_seconds": written}
    grant = msgspec.structs.replace(GRANT, refreshed_at=NOW, file_extras=extras)
    assert schedule.next_refresh(QWEN, grant, NOW) == NOW + 900


@pytest.mark.parametrize("written", ["", "soon", None, [], 0, -5])
def test_a_cadence_that_is_none_is_ignored(written):
    grant = msgspec.structs.replace(GRANT, refreshed_at=NOW, file_extras={"refreshInterval": written})
    assert schedule.next_refresh(QWEN, grant, NOW) == NOW + 3 * HOUR


@pytest.mark.parametrize(
    ("failures", "asked", "wait"),
    [
        (1, None, 10),
        (2, None, 20),
        (5, None, 160),
        (6, None, 300),
        (99, None, 300),
        (1, 77, 77),
        (1, 1e9, 1800),
        (9, 1, 300),
    ],
)
def test_failures_back_off(failures, asked, wait):
    assert schedule.retry_at(failures, asked, NOW) == NOW + wait


def test_what_never_ends_is_never_due():
    kilo = Grant(channel="kilo", access_token="a")
    assert schedule.first_refresh(BY_KEY["kilo"], kilo, NOW) is None
    assert schedule.next_refresh(BY_KEY["kilo"], kilo, NOW) is None
