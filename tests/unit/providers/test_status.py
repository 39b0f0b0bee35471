"""How credentials and providers stand, in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from providers.models import Credential, CredentialCooldown, Provider
from providers.status import Status, cooldown_text, credential_status, provider_status, remaining

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def make_credential(cooldowns=(), **columns) -> Credential:
    credential = Credential(pk=1, provider=Provider(key="acme", adapter="demo"), **columns)
    # As prefetch_related leaves it.
    credential.__dict__["_prefetched_objects_cache"] = {"cooldowns": list(cooldowns)}
    return credential


def resting(**columns) -> CredentialCooldown:
    values = {"cause": "quota", "since": NOW, "until": NOW + timedelta(minutes=14), **columns}
    return CredentialCooldown(**values)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (90, "90 s"), (840, "14 min"), (3 * 3600, "3 h"), (5 * 86400, "5 days")],
)
def test_what_is_left_is_told_to_the_larger_unit(seconds, text):
    assert remaining(NOW + timedelta(seconds=seconds), NOW) == text


def test_a_cooldown_says_what_why_and_until_when():
    text = cooldown_text(resting(model="large", status=429, message="Slow down."), NOW)
    assert text == "large: its quota is spent (429), until 12:14:00 UTC, 14 min left. Slow down."


def test_a_credential_is_disabled_broken_resting_working_or_new():
    assert credential_status(make_credential(enabled=False), NOW).word == "Disabled"
    broken = make_credential(health="broken", health_message="refused")
    assert credential_status(broken, NOW) == Status("Broken", "danger", "refused")
    assert credential_status(make_credential([resting()], health="working"), NOW).word == "Cooling down"
    working = make_credential(health="working", latency_ms=231)
    assert credential_status(working, NOW) == Status("Works", "success", "231 ms")
    assert credential_status(make_credential(), NOW).word == "Not used yet"


def test_a_cooldown_that_ended_no_longer_counts():
    ended = resting(until=NOW - timedelta(seconds=1))
    assert credential_status(make_credential([ended], health="working"), NOW).word == "Works"


def test_a_provider_is_as_good_as_its_best_credential_and_counts_the_rest():
    provider = Provider(key="acme", adapter="demo")
    rows = [make_credential(health="working"), make_credential(health="broken", health_message="refused")]
    status = provider_status(provider, rows, NOW)
    assert (status.word, status.detail) == ("Works", "1 works, 1 broken; refused")
    both = [make_credential(health="working"), make_credential(health="working")]
    assert provider_status(provider, both, NOW).detail == "2 work"
    assert provider_status(provider, [], NOW).word == "No credential"
