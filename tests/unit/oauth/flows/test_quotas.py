"""What each vendor's allowances become. Kiro's and Copilot's stand in their own files."""

from __future__ import annotations

import pytest

from oauth.flows import claude, codex, google
from oauth.flows.antigravity import quotas as antigravity_quotas
from oauth.flows.base import Grant
from oauth.flows.errors import RefreshUnavailable
from oauth.flows.kimi import quotas as kimi_quotas
from oauth.flows.registry import BY_KEY, CHANNELS
from tests.unit.oauth.flows.script import LOST, NOW, Vendor, sent
from tests.unit.oauth.flows.test_logins import settings_of


def test_claudes_windows():
    fields = {
        "five_hour": {"utilization": 100, "resets_at": "2027-01-15T09:00:00Z"},
        "seven_day": {"utilization": 40.5, "resets_at": None},
        "seven_day_opus": {"utilization": 100, "resets_at": None},
        "seven_day_sonnet": None,
        "extra_usage": {"is_enabled": False, "utilization": None},
        "limits": [],
    }
    found = {quota.name: quota for quota in claude.quotas(fields)}
    assert found.keys() == {"five_hour", "seven_day", "seven_day_opus"}
    assert found["five_hour"].is_exhausted
    assert found["five_hour"].resets_at == NOW + 3600
    assert not found["seven_day_opus"].is_exhausted  # of one family: its models answer 429 themselves
    fields["extra_usage"] = {"is_enabled": True}
    assert not any(quota.is_exhausted for quota in claude.quotas(fields))


def test_claudes_headers():
    head = "anthropic-ratelimit-unified-5h-"
    headers = {head + "utilization": "1.02", head + "reset": "1800003600", head + "status": "rejected"}
    (quota,) = BY_KEY["claude"].quotas_in(headers, {}, NOW)
    assert (quota.name, quota.used_percent, quota.resets_at) == ("five_hour", 100, NOW + 3600)
    assert quota.is_exhausted
    assert BY_KEY["claude"].quotas_in({head + "utilization": "soon"}, {}, NOW) == ()
    bare = {head + "status": "rejected", head + "reset": "2027-01-15T09:00:00Z"}
    (quota,) = BY_KEY["claude"].quotas_in(bare, {}, NOW)
    assert (quota.used_percent, quota.is_exhausted, quota.resets_at) == (100, True, NOW + 3600)


def test_codexs_windows():
    window = {
        "used_percent": 100,
        "limit_window_seconds": 18000,
        "reset_after_seconds": 60,
        "reset_at": 1800000060,
    }
    week = {"used_percent": 3, "limit_window_seconds": 604800, "reset_after_seconds": 99}
    fields = {
        "rate_limit": {
            "allowed": False,
            "limit_reached": True,
            "primary_window": window,
            "secondary_window": week,
        }
    }
    primary, secondary = codex.quotas(fields, NOW)
    assert (primary.name, primary.is_exhausted, primary.resets_at) == ("5h", True, NOW + 60)
    assert (secondary.name, secondary.is_exhausted, secondary.resets_at) == ("weekly", False, NOW + 99)
    fields["rate_limit"] |= {"allowed": True, "limit_reached": False}
    assert not codex.quotas(fields, NOW)[0].is_exhausted
    assert codex.quotas({"rate_limit": None}, NOW) == ()


def test_codexs_headers():
    headers = {
        "x-codex-primary-used-percent": "100",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-after-seconds": "60",
        "x-codex-secondary-used-percent": "12.5",
    }
    primary, secondary = BY_KEY["codex"].quotas_in(headers, {}, NOW)
    assert (primary.name, primary.is_exhausted, primary.resets_at) == ("5h", True, NOW + 60)
    assert (secondary.name, secondary.used_percent, secondary.resets_at) == ("weekly", 12.5, None)
    headers["x-codex-credits-has-credits"] = "True"
    assert not BY_KEY["codex"].quotas_in(headers, {}, NOW)[0].is_exhausted


