"""One timer per answer, moved by assignment: ``asyncio.timeout`` per chunk costs more than the chunk.

The timer fires at the limit it was set for, sees whether the limit has moved meanwhile, and either sleeps
on or cancels the task that waits. Time counts only while somebody waits, so a slow client is never taken
for a silent upstream.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadline:
    """Use as ``with deadline:`` around each wait; raises TimeoutError there when ``limit`` passes.

    ``limit`` is in loop time. Belongs to one task at a time; ``close`` stops the timer.
    """

    __slots__ = ("_expired", "_handle", "_loop", "_task", "limit")

    def __init__(self, seconds: float, look_after_s: float) -> None:
        """``look_after_s``: the shortest by which it will be extended. A timer that looks that soon
        need not be moved by an extension."""
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._expired = False
        now = self._loop.time()
        self.limit = now + seconds
        first_look = now + min(seconds, look_after_s)
        self._handle: asyncio.TimerHandle | None = self._loop.call_at(first_look, self._fire)

    def extend(self, seconds: float) -> None:
        """Count ``seconds`` from now."""
        self.limit = self._loop.time() + seconds
        handle = self._handle
        if handle is not None and handle.when() > self.limit:
            handle.cancel()
            self._handle = self._loop.call_at(self.limit, self._fire)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def __enter__(self) -> None:
        self._task = asyncio.current_task()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._expired and kind is not None and issubclass(kind, asyncio.CancelledError):
            self._expired = False
            if task is not None and task.uncancel() == 0:
                raise TimeoutError from error

    def _fire(self) -> None:
        if self._handle is None:
            return
        now = self._loop.time()
        if now < self.limit or self._task is None:
            # Moved on, or nobody waits now: look again at the limit, or soon.
            self._handle = self._loop.call_at(max(self.limit, now + 0.05), self._fire)
            return
        self._handle = None
        self._expired = True
        self._task.cancel()
