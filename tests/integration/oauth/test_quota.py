"""Allowances from the vendor to the cooldown."""

from __future__ import annotations

import time

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from oauth import quota
from oauth.flows.base import Grant, Quota
from oauth.models import CredentialEvent, OAuthToken, QuotaReading
from oauth.quota import QuotaReader
from oauth.tokens import store_grant
from providers.entries import entry_of
from providers.models import Credential
from providers.upstream.client import UpstreamClient
from providers.values import RefusalKind
from routing import revision, table
from routing.live import LiveTable
from routing.state.memory import MemoryState
from tests.integration.oauth.vendor import FakeVendor

USAGE = {
    "five_hour": {"utilization": 100.0, "resets_at": "2099-01-01T00:00:00Z"},
    "seven_day": {"utilization": 12.5, "resets_at": None},
    "seven_day_opus": None,
}


def claude_login() -> Credential:
    grant = Grant(
        channel="claude",
        access_token="sk-ant-oat",
        refresh_token="r",
        expires_at=time.time() + 8 * 3600,
        account={"email": "alice@example.com", "account_uuid": "u"},
    )
    return store_grant(grant)


@pytest.mark.django_db(transaction=True)
async def test_a_reading_is_kept_and_a_spent_window_rests_the_seat(
    client: UpstreamClient, vendor: FakeVendor, settings
):
    settings.CLIPROXY_OAUTH_CLAUDE_USAGE_URL = f"{vendor.url}/usage"
    vendor.answers = {"/usage": [(200, USAGE)]}
    credential = await sync_to_async(claude_login)()
    reader = QuotaReader(client)
    assert await reader.read_due() == 1
    assert await reader.read_due() == 0  # not before its time, by nobody
    rows = await sync_to_async(lambda: list(QuotaReading.objects.values_list("name", "is_exhausted")))()
    assert rows == [("five_hour", True), ("seven_day", False)]
    assert vendor.asked[0].headers["anthropic-beta"] == "oauth-2025-04-20"
    built = await sync_to_async(table.build)()
    (spent,) = built.spent
    assert (spent.credential_id, spent.model, spent.until) == (credential.pk, "", 4070908800.0)
    # what headers tell is written with the next look
    token = await sync_to_async(Credential.objects.select_related("provider", "oauth_token").get)()
    entry = await sync_to_async(entry_of)(token)
    head = "anthropic-ratelimit-unified-5h-"
    reader.note_headers(entry, {head + "utilization": "0.5", head + "reset": "4070908800"})
    await reader.flush()
    row = await sync_to_async(QuotaReading.objects.get)(name="five_hour")
    assert (row.used_percent, row.is_exhausted) == (50, False)
    await reader.stop()


@pytest.mark.django_db
def test_a_reading_changes_routing_only_when_something_is_spent_or_back():
    credential = claude_login()
    now = timezone.now()
    half = Quota(name="five_hour", used_percent=50.0, resets_at=now.timestamp() + 60)
    full = Quota(name="five_hour", used_percent=100.0, resets_at=now.timestamp() + 60, is_exhausted=True)
    before = revision.current()
    quota.store(credential.pk, (half,), now)
    quota.store(credential.pk, (half,), now)
    assert revision.current() == before
    quota.store(credential.pk, (full,), now)
    assert revision.current() == before + 1
    credential.refresh_from_db()
    cleared = credential.cooldowns_cleared_at
    quota.store(credential.pk, (half,), now)
    credential.refresh_from_db()
    assert credential.cooldowns_cleared_at != cleared
    told = CredentialEvent.objects.filter(kind="quota").order_by("id").values_list("message", flat=True)
    assert [words.partition(",")[0] for words in told] == [
        "five_hour: 50 % used",
        "five_hour: 100 % used",
        "five_hour: 50 % used",
    ]


@pytest.mark.django_db
def test_allowances_that_a_whole_reading_does_not_name_are_gone():
    credential = claude_login()
    now = timezone.now()
    quota.store(credential.pk, (Quota(name="a"), Quota(name="b")), now)
    quota.store(credential.pk, (Quota(name="a"),), now)
    assert QuotaReading.objects.count() == 2
    quota.store(credential.pk, (Quota(name="a"),), now, is_whole=True)
    assert QuotaReading.objects.count() == 1
    quota.store(999_999, (Quota(name="a"),), now)  # deleted meanwhile


@pytest.mark.django_db
def test_a_login_that_is_gone_is_not_asked():
    claude_login()
    OAuthToken.objects.update(status="login_needed")
    assert quota.claim_due(timezone.now(), 8) == []


@pytest.mark.django_db
def test_a_spent_seat_rests_in_every_process_until_the_reset():
    credential = claude_login()
    state = MemoryState()
    live = LiveTable(state, 1.0)
    live.load()
    now = timezone.now()
    resets = now.timestamp() + 3600
    spent = Quota(name="five_hour", used_percent=100.0, resets_at=resets, is_exhausted=True)
    quota.store(credential.pk, (spent,), now)
    live.load()
    rest = state.cooldown(credential.pk, "claude-sonnet-4-5", now.timestamp())
    assert rest is not None
    assert (rest.cause, rest.until) == (RefusalKind.QUOTA, resets)
    assert "five_hour" in rest.message
    # a further look keeps it; an allowance that came back ends it
    live.load()
    assert state.cooldown(credential.pk, "claude-sonnet-4-5", now.timestamp()) == rest
    quota.store(credential.pk, (Quota(name="five_hour", used_percent=1.0),), timezone.now())
    live.load()
    assert state.cooldown(credential.pk, "claude-sonnet-4-5", now.timestamp()) is None
