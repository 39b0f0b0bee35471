from __future__ import annotations

import pytest

from oauth.flows import device, wire
from oauth.flows.base import SlowedDown
from oauth.flows.errors import LoginDenied, LoginExpired, OAuthError
from tests.unit.oauth.flows.script import LOST, Vendor

STARTED = {
    "device_code": "dc",
    "user_code": "ABCD-EFGH",
    "verification_uri": "https://vendor.example/device",
    "verification_uri_complete": "https://vendor.example/device?user_code=ABCD-EFGH",
    "expires_in": 600,
    "interval": 5,
}
PENDING = (400, {"error": "authorization_pending"})
TOKENS = (200, {"access_token": "at", "refresh_token": "rt", "expires_in": 3600})


def login(pace: device.Pace | None = None):
    begun = yield from device.start(wire.form_post("https://v.example/device", {}), pace or device.Pace())
    answer = yield from device.poll(wire.form_post("https://v.example/token", {}), begun)
    return wire.object_of(answer)


def test_it_shows_the_code_and_polls_until_the_tokens_come():
    vendor = Vendor([(200, STARTED), PENDING, PENDING, TOKENS])
    assert vendor.run(login())["access_token"] == "at"
    assert vendor.shown.user_code == "ABCD-EFGH"
    assert vendor.shown.verification_url_complete.endswith("user_code=ABCD-EFGH")
    assert vendor.shown.expires_in_s == 600
    assert vendor.waits == [5, 5, 5]


def test_an_error_in_a_200_is_an_error():
    vendor = Vendor([(200, STARTED), (200, {"error": "authorization_pending"}), TOKENS])
    assert vendor.run(login())["access_token"] == "at"


@pytest.mark.parametrize("page", [(200, b"<!doctype html>"), (200, b""), (200, []), (502, b"<html>")])
def test_a_page_where_json_belongs_is_asked_again(page):
    """A company's proxy, or a hotel's: the person may have confirmed meanwhile."""
    vendor = Vendor([(200, STARTED), page, TOKENS])
    assert vendor.run(login())["access_token"] == "at"
    with pytest.raises(OAuthError, match="302"):
        Vendor([(200, STARTED), (302, b"")]).run(login())


def test_slow_down_adds_five_seconds_for_good():
    vendor = Vendor([(200, STARTED), (400, {"error": "slow_down"}), PENDING, TOKENS])
    vendor.run(login())
    assert vendor.waits == [5, 10, 10]
    assert [step.interval_s for step in vendor.steps if isinstance(step, SlowedDown)] == [10]


def test_a_longer_interval_that_comes_with_slow_down_holds():
    vendor = Vendor([(200, STARTED), (200, {"error": "slow_down", "interval": 25}), TOKENS])
    vendor.run(login())
    assert vendor.waits == [5, 25]


def test_denial_ends_it():
    vendor = Vendor([(200, STARTED), (400, {"error": "access_denied"})])
    with pytest.raises(LoginDenied):
        vendor.run(login())


def test_an_expired_code_ends_it():
    vendor = Vendor([(200, STARTED), PENDING, (400, {"error": "expired_token"})])
    with pytest.raises(LoginExpired):
        vendor.run(login())


def test_the_deadline_ends_it_even_when_the_vendor_never_says_so():
    vendor = Vendor([(200, STARTED | {"expires_in": 12}), *[PENDING] * 9])
    with pytest.raises(LoginExpired):
        vendor.run(login())
    assert vendor.waits == [5, 5, 2]


def test_a_lost_network_is_tried_again_with_growing_waits():
    vendor = Vendor([(200, STARTED), LOST, LOST, (503, b"busy"), PENDING, TOKENS])
    assert vendor.run(login())["access_token"] == "at"
    assert vendor.waits == [5, 10, 20, 40, 5]


def test_a_network_that_stays_away_ends_with_the_code():
    vendor = Vendor([(200, STARTED | {"expires_in": 60}), *[LOST] * 30])
    with pytest.raises(LoginExpired):
        vendor.run(login())


def test_any_other_error_ends_it_and_says_which():
    vendor = Vendor([(200, STARTED), (400, {"error": "incorrect_device_code", "error_description": "No."})])
    with pytest.raises(OAuthError, match=r"incorrect_device_code: No\."):
        vendor.run(login())


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"<html>"),
        (200, b"not json"),
        (200, {"user_code": "X"}),
        (400, {"error": "invalid_client"}),
        (200, STARTED | {"verification_uri": "javascript:alert(1)", "verification_uri_complete": ""}),
    ],
)
def test_a_bad_start_is_a_clear_error(answer):
    with pytest.raises(OAuthError):
        Vendor([answer]).run(login())


def test_short_intervals_are_raised_and_long_lives_are_cut():
    pace = device.Pace(minimum_s=3, limit_s=30)
    vendor = Vendor([(200, STARTED | {"interval": 1, "expires_in": 9999}), TOKENS])
    vendor.run(login(pace))
    assert vendor.waits == [3]
    assert vendor.shown.expires_in_s == 30


def test_no_interval_means_five_seconds():
    started = {key: value for key, value in STARTED.items() if key != "interval"}
    vendor = Vendor([(200, started), TOKENS])
    vendor.run(login(device.Pace(minimum_s=0)))
    assert vendor.waits == [5]
