"""Is the client still there? ASGI says so only to who asks, so somebody must wait on ``receive``.

The wait starts after a moment, so that quick exchanges never pay for it; when the client leaves, the
exchange's task is cancelled, which closes the upstream connection on its way out.
"""

from __future__ import annotations

import asyncio
from collections import deque

from routing.proxy.wire import Receive

GRACE_S = 0.2
"""An exchange shorter than this is not watched; a departure is noticed within this and a bit."""
SPACING_S = 0.05
"""Between two looks at those that became old enough."""


class Presences:
    """The exchanges of one event loop that are too young to be watched, under one timer for all."""

    def __init__(self) -> None:
        self._young: deque[tuple[float, Presence]] = deque()
        """With the moment (loop time) from which each is watched, the earliest first."""
        self._is_waiting = False

    def add(self, presence: Presence, loop: asyncio.AbstractEventLoop) -> None:
        self._young.append((loop.time() + GRACE_S, presence))
        if not self._is_waiting:
            self._is_waiting = True
            loop.call_later(GRACE_S, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        young, now = self._young, loop.time()
        while young and young[0][0] <= now:
            young.popleft()[1].watch(loop)
        self._is_waiting = bool(young)
        if young:
            loop.call_at(max(young[0][0], now + SPACING_S), self._look, loop)


class Presence:
    """Watches one client. ``begin`` once the body is read; ``end`` always."""

    __slots__ = ("_receive", "_task", "_watch", "has_left")

    def __init__(self, receive: Receive) -> None:
        self._receive: Receive | None = receive
        self._watch: asyncio.Task[None] | None = None
        self._task: asyncio.Task[object] | None = None
        self.has_left = False

    def begin(self, others: Presences) -> None:
        """Watch on behalf of the calling task."""
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(loop)
        others.add(self, loop)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """The grace is over; nothing happens where the exchange is too."""
        if self._receive is not None:
            self._watch = loop.create_task(self._wait(self._receive))

    async def _wait(self, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.has_left = True
                if self._task is not None:
                    self._task.cancel()
                return

    def end(self) -> None:
        self._receive = self._task = None
        if self._watch is not None:
            self._watch.cancel()
