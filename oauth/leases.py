"""The database's side of a refresh: who may do it now, and what came of it. Synchronous, each call short.

One refresh per login however many processes there are: a conditional UPDATE gives one of them a lease on the
version that it saw. The lease runs out by itself, so a process that dies holds up nobody for longer than
LEASE; whoever works longer extends it. Every write compares the version, so what somebody stored meanwhile
(a new login, a changed file) is never overwritten.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from django.db import transaction
from django.db.models import F, Q, QuerySet

from oauth import schedule, timeline
from oauth.flows.base import Grant
from oauth.flows.channel import Channel
from oauth.flows.registry import UnknownChannel, channel_for
from oauth.models import DETAIL_LENGTH, EventKind, OAuthToken, TokenStatus, seal_grant
from oauth.signals import logins_changed
from oauth.tokens import moment
from providers import secrets
from providers.models import Credential, CredentialHealth

LEASE = timedelta(seconds=20)
EXPIRING_WITHIN = timedelta(days=1)
NO_LEASE: dict[str, object] = {"lease_owner": "", "lease_until": None}


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A login as it is now. ``owner`` is set where this process may refresh it."""

    token_id: int
    credential_id: int
    channel: Channel
    version: int
    grant: Grant
    status: TokenStatus
    last_error: str
    failures: int
    next_refresh_at: datetime | None
    is_leased: bool
    proxy_url: str
    file_path: str
    owner: str = ""
    was_cut_off: bool = False
    """The last refresh of this version never ended: its lease ran out without being given back. Its token
    may have reached the vendor."""


def read(credential_id: int, now: datetime) -> Held | None:
    """The login of a credential; None where there is none (any more). Raises SecretsError."""
    rows = OAuthToken.objects.select_related("credential__provider")
    token = rows.filter(credential_id=credential_id).first()
    return _held(token, now) if token is not None else None


def claim(token_id: int, version: int, owner: str, now: datetime) -> Held | None:
    """The lease on ``version`` of a login, or None when somebody else has it or the login has changed."""
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    taken = (
        OAuthToken.objects.filter(free, pk=token_id, version=version)
        .exclude(status=TokenStatus.LOGIN_NEEDED)
        .update(lease_owner=owner, lease_until=now + LEASE)
    )
    if not taken:
        return None
    token = OAuthToken.objects.select_related("credential__provider").get(pk=token_id)
    return _held(token, now, owner)


def extend(held: Held, now: datetime) -> None:
    """Keep the lease for another LEASE."""
    _owned(held).update(lease_until=now + LEASE)


def due(now: datetime, limit: int) -> list[tuple[int, int, int]]:
    """Logins to refresh, the most urgent first: (token, credential, version)."""
    rows = (
        OAuthToken.objects.filter(
            Q(lease_until=None) | Q(lease_until__lte=now),
            next_refresh_at__lte=now,
            credential__enabled=True,
            credential__provider__enabled=True,
        )
        .exclude(status=TokenStatus.LOGIN_NEEDED)
        .order_by("next_refresh_at")
    )
    return list(rows.values_list("pk", "credential_id", "version")[:limit])


def commit(held: Held, grant: Grant, now: datetime) -> bool:
    """Store what the refresh gave, before anybody uses it. False when the login was changed meanwhile: then
    that change holds. It is stored even when the lease was lost: the old token is spent in any case."""
    due_at = schedule.next_refresh(held.channel, grant, now.timestamp())
    with transaction.atomic():
        stored = OAuthToken.objects.filter(pk=held.token_id, version=held.version).update(
            grant_token=seal_grant(grant),
            account=grant.account,
            expires_at=moment(grant.expires_at),
            refreshed_at=now,
            version=F("version") + 1,
            status=TokenStatus.OK,
            last_error="",
            failures=0,
            next_refresh_at=moment(due_at),
            **NO_LEASE,
        )
        if not stored:
            return False
        credential = Credential.objects.filter(pk=held.credential_id)
        credential.update(account=grant.account)
        if held.status != TokenStatus.OK:
            credential.filter(health=CredentialHealth.BROKEN).update(
                health=CredentialHealth.UNKNOWN, health_message="", health_at=now
            )
        timeline.note(held.credential_id, EventKind.REFRESH, _told(grant), at=now)
        logins_changed.send(sender=OAuthToken)
    return True


