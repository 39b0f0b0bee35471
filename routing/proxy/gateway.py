"""What one process's proxy is made of: built once in ``cliproxy_site/asgi.py`` and passed in."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from providers.upstream.client import UpstreamClient
from routing.core.bindings import BindingStore, MemoryBindings
from routing.core.kept_responses import NoResponses, ResponseStore
from routing.core.state import RoutingState
from routing.core.table import RoutingTable
from routing.proxy.metrics import Metrics, Totals
from routing.proxy.presence import Presences
from routing.proxy.record import Ledger
from routing.proxy.relay_pages import RelayPages
from routing.proxy.request_files import RequestFiles
from routing.proxy.tokens import NoTokens, TokenSource


class TableSource(Protocol):
    """Where the table in force is found; it may be another one at the next look."""

    table: RoutingTable


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """``digest`` turns a client key into its stored form; ``clock`` is Unix seconds; ``body_limit`` bytes.
    ``sleep`` waits seconds of that clock, ``random`` draws from [0, 1)."""

    live: TableSource
    state: RoutingState
    client: UpstreamClient
    ledger: Ledger
    digest: Callable[[str], str]
    clock: Callable[[], float]
    body_limit: int
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random
    metrics: Metrics = field(default_factory=Metrics)
    summed: Callable[[], tuple[Totals, int]] | None = None
    """The totals of all workers and how many these are; None where this process serves alone."""
    version: str = ""
    pages: RelayPages = field(default_factory=RelayPages)
    """Pages that carry calls for this process."""
    bindings: BindingStore = field(default_factory=MemoryBindings)
    """Which credential holds an object that a client made."""
    without_completions: set[tuple[int, str]] = field(default_factory=set)
    """(credential, model) pairs found to have no legacy ``/completions``: bounded by the configuration."""
    without_credits: dict[int, float] = field(default_factory=dict)
    """Credential -> until when (Unix seconds) it is not asked to pay with credits: it has none."""
    responses: ResponseStore = field(default_factory=NoResponses)
    """Responses that the gateway keeps itself."""
    request_files: RequestFiles | None = None
    """Where files of requests go; None writes none."""
    tokens: TokenSource = field(default_factory=NoTokens)
    """Renews the tokens of logins."""
    presences: Presences = field(default_factory=Presences)
    """The clients to be watched soon."""

    def totals(self) -> tuple[Totals, int]:
        """What was counted, and by how many processes."""
        return self.summed() if self.summed is not None else (self.metrics.totals(), 1)
