import pytest

from providers.adapters import limits

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("17s", 17.0),
        ("3.5s", 3.5),
        ("1h2m3s", 3723.0),
        ("510.79ms", 0.51079),
        ("6m0s", 360.0),
        ("2m59.56s", 179.56),
        ("1d2h", 93_600.0),
        ("42", 42.0),
        ("0", 0.0),
    ],
)
def test_a_duration_is_read_in_every_spelling(text, seconds):
    assert limits.duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "-1", "nan", "inf", "1e400", "5 s", "s", "1x", "99999999999"])
def test_what_is_no_plausible_duration_is_none(text):
    assert limits.duration_s(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "1700000060",
        "1700000060.0",
        "1700000060000",
        "2023-11-14T22:14:20Z",
        "2023-11-14T22:14:20+00:00",
        "Tue, 14 Nov 2023 22:14:20 GMT",
    ],
)
def test_a_moment_is_read_in_every_spelling(text):
    assert limits.wait_until(text, NOW) == pytest.approx(60.0)


@pytest.mark.parametrize("text", ["", "tomorrow", "12", "9999-99-99", "Tue, 99 Nov 2023 22:14:20 GMT"])
def test_what_is_no_moment_is_none(text):
    assert limits.wait_until(text, NOW) is None


def test_a_moment_in_the_past_asks_for_no_wait():
    assert limits.wait_until("1600000000", NOW) == 0.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}, 60.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "2"}, 2.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "whenever"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_seconds_milliseconds_and_as_a_date(headers, seconds):
    assert limits.header_wait_s(headers, NOW) == seconds


def test_a_reset_counts_only_for_an_allowance_that_is_spent():
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "2m59.56s",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6h",
    }
    assert limits.reset_wait_s(headers, NOW) == pytest.approx(179.56)


def test_of_two_spent_allowances_the_later_reset_counts():
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "12ms",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert limits.reset_wait_s(headers, NOW) == 360.0


@pytest.mark.parametrize("reset", ["1700000060000", "1700000060", "60", "60s"])
def test_a_plain_reset_may_be_a_moment_or_a_wait(reset):
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}
    assert limits.reset_wait_s(headers, NOW) == 60.0


def test_anthropic_names_its_allowances_the_other_way_round():
    headers = {
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "2023-11-14T22:14:20Z",
        "anthropic-ratelimit-tokens-remaining": "149984",
        "anthropic-ratelimit-tokens-reset": "2023-11-14T23:14:20Z",
    }
    assert limits.reset_wait_s(headers, NOW) == 60.0


def test_resets_without_a_spent_allowance_say_nothing():
    assert limits.reset_wait_s({"x-ratelimit-reset-tokens": "6m"}, NOW) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Rate limit reached. Please try again in 20s. Visit …", 20.0),
        ("Please try again in 6m0s.", 360.0),
        ("Your quota will reset after 1h2m3s.", 3723.0),
        ("Please retry in 17.246s.", 17.246),
        ("try again in a while", None),
    ],
)
def test_a_wait_is_found_in_prose(text, seconds):
    assert limits.text_wait_s(text) == seconds
