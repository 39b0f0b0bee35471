"""Pages of Google AI Studio that carry calls, each a credential for as long as it is connected.

A page serves the process that it is connected to; ``relay_socket`` is the socket. Protocol and limits:
docs/protocols/aistudio.md.
"""

from __future__ import annotations

import asyncio
import secrets
import string
from collections.abc import Awaitable, Callable
from typing import Any

from providers.adapters.aistudio import RELAY
from providers.adapters.registry import adapter_for
from providers.upstream.relay import RelaySession
from providers.values import CredentialEntry
from routing.core.relays import with_relays
from routing.core.table import RoutingTable

PROVIDER = "aistudio"
POLICY = 1008
_LETTERS = string.ascii_lowercase + string.digits


class Page:
    """One connected page. ``close`` tells it to go."""

    def __init__(self, entry: CredentialEntry, session: RelaySession, close: Callable[[int], Any]) -> None:
        self.entry = entry
        self.session = session
        self.is_known = False
        """Whether it showed a client key."""
        self._close = close

    async def dismiss(self) -> None:
        await self._close(POLICY)


class RelayPages:
    """The pages connected to this process. ``changed`` is called when one comes or goes."""

    def __init__(self) -> None:
        self.sessions: dict[str, RelaySession] = {}
        self.changed: Callable[[], None] = lambda: None
        self._pages: dict[str, Page] = {}
        self._numbers = 0
        self._dismissals: set[asyncio.Task[None]] = set()

    def add(self, send: Callable[[str], Awaitable[None]], close: Callable[[int], Any]) -> Page:
        """Take in a page under a new name, with a credential of its own (a negative id: no row has one)."""
        name = f"{PROVIDER}-{''.join(secrets.choice(_LETTERS) for _ in range(16))}"
        self._numbers += 1
        entry = CredentialEntry(
            id=-self._numbers,
            provider_id=0,
            provider_key=PROVIDER,
            adapter=PROVIDER,
            base_url=adapter_for(PROVIDER).base_url,
            secret="",
            label=name,
            fingerprint=name,
            channel=PROVIDER,
            account={RELAY: name},
        )
        page = Page(entry, RelaySession(send), close)
        self._pages[name] = page
        self.sessions[name] = page.session
        self.changed()
        return page

    def remove(self, page: Page) -> None:
        name = page.entry.account[RELAY]
        self._pages.pop(name, None)
        self.sessions.pop(name, None)
        page.session.end()
        self.changed()

    def overlaid(self, table: RoutingTable) -> RoutingTable:
        """``table`` with what the connected pages serve."""
        entries = tuple(page.entry for page in self._pages.values())
        return with_relays(table, entries, table.relayed)

    def follow(self, table: RoutingTable) -> None:
        """The configuration changed: where client keys are required now, pages without one have to go."""
        for page in list(self._pages.values()):
            if table.settings.ws_auth and not page.is_known:
                task = asyncio.get_running_loop().create_task(page.dismiss())
                self._dismissals.add(task)
                task.add_done_callback(self._dismissals.discard)
