"""The timeline of a credential: one line per thing that happened to it, bounded in number and age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from oauth.models import DETAIL_LENGTH, CredentialEvent, EventKind

KEPT_PER_CREDENTIAL = 500
KEPT_FOR = timedelta(days=90)


def note(
    credential_id: int,
    kind: EventKind,
    message: str,
    *,
    cause: str = "",
    model: str = "",
    until: float | None = None,
    at: datetime | None = None,
    user: AbstractBaseUser | None = None,
) -> None:
    """Write one line. ``until`` is Unix seconds. ``message`` holds no secret."""
    CredentialEvent.objects.create(
        credential_id=credential_id,
        kind=kind,
        message=message[:DETAIL_LENGTH],
        cause=cause[:40],
        model=model[:300],
        until=datetime.fromtimestamp(until, UTC) if until is not None else None,
        at=at or timezone.now(),
        user_id=user.pk if user is not None else None,
    )


def prune(now: datetime) -> int:
    """Delete what is too old, and the oldest of a credential with too many. Returns how many."""
    deleted, _ = CredentialEvent.objects.filter(at__lt=now - KEPT_FOR).delete()
    for credential_id in (
        CredentialEvent.objects.order_by().values_list("credential_id", flat=True).distinct()
    ):
        rows = CredentialEvent.objects.filter(credential_id=credential_id).order_by("-at", "-id")
        too_many = list(rows.values_list("pk", flat=True)[KEPT_PER_CREDENTIAL:])
        deleted += CredentialEvent.objects.filter(pk__in=too_many).delete()[0]
    return deleted
