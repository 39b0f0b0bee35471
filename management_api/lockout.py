"""Wrong management keys are counted per client address, and the fifth bans it for half an hour.

Kept in the database, so that the workers of one machine and the machines of one installation count
together; only wrong keys write. Figures: CLIProxyAPI's management handler.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from routing.models import ManagementLockout

MAX_FAILURES = 5
BAN = timedelta(minutes=30)
FORGOTTEN_AFTER = timedelta(hours=2)


def ban_left(address: str, now: datetime) -> timedelta | None:
    """How long the ban of ``address`` still runs; None when there is none."""
    until = (
        ManagementLockout.objects.filter(pk=address, banned_until__gt=now)
        .values_list("banned_until", flat=True)
        .first()
    )
    return until - now if until is not None else None


def note_failure(address: str, now: datetime) -> None:
    """Count a wrong or missing key, and begin a ban with the fifth. A ban that has ended starts anew."""
    with transaction.atomic():
        ManagementLockout.objects.filter(failed_at__lt=now - FORGOTTEN_AFTER).delete()
        ManagementLockout.objects.get_or_create(pk=address, defaults={"failed_at": now})
        own = ManagementLockout.objects.filter(pk=address)
        own.filter(banned_until__lte=now).update(failures=0, banned_until=None)
        own.update(failures=F("failures") + 1, failed_at=now)
        own.filter(failures__gte=MAX_FAILURES).update(failures=0, banned_until=now + BAN)


def note_success(address: str) -> None:
    """Forget the failures of ``address``. A read for most calls: a write only where there is something."""
    if ManagementLockout.objects.filter(pk=address).exists():
        ManagementLockout.objects.filter(pk=address).delete()


def duration_text(left: timedelta) -> str:
    """As Go writes a duration rounded to seconds: ``29m58s``, ``58s``, ``1h0m0s``."""
    seconds = round(left.total_seconds())
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
