"""Login attempts in the database: begun, shown, given their callback, ended. No HTTP, and nothing driven.

Whatever several tabs, processes and people may do at once is a conditional update here: an attempt takes one
callback, ends once, and nothing is written into one that has ended. ``oauth/runner.py`` drives.
"""

from __future__ import annotations

import hashlib
import secrets as random
import uuid
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec
from django.db import models, transaction
from django.utils import timezone

from oauth import timeline
from oauth.flows.base import Callback, Grant
from oauth.flows.channel import Channel
from oauth.models import AttemptStatus, AttemptStep, EventKind, LoginAttempt
from oauth.tokens import store_grant
from providers import secrets
from providers.models import Credential

LIFE = timedelta(minutes=30)
"""How long an attempt may be pending at all; its code or page usually ends earlier."""
KEPT = timedelta(days=30)
"""Ended attempts are kept this long, for the timeline and for who accepted which terms."""
INTERRUPTED = "interrupted"
CANCELLED = "cancelled"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a page needs to show of a pending attempt; sealed in ``shown_token``. ``port`` is the local port
    on which the vendor's page comes back, 0 without one; ``port_trouble`` says why nobody listens there."""

    state: str
    user_code: str = ""
    verification_url: str = ""
    verification_url_complete: str = ""
    page_url: str = ""
    redirect_uri: str = ""
    interval_s: float = 0.0
    is_slowed: bool = False
    port: int = 0
    port_trouble: str = ""


class Beginner(msgspec.Struct, frozen=True, kw_only=True):
    """Who begins an attempt and has accepted the vendor's terms. ``user_id`` None: not a person we know."""

    name: str
    via: str
    user_id: int | None = None


class Delivery(StrEnum):
    """What came of handing over a callback. The values are the texts of CLIProxyAPI's interface."""

    TAKEN = "ok"
    UNKNOWN = "unknown or expired state"
    OTHER_PROVIDER = "provider does not match state"
    COMPLETED = "oauth flow is already completed"
    NOT_PENDING = "oauth flow is not pending"


