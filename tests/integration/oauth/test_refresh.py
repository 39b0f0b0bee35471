"""Refreshes of one process against a vendor on loopback, and what they leave in the database."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connections
from django.utils import timezone

from management_api.auth_dir.apply import apply_folder
from oauth import credential_files, journal, leases
from oauth.flows.base import Grant, HttpCall, Renewed
from oauth.flows.errors import RefreshRejected, RefreshUnavailable
from oauth.models import CredentialEvent, OAuthToken, TokenStatus
from oauth.refresh import Refresher
from oauth.tokens import store_grant
from providers.entries import entry_of
from providers.models import Credential, CredentialHealth
from providers.upstream.client import UpstreamClient
from providers.upstream.probe import ProbeResult
from providers.values import CredentialEntry
from routing import revision
from routing.probing import probe_and_record
from tests.integration.oauth.makers import qwen_login, tokens
from tests.integration.oauth.vendor import FakeVendor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(30)]


@pytest.fixture
async def refresher(
    client: UpstreamClient, vendor: FakeVendor, settings, tmp_path
) -> AsyncIterator[Refresher]:
    settings.CLIPROXY_OAUTH_QWEN_TOKEN_URL = f"{vendor.url}/token"
    settings.DATA_DIR = tmp_path
    made = Refresher(client)
    yield made
    await made.stop()


@sync_to_async
def login(**values) -> Credential:
    return qwen_login(**values)


@sync_to_async
def row() -> OAuthToken:
    return OAuthToken.objects.get()


@sync_to_async
def entry(credential: Credential) -> CredentialEntry:
    return entry_of(Credential.objects.select_related("provider", "oauth_token").get(pk=credential.pk))


@sync_to_async
def events(kind: str) -> list[str]:
    return list(CredentialEvent.objects.filter(kind=kind).values_list("message", flat=True))


async def done(refresher: Refresher) -> list[object]:
    return await asyncio.gather(*await refresher.refresh_due(), return_exceptions=True)


async def test_what_is_due_is_renewed_and_rotated(refresher: Refresher, vendor: FakeVendor):
    await login()
    vendor.answers = {"/token": [tokens(1)]}
    before = await sync_to_async(revision.current)()
    await done(refresher)
    token = await row()
    assert (token.version, token.status, token.lease_owner) == (2, "ok", "")
    grant = token.grant()
    assert (grant.access_token, grant.refresh_token) == ("access-1", "refresh-1")
    assert grant.account["resource_url"] == "portal.qwen.ai"
    # three hours of lead in a life of six
    assert token.next_refresh_at is not None
    assert abs((token.next_refresh_at - timezone.now()).total_seconds() - 3 * 3600) < 10
    assert await sync_to_async(revision.current)() > before
    assert vendor.asked[0].fields["refresh_token"] == "refresh-0"
    assert len(await events("refresh")) == 1
    assert await done(refresher) == []


async def test_an_answer_without_a_refresh_token_keeps_the_old_one(refresher, vendor):
    await login()
    vendor.answers = {"/token": [(200, {"access_token": "access-1", "expires_in": 60})]}
    await done(refresher)
    assert (await row()).grant().refresh_token == "refresh-0"


@pytest.mark.parametrize("answer", [(400, {"error": "invalid_grant"}), (401, {}), (403, {"error": "no"})])
async def test_a_rejected_grant_is_terminal_and_visible(refresher, vendor, answer):
    credential = await login()
    vendor.answers = {"/token": [answer]}
    (error,) = await done(refresher)
    assert isinstance(error, RefreshRejected)
    token = await row()
    assert token.status == TokenStatus.LOGIN_NEEDED
    assert "Log in again" in token.last_error
    assert token.is_ended
    await sync_to_async(credential.refresh_from_db)()
    assert credential.health == CredentialHealth.BROKEN
    assert await done(refresher) == []
    with pytest.raises(RefreshRejected):
        await refresher.renew(await entry(credential))
    assert vendor.counts["/token"] == 1
    assert await events("failure") == [token.last_error]


@pytest.mark.parametrize(
    "answer",
    [(429, {}, {"retry-after": "77"}), (500, b"x"), (503, {}), "drop", (403, b"<html>"), (200, b"?")],
)
async def test_a_vendor_in_trouble_is_asked_again_later(refresher, vendor, answer):
    credential = await login(life_s=3600)
    vendor.answers = {"/token": [answer]}
    (error,) = await done(refresher)
    assert isinstance(error, RefreshUnavailable)
    token = await row()
    assert (token.status, token.failures, token.version) == (TokenStatus.FAILING, 1, 1)
    assert token.next_refresh_at is not None
    wait = (token.next_refresh_at - timezone.now()).total_seconds()
    expected = 77 if answer == (429, {}, {"retry-after": "77"}) else 10
    assert abs(wait - expected) < 5
    assert token.grant().access_token == "access-0"
    # nobody hammers the vendor meanwhile
    asked = vendor.counts["/token"]
    with pytest.raises(RefreshUnavailable):
        await refresher.renew(await entry(credential))
    assert vendor.counts["/token"] == asked
    # and when it is back, all is well
    vendor.answers = {"/token": [tokens(1)]}
    await sync_to_async(OAuthToken.objects.update)(next_refresh_at=timezone.now())
    await done(refresher)
    assert (await row()).status == TokenStatus.OK


async def test_a_vendor_that_hangs_ends_in_a_postponement(refresher, vendor, monkeypatch):
    await login()
    monkeypatch.setattr("oauth.refresh.WHOLE_REFRESH_S", 0.1)
    vendor.answers = {"/token": ["hang"]}
    (error,) = await done(refresher)
    assert isinstance(error, RefreshUnavailable)
    assert (await row()).lease_owner == ""


async def test_a_fresh_token_is_used_before_the_table_knows_it(refresher, vendor):
    credential = await login()
    stale = await entry(credential)
    assert refresher.is_stale(stale)
    vendor.answers = {"/token": [tokens(1)]}
    renewed = await refresher.renew(stale)
    assert (renewed.secret, renewed.secret_version) == ("access-1", 2)
    assert refresher.current(stale).secret == "access-1"
    assert not refresher.is_stale(renewed)
    assert refresher.current(await entry(credential)).secret == "access-1"
    assert refresher._fresh == {}


async def test_a_hundred_calls_share_one_refresh(refresher, vendor):
    stale = await entry(await login())
    vendor.answers = {"/token": [tokens(1)]}
    vendor.delay_s = 0.05
    renewed = await asyncio.gather(*(refresher.renew(stale) for _ in range(100)))
    assert {one.secret for one in renewed} == {"access-1"}
    assert vendor.counts["/token"] == 1


async def test_a_client_that_leaves_does_not_stop_a_refresh(refresher, vendor):
    stale = await entry(await login())
    vendor.answers = {"/token": [tokens(1)]}
    vendor.delay_s = 0.1
    call = asyncio.get_running_loop().create_task(refresher.renew(stale))
    while not vendor.asked:
        await asyncio.sleep(0.005)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await refresher.stop()
    assert (await row()).grant().access_token == "access-1"


async def test_a_login_made_meanwhile_is_not_overwritten(refresher, vendor):
    credential = await login()
    stale = await entry(credential)
    vendor.answers = {"/token": [tokens(1)]}
    vendor.delay_s = 0.2
    call = asyncio.get_running_loop().create_task(refresher.renew(stale))
    while not vendor.asked:
        await asyncio.sleep(0.005)
    await login(access="by-hand", refresh="by-hand-r", life_s=6 * 3600)
    assert (await call).secret == "by-hand"
    token = await row()
    assert token.grant().refresh_token == "by-hand-r"
    assert token.version == 2


async def test_a_rejection_of_an_old_token_does_not_end_a_login_made_meanwhile(refresher, vendor):
    stale = await entry(await login())
    vendor.answers = {"/token": [(400, {"error": "invalid_grant"})]}
    vendor.delay_s = 0.2
    call = asyncio.get_running_loop().create_task(refresher.renew(stale))
    while not vendor.asked:
        await asyncio.sleep(0.005)
    await login(access="by-hand", life_s=6 * 3600)
    with pytest.raises(RefreshRejected):
        await call
    assert (await row()).status == TokenStatus.OK
    assert (await refresher.renew(stale)).secret == "by-hand"


async def test_a_lease_of_somebody_else_is_waited_for(refresher, vendor):
    credential = await login()
    stale = await entry(credential)
    token = await row()
    held = await sync_to_async(leases.claim)(token.pk, 1, "another", timezone.now())
    call = asyncio.get_running_loop().create_task(refresher.renew(stale))
    await asyncio.sleep(0.05)
    assert not call.done()
    assert held is not None
    theirs = Grant(channel="qwen", access_token="theirs")
    assert await sync_to_async(leases.commit)(held, theirs, timezone.now())
    assert (await call).secret == "theirs"
    assert vendor.asked == []


async def test_a_dead_ones_lease_runs_out(refresher, vendor):
    await login()
    token = await row()
    await sync_to_async(OAuthToken.objects.update)(
        lease_owner="dead", lease_until=timezone.now() + timedelta(seconds=0.2)
    )
    vendor.answers = {"/token": [tokens(1)]}
    assert await done(refresher) == []
    stale = await entry(await sync_to_async(lambda: token.credential)())
    assert (await refresher.renew(stale)).secret == "access-1"


async def test_a_disabled_credential_is_left_alone(refresher, vendor):
    await login()
    await sync_to_async(Credential.objects.update)(enabled=False)
    assert await done(refresher) == []
    assert vendor.asked == []


async def test_what_nothing_renews_is_told_in_time(refresher):
    credential = await sync_to_async(store_grant)(
        Grant(channel="cursor", access_token="a", expires_at=time.time() + 3600, account={"sub": "s"})
    )
    now = timezone.now()
    assert await sync_to_async(leases.expire)(now) == 0
    assert (await row()).status == TokenStatus.EXPIRING
    assert await sync_to_async(leases.expire)(now + timedelta(hours=2)) == 1
    assert (await row()).status == TokenStatus.LOGIN_NEEDED
    await sync_to_async(credential.refresh_from_db)()
    assert credential.health == CredentialHealth.BROKEN


async def test_the_database_may_be_away_when_the_new_token_arrives(refresher, vendor, monkeypatch):
    await login()
    vendor.answers = {"/token": [tokens(1)]}
    real, tries = leases.commit, []

    def commit(*args):
        tries.append(args)
        if len(tries) < 3:
            raise OperationalError("database is locked")
        return real(*args)

    monkeypatch.setattr(leases, "commit", commit)
    monkeypatch.setattr("oauth.refresh.COMMIT_TRIES_S", (0.01, 0.01))
    await done(refresher)
    assert (await row()).grant().refresh_token == "refresh-1"
    assert vendor.counts["/token"] == 1


class Killed(BaseException):
    """Ends a task where ``kill -9`` would end the process."""


async def cut_off(refresher: Refresher, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh that ends with the vendor's answer in hand, before the database has it."""

    def killed(*args: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(leases, "commit", killed)
        (task,) = await refresher.refresh_due()
        with pytest.raises(Killed):
            await task
    refresher._running.clear()


async def test_an_answer_that_was_not_stored_is_found_at_the_next_start(
    refresher, vendor, client, monkeypatch, tmp_path
):
    await login()
    vendor.answers = {"/token": [tokens(1)]}
    await cut_off(refresher, monkeypatch)
    (path,) = (tmp_path / "refreshes").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"access-1" not in path.read_bytes()
    assert (await row()).version == 1
    again = Refresher(client)
    await again._replay()
    await again.stop()
    token = await row()
    assert (token.version, token.status, token.lease_owner) == (2, "ok", "")
    assert token.grant().refresh_token == "refresh-1"
    assert vendor.counts["/token"] == 1
    assert not path.exists()


async def test_an_answer_that_was_not_stored_is_found_by_the_next_holder_of_the_lease(
    refresher, vendor, monkeypatch, tmp_path
):
    stale = await entry(await login())
    vendor.answers = {"/token": [tokens(1)]}
    await cut_off(refresher, monkeypatch)
    await sync_to_async(OAuthToken.objects.update)(lease_until=timezone.now())
    assert (await refresher.renew(stale)).secret == "access-1"
    assert vendor.counts["/token"] == 1
    assert list((tmp_path / "refreshes").iterdir()) == []


async def test_an_answer_for_a_login_that_was_replaced_is_dropped(
    refresher, vendor, client, monkeypatch, tmp_path
):
    await login()
    vendor.answers = {"/token": [tokens(1)]}
    await cut_off(refresher, monkeypatch)
    await login(access="by-hand", refresh="by-hand-r")
    # The same row and version, in a database made anew beside the same folder.
    await sync_to_async(OAuthToken.objects.update)(version=1, lease_owner="", lease_until=None)
    again = Refresher(client)
    await again._replay()
    await again.stop()
    assert (await row()).grant().access_token == "by-hand"
    assert list((tmp_path / "refreshes").iterdir()) == []


async def test_a_file_that_was_behind_when_the_process_ended_is_brought_up(
    refresher, vendor, client, monkeypatch, tmp_path
):
    path = tmp_path / "qwen-alice.json"
    held = {"type": "qwen", "access_token": "access-0", "refresh_token": "refresh-0", "email": "alice"}
    path.write_text(json.dumps({**held, "expired": "2020-01-01T00:00:00Z"}))
    await sync_to_async(apply_folder)(tmp_path)
    vendor.answers = {"/token": [tokens(1)]}

    def killed(*args: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(credential_files, "write_back", killed)
        (task,) = await refresher.refresh_due()
        with pytest.raises(Killed):
            await task
    refresher._running.clear()
    assert (await row()).grant().refresh_token == "refresh-1"
    assert json.loads(path.read_text())["refresh_token"] == "refresh-0"
    again = Refresher(client)
    await again._replay()
    await again.stop()
    assert json.loads(path.read_text())["refresh_token"] == "refresh-1"
    await sync_to_async(apply_folder)(tmp_path)
    assert (await row()).version == 2


async def test_a_refresh_that_was_cut_off_unanswered_says_so(refresher, vendor):
    await login()
    await sync_to_async(OAuthToken.objects.update)(lease_owner="dead", lease_until=timezone.now())
    vendor.answers = {"/token": [(400, {"error": "invalid_grant"})]}
    await done(refresher)
    assert "cut off" in (await row()).last_error
    assert any("asked again" in told for told in await events("failure"))


async def test_tokens_are_kept_though_the_rest_of_a_refresh_fails(refresher, vendor, monkeypatch, tmp_path):
    """iFlow rotates its token and is then asked for a key: the refresh may end in between."""
    kept_meanwhile: list[journal.Kept] = []

    def flow(self, grant, settings, now):
        fresh = Grant(channel="qwen", access_token="access-1", refresh_token="refresh-1")
        yield Renewed(grant=fresh)
        kept_meanwhile.extend(journal.every())
        yield HttpCall(method="GET", url=f"{vendor.url}/key")
        raise AssertionError("the call has no end")

    monkeypatch.setattr("oauth.flows.qwen.Qwen.refresh", flow)
    monkeypatch.setattr("oauth.refresh.WHOLE_REFRESH_S", 0.2)
    vendor.answers = {"/key": ["hang"]}
    await login()
    await done(refresher)
    token = await row()
    assert (token.status, token.grant().refresh_token) == ("ok", "refresh-1")
    assert [kept.grant.refresh_token for kept in kept_meanwhile] == ["refresh-1"]
    assert list((tmp_path / "refreshes").iterdir()) == []


def probed(credential: Credential) -> ProbeResult:
    """In a thread of its own, as an admin's page does it: it runs an event loop."""
    try:
        return probe_and_record(credential)
    finally:
        connections.close_all()


async def test_a_test_of_a_login_that_has_ended_renews_it_first(
    client: UpstreamClient, vendor: FakeVendor, settings
):
    settings.CLIPROXY_OAUTH_QWEN_TOKEN_URL = f"{vendor.url}/token"
    credential = await login()
    await sync_to_async(Credential.objects.update)(base_url=f"{vendor.url}/v1")
    credential = await sync_to_async(Credential.objects.select_related("provider", "oauth_token").get)()
    vendor.answers = {"/token": [(400, {"error": "invalid_grant"})]}
    result = await asyncio.to_thread(probed, credential)
    assert (result.ok, "Log in again" in result.message) == (False, True)
    await login(access="access-0", life_s=-1)
    choice = {"message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
    answer = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    vendor.answers = {"/token": [tokens(1)], "/v1/chat/completions": [(200, answer)]}
    credential = await sync_to_async(Credential.objects.select_related("provider", "oauth_token").get)()
    result = await asyncio.to_thread(probed, credential)
    assert result.ok, result.message
    assert vendor.asked[-1].headers["authorization"] == "Bearer access-1"


async def test_a_login_that_cannot_be_opened_is_put_off(refresher: Refresher, vendor: FakeVendor):
    await login()
    await sync_to_async(OAuthToken.objects.update)(grant_token="00000000:gAAAAnonsense")
    (error,) = await done(refresher)
    assert isinstance(error, RefreshUnavailable)
    assert await done(refresher) == []
    assert vendor.asked == []


async def test_what_can_no_longer_be_refreshed_is_not_tried_again(refresher: Refresher, vendor: FakeVendor):
    await login(refresh="")
    await sync_to_async(OAuthToken.objects.update)(next_refresh_at=timezone.now())
    (error,) = await done(refresher)
    assert isinstance(error, RefreshRejected)
    assert await done(refresher) == []
    assert vendor.asked == []


async def test_a_call_does_not_wait_for_ever_but_the_refresh_goes_on(client, vendor, settings):
    settings.CLIPROXY_OAUTH_QWEN_TOKEN_URL = f"{vendor.url}/token"
    refresher = Refresher(client, patience_s=0.05)
    stale = await entry(await login())
    vendor.answers = {"/token": [tokens(1)]}
    vendor.delay_s = 0.3
    with pytest.raises(RefreshUnavailable):
        await refresher.renew(stale)
    await refresher.stop()
    assert (await row()).grant().access_token == "access-1"
