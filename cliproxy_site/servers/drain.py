"""Stopping in two steps: the first signal asks to finish, the second to leave at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator

from cliproxy_site.servers.options import HOOK_S, Hook

logger = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

SAME_REQUEST_S = 0.5
"""Signals this close together are one request: a service manager or a terminal signals the whole
process group, and the parent of several workers passes its own signal on to them as well."""


class StopSignals:
    """SIGTERM and SIGINT as two events of the running loop."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        """Set by the first signal: accept nothing new, finish what is open."""
        self.insisted = asyncio.Event()
        """Set by the second: drop what is open."""
        self._watchers: list[Callable[[], None]] = []
        self._asked_at = 0.0

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Own both signals while the block runs (main thread only)."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in STOP_SIGNALS:
                loop.remove_signal_handler(number)

    def on_signal(self, watcher: Callable[[], None]) -> None:
        """Call ``watcher`` for the first request to stop and again for each after it."""
        self._watchers.append(watcher)

    def stop(self) -> None:
        """What each signal does; also the way to stop a server from within."""
        now = asyncio.get_running_loop().time()
        if not self.asked.is_set():
            self._asked_at = now
            self.asked.set()
        elif now - self._asked_at < SAME_REQUEST_S:
            return
        else:
            self.insisted.set()
        for watcher in self._watchers:
            watcher()

    async def wait_unless_asked(self, timeout_s: float) -> None:
        """Pause, but no longer than until the first signal."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.asked.wait(), timeout_s)

    async def wait_unless_insisted(self, finished: Awaitable[object], timeout_s: float) -> None:
        """Return when ``finished`` is done, time is up, or the second signal came."""
        waiting = [asyncio.ensure_future(finished), asyncio.ensure_future(self.insisted.wait())]
        try:
            await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()


async def run_stop_hook(on_stop: Hook) -> None:
    """Run ``on_stop``, but never let it hold the process for ever."""
    try:
        await asyncio.wait_for(on_stop(), HOOK_S)
    except TimeoutError:
        logger.error("The stop hook did not finish within %s s and was cancelled", HOOK_S)
