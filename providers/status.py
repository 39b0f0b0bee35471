"""How a credential or a provider stands, in words for people: works, cools down, is broken, is off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from providers.models import Credential, CredentialCooldown, CredentialHealth, Provider

CAUSES = {
    "quota": "its quota is spent",
    "transient": "the provider had a passing fault",
    "unauthorized": "the key was refused",
    "payment": "plan or billing was refused",
    "not_found": "the model is not there",
    "model_unsupported": "the key may not use this model",
    "challenge": "a bot challenge stood in the way",
    "terminal": "the account is disabled",
}
"""Keys are RefusalKind values; other causes are shown as they are."""


@dataclass(frozen=True)
class Status:
    """``variant`` is a colour name of the admin's labels: success, warning, danger, info or ""."""

    word: str
    variant: str
    detail: str = ""


def running_cooldowns(now: datetime) -> models.Prefetch:  # type: ignore[type-arg]  # generic only in the stubs
    """Prefetch for ``credential.cooldowns`` that leaves out what has ended."""
    return models.Prefetch(
        "cooldowns", queryset=CredentialCooldown.objects.filter(until__gt=now).order_by("until")
    )


def remaining(until: datetime, now: datetime) -> str:
    """``4 min``, to the larger unit; at least ``1 s``."""
    left = until - now
    if left < timedelta(minutes=2):
        return f"{max(1, int(left.total_seconds()))} s"
    if left < timedelta(hours=2):
        return f"{int(left.total_seconds() // 60)} min"
    if left < timedelta(days=2):
        return f"{int(left.total_seconds() // 3600)} h"
    return f"{left.days} days"


def cooldown_text(cooldown: CredentialCooldown, now: datetime) -> str:
    """``gpt-4o: its quota is spent (429), until 14:05:10 UTC, 4 min left. Rate limit reached``"""
    scope = f"{cooldown.model}: " if cooldown.model else ""
    status = f" ({cooldown.status})" if cooldown.status else ""
    moment = timezone.localtime(cooldown.until)
    until = moment.strftime(
        "%H:%M:%S %Z" if moment.date() == timezone.localtime(now).date() else "%d %b %H:%M %Z"
    )
    said = f". {cooldown.message}" if cooldown.message else ""
    return (
        f"{scope}{CAUSES.get(cooldown.cause, cooldown.cause)}{status}, until {until}, "
        f"{remaining(cooldown.until, now)} left{said}"
    )


def credential_status(credential: Credential, now: datetime) -> Status:
    """The status of ``credential``, whose provider and running cooldowns are loaded."""
    if not credential.enabled:
        return Status("Disabled", "")
    if not credential.provider.enabled:
        return Status("Disabled", "", "The provider is disabled.")
    said = "; ".join(
        cooldown_text(cooldown, now) for cooldown in credential.cooldowns.all() if cooldown.until > now
    )
    if credential.health == CredentialHealth.BROKEN:
        return Status("Broken", "danger", said or credential.health_message)
    if said:
        return Status("Cooling down", "warning", said)
    if credential.health == CredentialHealth.WORKING:
        latency = f"{credential.latency_ms} ms" if credential.latency_ms is not None else ""
        return Status("Works", "success", latency)
    return Status("Not used yet", "info", credential.health_message)


def provider_status(provider: Provider, credentials: Iterable[Credential], now: datetime) -> Status:
    """One status for all ``credentials``: the best of them, with the others counted."""
    if not provider.enabled:
        return Status("Disabled", "")
    found = [credential_status(credential, now) for credential in credentials]
    if not found:
        return Status("No credential", "danger", "Add a credential: nothing can be sent without one.")
    order = ["Works", "Not used yet", "Cooling down", "Broken", "Disabled"]
    found.sort(key=lambda status: order.index(status.word))
    best = found[0]
    if len(found) == 1:
        return best
    counts = [
        f"{n} {'work' if word == 'Works' and n > 1 else word.lower()}"
        for word in order
        if (n := sum(s.word == word for s in found))
    ]
    worst = next((s.detail for s in found if s.variant in {"danger", "warning"} and s.detail), "")
    return Status(best.word, best.variant, ", ".join(counts) + (f"; {worst}" if worst else ""))
