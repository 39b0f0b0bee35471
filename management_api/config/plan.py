"""What an import would change and what that means for those who use the gateway. Changes nothing.

The import really runs, in a transaction that is rolled back; the routing table before and after is compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec
from django.db import transaction
from django.db.models import Count, Sum
from django.db.models.functions import Coalesce

from management_api.config.apply import Changes, import_rows
from management_api.config.values import GatewayConfig
from routing import table
from routing.core.resolve import UnknownModel, find_route, is_allowed, split_suffix
from routing.core.table import ClientEntry, RoutingTable
from routing.models import UsageRecord

WEEK = timedelta(days=7)


class Traffic(msgspec.Struct, frozen=True):
    """Of the last week."""

    requests: int = 0
    tokens: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(self.requests + other.requests, self.tokens + other.tokens)


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """A client key that can no longer be used for a model which it was used for, or at all."""

    client: str
    model: str
    traffic: Traffic
    reason: str
    """``model gone``, ``not allowed``, ``key gone``, ``key disabled``."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    changes: Changes
    appear: tuple[str, ...] = ()
    """Registered ids that clients will see."""
    vanish: tuple[tuple[str, Traffic], ...] = ()
    """Registered ids that are there now, with their traffic; the busiest first."""
    losses: tuple[Loss, ...] = ()
    """The busiest first."""


def plan(config: GatewayConfig, now: datetime, *, prune: bool = False) -> Plan:
    """What ``import_rows`` would do. Raises DatabaseError."""
    with transaction.atomic():
        before = table.build()
        changes = import_rows(config, prune=prune)
        after = table.build()
        transaction.set_rollback(True)
    used = _by_id(_traffic(now - WEEK), before)
    by_model: defaultdict[str, Traffic] = defaultdict(Traffic)
    for (_, model), one in used.items():
        by_model[model] += one
    vanished = [(model, by_model[model]) for model in before.models.keys() - after.models.keys()]
    return Plan(
        changes=changes,
        appear=tuple(sorted(after.models.keys() - before.models.keys())),
        vanish=tuple(sorted(vanished, key=lambda found: (-found[1].requests, found[0]))),
        losses=tuple(_losses(before, after, used)),
    )


def _by_id(
    asked: dict[tuple[int, str], Traffic], within: RoutingTable
) -> defaultdict[tuple[int, str], Traffic]:
    """Added up under the ids without a suffix: ``m(high)`` is traffic of ``m``."""
    found: defaultdict[tuple[int, str], Traffic] = defaultdict(Traffic)
    for (client_id, model), traffic in asked.items():
        found[client_id, model if model in within.models else split_suffix(model)[0]] += traffic
    return found


def _traffic(since: datetime) -> dict[tuple[int, str], Traffic]:
    """By client key and the model that it asked for; only what was answered."""
    rows = (
        UsageRecord.objects.filter(started_at__gte=since, client_key__isnull=False, outcome="ok")
        .order_by()
        .values("client_key", "route_model")
        .annotate(
            requests=Count("id"),
            sent=Coalesce(Sum("input_tokens"), 0),
            made=Coalesce(Sum("output_tokens"), 0),
        )
    )
    return {
        (row["client_key"], row["route_model"]): Traffic(row["requests"], row["sent"] + row["made"])
        for row in rows
    }


def _losses(
    before: RoutingTable, after: RoutingTable, used: dict[tuple[int, str], Traffic]
) -> Iterable[Loss]:
    held = {client.id: client for client in before.clients.values()}
    kept = {client.id: client for client in after.clients.values()}
    found = []
    for (client_id, model), traffic in used.items():
        client = held.get(client_id)
        if client is None or not client.enabled or not _serves(before, client, model):
            continue
        reason = _reason(after, kept.get(client_id), model)
        if reason:
            found.append(Loss(client=client.label, model=model, traffic=traffic, reason=reason))
    return sorted(found, key=lambda loss: (-loss.traffic.requests, loss.client, loss.model))


def _reason(after: RoutingTable, client: ClientEntry | None, model: str) -> str:
    """Why the key cannot use the model any more; "" when it still can."""
    if client is None:
        return "key gone"
    if not client.enabled:
        return "key disabled"
    if not _routes(after, model):
        return "model gone"
    return "" if _serves(after, client, model) else "not allowed"


def _routes(within: RoutingTable, model: str) -> bool:
    try:
        return bool(find_route(within, model).offers)
    except UnknownModel:
        return False


def _serves(within: RoutingTable, client: ClientEntry, model: str) -> bool:
    return _routes(within, model) and is_allowed(client, find_route(within, model).model)
