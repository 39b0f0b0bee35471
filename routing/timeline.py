"""Cooldowns on a credential's timeline: when one began and why, and what ended it.

Written where the mirror of cooldowns is (``routing/live.py``), so that each is told once whichever process
saw it. Short rests of the transient ladder are not: the timeline is for people.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet

from oauth import timeline
from oauth.models import EventKind
from providers.models import CredentialCooldown
from providers.values import RefusalKind
from routing.core.cooldown import TRANSIENT_CAUSES

WORTH_TELLING = timedelta(seconds=10)
CLOSE = timedelta(seconds=2)

WORDS = {
    RefusalKind.QUOTA: "Its allowance is spent",
    RefusalKind.UNAUTHORIZED: "The provider refused its key or token",
    RefusalKind.PAYMENT: "The provider refused for reasons of plan, billing or permission",
    RefusalKind.TERMINAL: "The account is disabled or its login has ended",
    RefusalKind.MODEL_UNSUPPORTED: "It may not use the model",
    RefusalKind.NOT_FOUND: "The provider does not know the model",
    RefusalKind.CHALLENGE: "A bot check stood in the way",
}


def note_cooldown(row: CredentialCooldown) -> None:
    """A rest begins, or an open one got longer."""
    if not _is_worth_telling(row):
        return
    cause = RefusalKind(row.cause)
    words = WORDS.get(cause, "The provider has trouble")
    told = f"{words}: {row.message}" if row.message else words
    timeline.note(
        row.credential_id,
        EventKind.COOLDOWN,
        told,
        cause=row.cause,
        model=row.model,
        until=row.until.timestamp(),
        at=row.since,
    )


def note_ended(rows: QuerySet[CredentialCooldown], now: datetime) -> None:
    """Delete ``rows`` and tell of each what ended it."""
    for row in rows.select_related("credential"):
        if not CredentialCooldown.objects.filter(pk=row.pk).delete()[0]:
            continue  # another process was there first
        if not _is_worth_telling(row):
            continue
        cleared = row.credential.cooldowns_cleared_at
        if row.until <= now + CLOSE:
            words = "Its time was over"
        elif cleared is not None and cleared >= row.since:
            words = "Cleared: by an admin, a new login, or because the allowance came back"
        else:
            words = "A call succeeded"
        timeline.note(row.credential_id, EventKind.RESUMED, words, cause=row.cause, model=row.model, at=now)


def _is_worth_telling(row: CredentialCooldown) -> bool:
    is_transient = row.cause in TRANSIENT_CAUSES
    return not is_transient or row.until - row.since >= WORTH_TELLING
