"""Table and cooldowns read from the database, for a process that serves nothing: commands and checks.

What serving processes keep to themselves is not there: whose turn it is, which conversation is bound where,
how many requests are under way, what the limits have left. Cooldowns are: every process mirrors its own
into the database within a second. Where they share their state through Redis, that is read too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from providers.models import CredentialCooldown
from providers.values import RefusalKind
from routing import table
from routing.core.cooldown import Cooldown, History
from routing.core.table import RoutingTable
from routing.state.memory import MemoryState

T = TypeVar("T")
SOURCE = (
    "the database: cooldowns as the serving processes last wrote them; turns, conversations and limits "
    "begin anew"
)

SHARED_SOURCE = "Redis: cooldowns and conversations as all processes share them; turns and limits begin anew"
SILENT_SOURCE = f"{SOURCE} (Redis does not answer)"


@dataclass(frozen=True)
class StoredRouting:
    """Implements ``routing.why.Routing``."""

    table: RoutingTable
    state: MemoryState

    def look(self, work: Callable[[], T]) -> T:
        return work()


def read(now: datetime) -> StoredRouting:
    """A few queries. Raises DatabaseError."""
    state = MemoryState()
    for row in CredentialCooldown.objects.filter(until__gt=now):
        state.record_failure(row.credential_id, row.model, History(cooldown=_cooldown(row)))
    return StoredRouting(table.build(), state)


def read_shared(now: datetime, redis_url: str) -> tuple[StoredRouting, str]:
    """As ``read``, with what Redis holds where it is configured and answers; and whose state that is, for a
    person. Raises DatabaseError."""
    found = read(now)
    if not redis_url:
        return found, SOURCE
    from routing.offline_redis import read_state  # costs 0.2 s to import, and few need it

    shared = read_state(redis_url, now.timestamp())
    return (found, SILENT_SOURCE) if shared is None else (StoredRouting(found.table, shared), SHARED_SOURCE)


def _cooldown(row: CredentialCooldown) -> Cooldown:
    cause = RefusalKind(row.cause) if row.cause in set(RefusalKind) else RefusalKind.OTHER
    return Cooldown(
        cause=cause,
        since=row.since.timestamp(),
        until=row.until.timestamp(),
        model=row.model,
        status=row.status,
        message=row.message,
    )
