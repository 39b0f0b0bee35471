"""Is the client still there? ASGI says so only to who asks, so somebody must wait on ``receive``.

The wait starts after a moment, so that quick exchanges never pay for it; when the client leaves, the
exchange's task is cancelled, which closes the upstream connection on its way out.
"""

from __future__ import annotations

import asyncio

from routing.proxy.wire import Receive

GRACE_S = 0.2
"""An exchange shorter than this is not watched; a departure is noticed within this and a bit."""


class Presence:
    """Watches one client. ``begin`` once the body is read; ``end`` always."""

    __slots__ = ("_receive", "_task", "_timer", "_watch", "has_left")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._watch: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self.has_left = False

    def begin(self) -> None:
        """Watch on behalf of the calling task."""
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(GRACE_S, self._start)

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._watch = loop.create_task(self._wait())

    async def _wait(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.has_left = True
                if self._task is not None:
                    self._task.cancel()
                return

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
