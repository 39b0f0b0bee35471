"""Table and cooldowns read from the database, for a process that serves nothing: commands and checks.

What serving processes keep to themselves is not there: whose turn it is, which conversation is bound where,
how many requests are under way, what the limits have left. Cooldowns are: every process mirrors its own
into the database within a second, and with Redis they are one for all.
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