def test_googles_buckets():
    buckets: list[dict[str, object]] = [
        {
            "modelId": "gemini-pro",
            "remainingFraction": 0.25,
            "resetTime": "2027-01-15T09:00:00Z",
            "tokenType": "REQUESTS",
        },
        {"modelId": "gemini-pro", "resetTime": "2027-01-15T09:00:00Z", "tokenType": "TOKENS"},
        {"modelId": "gemini-flash"},
        {"remainingFraction": 1},
    ]
    requests, spent = google.bucket_quotas(buckets)
    assert (requests.name, requests.model, requests.used_percent) == ("gemini-pro", "gemini-pro", 75)
    assert (spent.name, spent.is_exhausted, spent.resets_at) == ("gemini-pro tokens", True, NOW + 3600)


def bucket(model: str, share: float, hour: int) -> dict[str, object]:
    return {"modelId": model, "remainingFraction": share, "resetTime": f"2027-01-15T{hour:02}:00:00Z"}


def test_a_model_is_spent_when_it_is_in_every_project():
    grant = Grant(channel="gemini-cli", access_token="a", account={"project_id": "one,two"})
    channel, settings = BY_KEY["gemini-cli"], settings_of("gemini-cli")
    first = (200, {"buckets": [bucket("pro", 0, 12), bucket("flash", 0, 12)]})
    second = (200, {"buckets": [bucket("pro", 0, 9), bucket("flash", 0.5, 9)]})
    vendor = Vendor([first, second])
    found = vendor.run(channel.read_quota(grant, settings, NOW))
    assert [sent(call) for call in vendor.calls] == [{"project": "one"}, {"project": "two"}]
    assert [quota.name for quota in found] == ["one: pro", "one: flash", "two: pro", "two: flash"]
    assert [quota.name for quota in found if quota.is_exhausted] == ["two: pro"]  # the first to come back
    assert Vendor([first, (403, {})]).run(channel.read_quota(grant, settings, NOW)) == ()


def test_antigravitys_models():
    fields = {
        "models": {
            "m": {"quotaInfo": {"remainingFraction": 1}},
            "n": {"quotaInfo": {"resetTime": "x"}},
            "o": {},
        }
    }
    one, other = antigravity_quotas(fields)
    assert (one.model, one.is_exhausted) == ("m", False)
    assert (other.model, other.is_exhausted) == ("n", True)


def test_kimis_windows():
    fields = {
        "usage": {"limit": "100", "used": "40", "resetTime": "2027-01-15T09:00:00Z"},
        "limits": [
            {
                "window": {"duration": 300, "timeUnit": "TIME_UNIT_MINUTE"},
                "detail": {"limit": "10", "remaining": "0"},
            }
        ],
    }
    plan, window = kimi_quotas(fields)
    assert (plan.remaining, plan.used_percent, plan.resets_at) == (60, 40, NOW + 3600)
    assert (window.name, window.used, window.is_exhausted) == ("300 minute", 10, True)


READS = [channel for channel in CHANNELS if channel.quota_every_s is not None]
ACCOUNT = {"email": "a@b.c", "project_id": "p", "account_id": "acc"}


@pytest.mark.parametrize("channel", READS, ids=lambda channel: channel.key)
@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"<html>", b'{"usage": 1, "models": [], "buckets": {}}', b'{"rate_limit": []}'],
)
def test_nonsense_is_no_reading(channel, body):
    grant = Grant(channel=channel.key, access_token="a", account=ACCOUNT, private={"github_token": "g"})
    assert Vendor([(200, body)]).run(channel.read_quota(grant, settings_of(channel.key), NOW)) == ()
    assert Vendor([(500, body)]).run(channel.read_quota(grant, settings_of(channel.key), NOW)) == ()
    with pytest.raises(RefreshUnavailable):
        Vendor([LOST]).run(channel.read_quota(grant, settings_of(channel.key), NOW))
