"""The admin's first page: what stands, what rests, what was asked for in the last day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from oauth.admin import channel_of, connect_url, login_status
from oauth.models import OAuthToken, TokenStatus
from providers.admin import badge, kind_name
from providers.models import Credential, CredentialCooldown, Provider
from providers.status import CAUSES, provider_status, remaining, running_cooldowns
from routing.models import UsageRecord

DAY = timedelta(hours=24)
RECORDS_READ = 20_000
"""A day of a busy gateway has millions of records; the page reads at most this many, the newest."""
ROWS_SHOWN = 12


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold calls this for the index page. Each part is there only for those who may see its rows."""
    now = timezone.now()
    user = request.user
    if user.has_perm("providers.view_provider"):
        context["providers"] = _providers(now)
    if user.has_perm("providers.view_credential"):
        context["cooldowns"] = _cooldowns(now)
        context["logins"] = _logins()
    if user.has_perm("routing.view_usagerecord"):
        context["usage"] = _usage(now)
        context["failures"] = _failures(now)
    return context


def _providers(now: datetime) -> list[dict[str, Any]]:
    credentials = Credential.objects.select_related("provider").prefetch_related(running_cooldowns(now))
    rows = Provider.objects.prefetch_related(models.Prefetch("credentials", credentials))
    return [
        {
            "row": row,
            "kind": kind_name(row.adapter),
            "status": badge(provider_status(row, row.credentials.all(), now)),
            "models": len(row.discovered_models) if row.discovered_at else None,
        }
        for row in rows[:100]
    ]


def _logins() -> list[dict[str, Any]]:
    """Logins that do not renew themselves any more, or not now; the worst first."""
    rows = OAuthToken.objects.select_related("credential__provider").filter(credential__enabled=True)
    needy = rows.exclude(status=TokenStatus.OK).order_by("-status", "credential__label")[:ROWS_SHOWN]
    return [
        {
            "token": token,
            "status": badge(login_status(token)),
            "url": connect_url(token) if channel_of(token) is not None else "",
        }
        for token in needy
    ]


def _cooldowns(now: datetime) -> dict[str, Any]:
    running = CredentialCooldown.objects.filter(until__gt=now).select_related("credential__provider")
    return {
        "count": running.count(),
        "rows": [
            {
                "row": row,
                "cause": CAUSES.get(row.cause, row.cause),
                "left": remaining(row.until, now),
            }
            for row in running.order_by("until")[:ROWS_SHOWN]
        ],
    }


def _usage(now: datetime) -> dict[str, Any]:
    """Totals of the last day over at most RECORDS_READ records; ``is_cut`` says that there are more."""
    newest = UsageRecord.objects.filter(started_at__gte=now - DAY).order_by("-started_at")[:RECORDS_READ]
    totals = newest.aggregate(
        requests=models.Count("pk"),
        errors=models.Count("pk", filter=models.Q(outcome__in=("error", "cut"))),
        input=models.Sum("input_tokens"),
        output=models.Sum("output_tokens"),
        cached=models.Sum("cached_tokens"),
        latency=models.Avg("first_byte_ms"),
    )
    requests, errors = totals["requests"], totals["errors"]
    return {
        **{name: value or 0 for name, value in totals.items()},
        "share": f"{errors / requests:.1%}" if requests else "",
        "is_cut": requests == RECORDS_READ,
    }


def _failures(now: datetime) -> list[UsageRecord]:
    """The latest failures of the day; looked for among the newest records alone, for the same reason."""
    newest = UsageRecord.objects.filter(started_at__gte=now - DAY).order_by("-started_at")
    ids = newest.values_list("pk", flat=True)[:RECORDS_READ]
    found = UsageRecord.objects.filter(pk__in=list(ids[:2000]), outcome__in=("error", "cut"))
    return list(found.order_by("-started_at")[:6])
