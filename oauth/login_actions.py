"""Refresh a login, or read its allowances, because somebody asked for it now. Blocking, for views.

Under the same lease as the background: a refresh that another process has begun is waited for, not repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import msgspec
from django.utils import timezone

from oauth import leases
from oauth.driver import own_client
from oauth.flows.base import Quota
from oauth.flows.errors import OAuthError
from oauth.models import OAuthToken, TokenStatus
from oauth.quota import QuotaReader
from oauth.refresh import Refresher
from providers.models import Credential
from providers.secrets import SecretsError
from providers.upstream.client import UpstreamClient
from providers.values import CredentialEntry

AT_ONCE = 8
LIMIT_S = 45.0
Work = Callable[[UpstreamClient], Awaitable[str]]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it for one credential; ``message`` is for people."""

    credential_id: int
    label: str
    ok: bool
    message: str


def refresh(credentials: Iterable[Credential]) -> list[Outcome]:
    """Renew the tokens of each; those without a login are left out."""
    tokens = _logins_of(credentials)
    # A failure's pause is for the background; who asks now wants to know now.
    OAuthToken.objects.filter(pk__in=[token.pk for token in tokens], status=TokenStatus.FAILING).update(
        next_refresh_at=timezone.now()
    )

    def work(token: OAuthToken) -> Work:
        entry = _bare_entry(token)
        return lambda client: _refreshed(client, entry)

    return _run([(token, work(token)) for token in tokens])


def read_quota(credentials: Iterable[Credential]) -> list[Outcome]:
    """Ask each vendor what is left."""

    def work(token: OAuthToken) -> Work:
        held = leases.read(token.credential_id, timezone.now())
        return lambda client: _quota_read(client, held)

    tokens = _logins_of(credentials)
    now = timezone.now()
    OAuthToken.objects.filter(pk__in=[token.pk for token in tokens]).update(quota_read_at=now)
    found, lost = [], []
    for token in tokens:
        try:
            found.append((token, work(token)))
        except SecretsError as error:
            lost.append(_outcome(token, False, str(error)))
    return [*_run(found), *lost]


def _logins_of(credentials: Iterable[Credential]) -> list[OAuthToken]:
    ids = [credential.pk for credential in credentials]
    rows = OAuthToken.objects.select_related("credential__provider")
    return list(rows.filter(credential_id__in=ids).order_by("credential_id"))


def _run(work: list[tuple[OAuthToken, Work]]) -> list[Outcome]:
    return asyncio.run(_each(work)) if work else []


async def _each(work: list[tuple[OAuthToken, Work]]) -> list[Outcome]:
    client, room = own_client(), asyncio.Semaphore(AT_ONCE)

    async def one(token: OAuthToken, act: Work) -> Outcome:
        try:
            async with room, asyncio.timeout(LIMIT_S):
                return _outcome(token, True, await act(client))
        except TimeoutError:
            return _outcome(token, False, "The vendor did not answer in time.")
        except OAuthError as error:
            return _outcome(token, False, error.message)

    try:
        return list(await asyncio.gather(*(one(token, act) for token, act in work)))
    finally:
        await client.close()


def _outcome(token: OAuthToken, ok: bool, message: str) -> Outcome:
    label = token.credential.label or token.channel
    return Outcome(credential_id=token.credential_id, label=label, ok=ok, message=message)


def _bare_entry(token: OAuthToken) -> CredentialEntry:
    """What the refresher looks at: whose login it is and which version is to be replaced."""
    provider = token.credential.provider
    return CredentialEntry(
        id=token.credential_id,
        provider_id=provider.pk,
        provider_key=provider.key,
        adapter=provider.adapter,
        base_url="",
        secret="",
        secret_version=token.version,
    )


async def _refreshed(client: UpstreamClient, entry: CredentialEntry) -> str:
    refresher = Refresher(client)
    try:
        fresh = await refresher.renew(entry)
    finally:
        await refresher.stop()
    if fresh.secret_expires_at is None:
        return "Renewed."
    left = max(0, round((fresh.secret_expires_at - timezone.now().timestamp()) / 60))
    return f"Renewed; its token lasts {left} min."


async def _quota_read(client: UpstreamClient, held: leases.Held | None) -> str:
    if held is None:
        raise OAuthError("Nothing is known of this kind of login.")
    reader = QuotaReader(client)
    try:
        quotas = await reader.read(held)
    finally:
        await reader.stop()
    if not quotas:
        return "The vendor reports no allowance, or cannot be asked now."
    return f"Read: {', '.join(_told(quota) for quota in quotas)}."


def _told(quota: Quota) -> str:
    if quota.used_percent is not None:
        return f"{quota.name} {quota.used_percent:.0f} % used"
    return f"{quota.name} {quota.remaining:g} left" if quota.remaining is not None else quota.name
