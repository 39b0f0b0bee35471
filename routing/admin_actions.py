"""What an admin does to providers and credentials with one click: test, enable, disable, clear cooldowns.

Each is a plain function that the pages call and that reports what happened. Bulk updates raise the revision
in their own transaction, because a ``QuerySet.update`` sends no signal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import models, transaction
from django.http import HttpRequest
from django.utils import timezone

from providers.models import Credential, CredentialCooldown, CredentialHealth, Origin
from providers.upstream.probe import ProbeResult
from routing import revision, timeline
from routing.probing import probe_and_record

CLEARED = "Cooldowns cleared."
TESTED_AT_ONCE = 25
"""More would keep the page waiting for minutes when the vendors do not answer."""


def result_text(credential: Credential, result: ProbeResult) -> str:
    """``OpenAI team key: works, 231 ms, 12 models`` or the upstream's error in words."""
    who = f"{credential.provider} {credential.label or credential.fingerprint}".strip()
    if not result.ok:
        return f"{who}: {result.message}"
    count = f", {count_of(len(result.models), 'model')}" if result.models else ""
    return f"{who}: works, {result.latency_ms} ms{count}."


def count_of(number: int, noun: str) -> str:
    """``1 model``, ``3 models``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def probe_and_tell(request: HttpRequest, credentials: Iterable[Credential]) -> None:
    """Test each credential and leave one message for each, and one for those beyond the bound."""
    for number, credential in enumerate(credentials):
        if number == TESTED_AT_ONCE:
            messages.warning(request, f"Only the first {TESTED_AT_ONCE} were tested; choose fewer at a time.")
            return
        result = probe_and_record(credential)
        level = messages.SUCCESS if result.ok else messages.ERROR
        messages.add_message(request, level, result_text(credential, result))


def log_action(request: HttpRequest, rows: Iterable[models.Model], what: str) -> None:
    """Put ``what`` into the history of each row, under the name of who did it; rows of the file are left
    alone by switches, so they get no entry for one."""
    own = [row for row in rows if what == CLEARED or getattr(row, "origin", "") != Origin.FILE]
    if own and request.user.pk is not None:
        LogEntry.objects.log_actions(request.user.pk, own, CHANGE, what)


def clear_cooldowns(credentials: models.QuerySet[Credential]) -> int:
    """End every cooldown of ``credentials`` in all processes. Returns how many credentials were resting."""
    ids = list(credentials.order_by().values_list("pk", flat=True))
    with transaction.atomic():
        rows = Credential.objects.filter(pk__in=ids)
        resting = rows.filter(models.Q(cooldowns__isnull=False) | models.Q(health=CredentialHealth.BROKEN))
        count = resting.distinct().count()
        now = timezone.now()
        rows.update(cooldowns_cleared_at=now)
        timeline.note_ended(CredentialCooldown.objects.filter(credential_id__in=ids), now)
        rows.filter(health=CredentialHealth.BROKEN).update(health=CredentialHealth.UNKNOWN, health_message="")
        revision.bump()
    return count


def set_enabled(queryset: models.QuerySet[Any], enabled: bool) -> tuple[int, int]:
    """Switch the database's own rows. Returns how many changed and how many the file owns."""
    with transaction.atomic():
        from_file = queryset.filter(origin=Origin.FILE).count()
        own = queryset.model._default_manager.filter(
            pk__in=list(queryset.order_by().values_list("pk", flat=True)), origin=Origin.DATABASE
        )
        changed = own.exclude(enabled=enabled).update(enabled=enabled, updated_at=timezone.now())
        if changed:
            revision.bump()
    return changed, from_file