def reject(held: Held, message: str, now: datetime) -> None:
    """The vendor says that the login is gone: terminal, until somebody logs in."""
    with transaction.atomic():
        changed = _owned(held).update(
            status=TokenStatus.LOGIN_NEEDED,
            last_error=message[:DETAIL_LENGTH],
            failures=F("failures") + 1,
            next_refresh_at=None,
            **NO_LEASE,
        )
        if not changed:
            return
        Credential.objects.filter(pk=held.credential_id).update(
            health=CredentialHealth.BROKEN, health_message=message[:DETAIL_LENGTH], health_at=now
        )
        timeline.note(held.credential_id, EventKind.FAILURE, message, cause="refresh_rejected", at=now)
        logins_changed.send(sender=OAuthToken)


def postpone(held: Held, message: str, retry_after_s: float | None, now: datetime) -> datetime:
    """The vendor cannot be asked now: try again later, and keep what there is. Returns when."""
    failures = held.failures + 1
    again = schedule.retry_at(failures, retry_after_s, now.timestamp())
    due_at = datetime.fromtimestamp(again, UTC)
    with transaction.atomic():
        changed = _owned(held).update(
            status=TokenStatus.FAILING,
            last_error=message[:DETAIL_LENGTH],
            failures=failures,
            next_refresh_at=due_at,
            **NO_LEASE,
        )
        if changed and (failures in (1, 3, 10) or failures % 50 == 0):
            # Not every try of a long outage: the timeline is for people.
            timeline.note(held.credential_id, EventKind.FAILURE, message, cause="refresh_unavailable", at=now)
    return due_at


def note_cut_off(held: Held, now: datetime) -> None:
    """Nobody knows whether the vendor has spent the token; asking again is the one way to find out."""
    message = "The last refresh was cut off before its answer was there. The vendor is asked again."
    timeline.note(held.credential_id, EventKind.FAILURE, message, cause="refresh_cut_off", at=now)


def put_off(credential_id: int, until: datetime | None) -> None:
    """Nothing can be tried: not before ``until``, or never by itself."""
    OAuthToken.objects.filter(credential_id=credential_id).update(next_refresh_at=until)


def expire(now: datetime) -> int:
    """Logins that nothing renews: said in time that they end, and when they have. Returns how many ended."""
    unrenewed = OAuthToken.objects.filter(next_refresh_at=None, expires_at__isnull=False)
    unrenewed.filter(status=TokenStatus.OK, expires_at__lte=now + EXPIRING_WITHIN).update(
        status=TokenStatus.EXPIRING
    )
    ended = unrenewed.filter(status=TokenStatus.EXPIRING, expires_at__lte=now)
    count = 0
    for token_id, credential_id in ended.values_list("pk", "credential_id"):
        message = "The login has ended and cannot be renewed. Log in again."
        with transaction.atomic():
            if not OAuthToken.objects.filter(pk=token_id, status=TokenStatus.EXPIRING).update(
                status=TokenStatus.LOGIN_NEEDED, last_error=message
            ):
                continue
            Credential.objects.filter(pk=credential_id).update(
                health=CredentialHealth.BROKEN, health_message=message, health_at=now
            )
            timeline.note(credential_id, EventKind.FAILURE, message, cause="login_ended", at=now)
            logins_changed.send(sender=OAuthToken)
        count += 1
    return count


def _owned(held: Held) -> QuerySet[OAuthToken]:
    return OAuthToken.objects.filter(pk=held.token_id, version=held.version, lease_owner=held.owner)


def _held(token: OAuthToken, now: datetime, owner: str = "") -> Held | None:
    try:
        channel = channel_for(token.channel)
    except UnknownChannel:
        return None
    credential = token.credential
    return Held(
        token_id=token.pk,
        credential_id=credential.pk,
        channel=channel,
        version=token.version,
        grant=token.grant(),
        status=TokenStatus(token.status),
        last_error=token.last_error,
        failures=token.failures,
        next_refresh_at=token.next_refresh_at,
        is_leased=token.lease_until is not None and token.lease_until > now,
        proxy_url=secrets.reveal(credential.proxy_token or credential.provider.proxy_token),
        file_path=token.file_path,
        owner=owner,
        was_cut_off=not owner
        and bool(token.lease_owner)
        and token.lease_until is not None
        and token.lease_until <= now,
    )


def _told(grant: Grant) -> str:
    end = moment(grant.expires_at)
    return f"Renewed until {end:%Y-%m-%d %H:%M} UTC" if end is not None else "Renewed"
