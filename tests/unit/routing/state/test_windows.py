import copy
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.values import Limits
from routing.state.windows import Windows

NOW = 1_800_000_000.0


def test_a_minute_takes_as_many_as_the_limit_says_and_slides():
    windows, limits = Windows(), Limits(rpm=3)
    for second in (0, 10, 20):
        assert windows.wait_s("s", limits, NOW + second) == 0
        windows.take("s", 0, NOW + second)
    assert windows.wait_s("s", limits, NOW + 30) == pytest.approx(31)
    assert windows.wait_s("s", limits, NOW + 61.5) == 0
    windows.take("s", 0, NOW + 61.5)
    assert windows.wait_s("s", limits, NOW + 62) == pytest.approx(9)


def left(windows, limits, now):
    """(requests, tokens) that remain."""
    allowance = windows.allowance("s", limits, now)
    return tuple(one and one.remaining for one in (allowance.requests, allowance.tokens))


def test_scopes_do_not_touch_each_other():
    windows, limits = Windows(), Limits(rpm=1)
    windows.take("a", 0, NOW)
    assert windows.wait_s("a", limits, NOW) > 0
    assert windows.wait_s("b", limits, NOW) == 0


def test_a_day_has_buckets_of_24_minutes():
    windows, limits = Windows(), Limits(rpd=1)
    windows.take("s", 0, NOW)
    assert 86_400 <= windows.wait_s("s", limits, NOW) <= 86_400 + 1440
    assert windows.wait_s("s", limits, NOW + 86_400 + 1441) == 0


def test_places_at_once_free_when_a_request_ends():
    windows, limits = Windows(), Limits(concurrency=2)
    windows.take("s", 0, NOW)
    windows.take("s", 0, NOW)
    assert windows.wait_s("s", limits, NOW) == math.inf
    windows.give_back("s", 0, NOW, 5, NOW + 1)
    assert windows.wait_s("s", limits, NOW + 1) == 0


def test_a_reservation_counts_until_the_use_is_known():
    windows, limits = Windows(), Limits(tpm=100)
    windows.take("s", 100, NOW)
    assert windows.wait_s("s", limits, NOW) > 0
    windows.give_back("s", 100, NOW, 40, NOW + 2)
    assert windows.wait_s("s", limits, NOW + 2) == 0
    assert left(windows, limits, NOW + 2) == (None, 60)


def test_a_request_larger_than_the_limit_passes_when_nothing_else_is_there():
    windows, limits = Windows(), Limits(tpm=10)
    windows.take("s", 50, NOW)
    windows.give_back("s", 50, NOW, 50, NOW + 1)
    assert windows.wait_s("s", limits, NOW + 1) == pytest.approx(61)


def test_a_reservation_that_left_its_window_takes_nothing_with_it():
    windows, limits = Windows(), Limits(tpm=100)
    windows.take("s", 90, NOW)
    assert windows.wait_s("s", limits, NOW + 200) == 0
    windows.give_back("s", 90, NOW, 30, NOW + 200)
    assert left(windows, limits, NOW + 200) == (None, 70)


def test_the_wait_lasts_until_enough_has_left():
    windows, limits = Windows(), Limits(tpm=100)
    windows.take("s", 60, NOW)
    windows.take("s", 80, NOW + 30)
    assert windows.wait_s("s", limits, NOW + 40) == pytest.approx(21)  # 60 leave, 80 stay
    windows.take("s", 60, NOW + 40)
    assert windows.wait_s("s", limits, NOW + 41) == pytest.approx(50)


def test_the_allowance_tells_of_the_tightest_window():
    windows, limits = Windows(), Limits(rpm=10, rpd=3, tpm=50)
    windows.take("s", 20, NOW)
    assert left(windows, limits, NOW) == (2, 30)
    requests = windows.allowance("s", limits, NOW).requests
    assert requests is not None
    assert requests.limit == 3
    assert requests.reset_s > 86_000
    fresh = windows.allowance("fresh", limits, NOW).requests
    assert fresh is not None
    assert fresh.reset_s == 0
    assert left(windows, Limits(concurrency=1), NOW) == (None, None)


@given(st.lists(st.floats(0, 20), min_size=1, max_size=60), st.integers(1, 8))
def test_no_minute_ever_holds_more_than_the_limit(gaps, limit):
    windows, limits, now, passed = Windows(), Limits(rpm=limit), NOW, []
    for gap in gaps:
        now += gap
        wait = windows.wait_s("s", limits, now)
        if wait == 0:
            windows.take("s", 0, now)
            passed.append(now)
        else:
            later = copy.deepcopy(windows)  # a look drops what is outdated by then
            assert later.wait_s("s", limits, now + wait + 0.001) == 0
    for start in passed:
        assert sum(start <= moment < start + 60 for moment in passed) <= limit