def digest_of(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


def terms_digest(channel: Channel) -> str:
    return hashlib.sha256(f"{channel.terms.text}\n{channel.terms.url}".encode()).hexdigest()


def begin(
    channel: Channel, method: str, beginner: Beginner, renews: Credential | None = None
) -> tuple[LoginAttempt, str]:
    """A new pending attempt and its state, which is also the handle of the JSON interface until the vendor's
    page gets one of its own."""
    state = random.token_hex(16)
    now = timezone.now()
    LoginAttempt.objects.filter(finished_at__lt=now - KEPT).delete()
    _interrupt(LoginAttempt.objects.filter(status=AttemptStatus.PENDING), now)
    attempt = LoginAttempt.objects.create(
        channel=channel.key,
        method=method,
        renews=renews,
        state_digest=digest_of(state),
        shown_token=seal_shown(Shown(state=state)),
        begun_by_id=beginner.user_id,
        begun_with=beginner.via,
        terms_accepted_by=beginner.name,
        terms_accepted_at=now,
        terms_digest=terms_digest(channel),
        created_at=now,
        alive_at=now,
        expires_at=now + LIFE,
    )
    return attempt, state


def seal_shown(shown: Shown) -> str:
    return secrets.seal(msgspec.json.encode(shown).decode())


def shown_of(attempt: LoginAttempt) -> Shown | None:
    """What a pending attempt shows; None when it has ended or its key is lost."""
    try:
        text = secrets.reveal(attempt.shown_token)
    except secrets.SecretsError:
        return None
    return msgspec.json.decode(text, type=Shown) if text else None


def show(attempt_id: uuid.UUID, shown: Shown, step: AttemptStep, expires_at: float | None = None) -> bool:
    """Show something new on a pending attempt. False when it has ended meanwhile."""
    changes: dict[str, object] = {"shown_token": seal_shown(shown), "step": step}
    if step in (AttemptStep.CODE, AttemptStep.PAGE):
        changes["state_digest"] = digest_of(shown.state)
    if expires_at is not None:
        changes["expires_at"] = datetime.fromtimestamp(expires_at, UTC)
    return bool(_pending(attempt_id).update(version=models.F("version") + 1, **changes))


def complete(attempt_id: uuid.UUID, channel: Channel, grant: Grant) -> None:
    """Store the tokens and end the attempt, in one transaction: cancelled before means nothing is stored.

    A login meant to renew one credential renews it only if it is the same account's, as far as the vendor
    tells; somebody who signs in with another account gets a credential for that. Raises SecretsError and
    DatabaseError, and then the attempt is as it was.
    """
    with transaction.atomic():
        if not _pending(attempt_id).update(step=AttemptStep.FINISHING):
            return
        attempt = LoginAttempt.objects.select_related("begun_by", "renews__oauth_token").get(pk=attempt_id)
        renews = attempt.renews
        known = getattr(renews, "oauth_token", None)
        if known is not None and known.identity and known.identity != channel.identity(grant):
            renews = None
        credential = store_grant(grant, user=attempt.begun_by, credential=renews)
        _end(attempt_id, AttemptStatus.SUCCESS, credential_id=credential.pk)


def fail(attempt_id: uuid.UUID, status: AttemptStatus, code: str, message: str) -> bool:
    """End a pending attempt, and tell it on the timeline of the credential that it was to renew. False when
    it had ended already."""
    if not _end(attempt_id, status, error_code=code[:64], error=message[:500]):
        return False
    attempt = LoginAttempt.objects.select_related("begun_by").get(pk=attempt_id)
    if attempt.renews_id is not None:
        timeline.note(
            attempt.renews_id,
            EventKind.FAILURE,
            f"Logging in again did not succeed: {message}",
            cause=code,
            user=attempt.begun_by,
        )
    return True


def cancel(attempt_id: uuid.UUID) -> bool:
    """End an attempt because its beginner wants so. False when it had ended."""
    return _end(attempt_id, AttemptStatus.FAILED, error_code=CANCELLED, error="The login was cancelled.")


def _pending(attempt_id: uuid.UUID) -> models.QuerySet[LoginAttempt]:
    return LoginAttempt.objects.filter(pk=attempt_id, status=AttemptStatus.PENDING)


def _end(attempt_id: uuid.UUID, status: AttemptStatus, **columns: object) -> bool:
    return _end_rows(_pending(attempt_id), status, **columns)


def _end_rows(rows: models.QuerySet[LoginAttempt], status: AttemptStatus, **columns: object) -> bool:
    """Whatever was sealed is emptied: an ended attempt holds no code, address or state."""
    return bool(
        rows.update(
            status=status,
            finished_at=timezone.now(),
            shown_token="",
            callback_token="",
            version=models.F("version") + 1,
            **columns,
        )
    )


def keep_alive(attempt_ids: list[uuid.UUID]) -> None:
    """Renew the lease of attempts that this process drives."""
    LoginAttempt.objects.filter(pk__in=attempt_ids, status=AttemptStatus.PENDING).update(
        alive_at=timezone.now()
    )


def settled(attempt: LoginAttempt) -> LoginAttempt:
    """The row as it is now: a pending one whose process is gone is ended first, as interrupted."""
    if not attempt.is_pending:
        return attempt
    if _interrupt(_pending(attempt.pk), timezone.now()):
        attempt.refresh_from_db()
    return attempt


def _interrupt(rows: models.QuerySet[LoginAttempt], now: datetime) -> bool:
    """End those of ``rows`` whose process has not renewed its lease."""
    return _end_rows(
        rows.filter(alive_at__lt=now - LoginAttempt.LEASE),
        AttemptStatus.FAILED,
        error_code=INTERRUPTED,
        error="The gateway was restarted while this login was under way. Start it again.",
    )


def find(attempt_id: uuid.UUID) -> LoginAttempt | None:
    found = LoginAttempt.objects.select_related("credential__provider").filter(pk=attempt_id).first()
    return settled(found) if found is not None else None


def find_by_state(state: str) -> LoginAttempt | None:
    """Also finds ended attempts."""
    found = (
        LoginAttempt.objects.select_related("credential__provider")
        .filter(state_digest=digest_of(state))
        .first()
    )
    return settled(found) if found is not None else None


def find_resumable(channel: Channel, user_id: int) -> LoginAttempt | None:
    """The newest attempt of this person on this channel that still waits."""
    rows = LoginAttempt.objects.filter(
        channel=channel.key, begun_by_id=user_id, begun_with="page", status=AttemptStatus.PENDING
    )
    for attempt in rows.order_by("-created_at"):
        if settled(attempt).is_pending:
            return attempt
    return None


def list_pending() -> list[LoginAttempt]:
    rows = LoginAttempt.objects.filter(status=AttemptStatus.PENDING).order_by("created_at")
    return [attempt for attempt in rows if settled(attempt).is_pending]


def has_accepted(channel: Channel, user_id: int) -> bool:
    """Whether this person has accepted the channel's terms as they stand now."""
    return LoginAttempt.objects.filter(
        channel=channel.key, begun_by_id=user_id, terms_digest=terms_digest(channel)
    ).exists()


def deliver(callback: Callback, channel_key: str | None = None) -> Delivery:
    """Hand ``callback`` to the attempt with its state, once. ``channel_key`` None: whichever that is.

    The state alone decides: it is unguessable, and known only to whoever was shown the vendor's page.
    """
    attempt = find_by_state(callback.state) if callback.state else None
    if attempt is None:
        return Delivery.UNKNOWN
    if channel_key is not None and attempt.channel != channel_key:
        return Delivery.OTHER_PROVIDER
    if attempt.status == AttemptStatus.SUCCESS:
        return Delivery.COMPLETED
    sealed = secrets.seal(msgspec.json.encode(callback).decode())
    taken = (
        _pending(attempt.pk)
        .filter(step=AttemptStep.PAGE, callback_at__isnull=True, expires_at__gt=timezone.now())
        .update(callback_token=sealed, callback_at=timezone.now())
    )
    return Delivery.TAKEN if taken else Delivery.NOT_PENDING


def take_callback(attempt_id: uuid.UUID) -> tuple[bool, Callback | None]:
    """For the driver: whether the attempt is still pending, and its callback if one has come. Taking it
    empties the column and moves the attempt on."""
    with transaction.atomic():
        row = _pending(attempt_id).values_list("callback_token", flat=True).first()
        if not row:
            return row is not None, None
        _pending(attempt_id).update(
            callback_token="", step=AttemptStep.STARTING, version=models.F("version") + 1
        )
    return True, msgspec.json.decode(secrets.reveal(row), type=Callback)


def ended_among(attempt_ids: tuple[uuid.UUID, ...]) -> list[uuid.UUID]:
    """Which of these have ended, whoever ended them."""
    rows = LoginAttempt.objects.filter(pk__in=attempt_ids).exclude(status=AttemptStatus.PENDING)
    return list(rows.values_list("pk", flat=True))
