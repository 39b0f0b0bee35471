"""Limits of time for answers, watched together: a timer for each answer costs a good part of the call, and
``asyncio.timeout`` for each chunk more than the chunk.

One timer of the event loop serves all deadlines of a ``Deadlines``. It fires at the earliest limit that it
knew of, sees which have moved meanwhile, and cancels the tasks that have waited too long. Time counts only
while somebody waits, so a slow client is never taken for a silent upstream.
"""

from __future__ import annotations

import asyncio
import math
from types import TracebackType

SPACING_S = 0.05
"""Between two looks at all of them: a limit is noticed at most this late."""


class Deadlines:
    """Those of one event loop."""

    def __init__(self) -> None:
        self._running: set[Deadline] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._next_look = math.inf

    def begin(self, seconds: float) -> Deadline:
        """A deadline ``seconds`` from now; ``close`` it."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        limit = loop.time() + seconds
        deadline = Deadline(self, loop, limit)
        self._running.add(deadline)
        if limit < self._next_look:
            self.look_by(limit)
        return deadline

    def look_by(self, moment: float) -> None:
        """Look at all at ``moment`` (loop time) at the latest."""
        if moment < self._next_look and self._loop is not None:
            if self._timer is not None:
                self._timer.cancel()
            self._next_look = moment
            self._timer = self._loop.call_at(moment, self._look)

    def end(self, deadline: Deadline) -> None:
        self._running.discard(deadline)

    def close(self) -> None:
        """Watch nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._next_look = None, math.inf
        self._running.clear()

    def _look(self) -> None:
        self._timer, self._next_look = None, math.inf
        if self._loop is None or not self._running:
            return
        now = self._loop.time()
        soonest = min(deadline.limit if deadline.holds(now) else math.inf for deadline in self._running)
        if soonest < math.inf:
            self.look_by(max(soonest, now + SPACING_S))


class Deadline:
    """Use as ``with deadline:`` around each wait; raises TimeoutError there when ``limit`` passes.

    ``limit`` is in loop time. Belongs to one task at a time; ``close`` ends it.
    """

    __slots__ = ("_expired", "_loop", "_task", "_watch", "limit")

    def __init__(self, watch: Deadlines, loop: asyncio.AbstractEventLoop, limit: float) -> None:
        self._watch = watch
        self._loop = loop
        self._task: asyncio.Task[object] | None = None
        self._expired = False
        self.limit = limit

    def extend(self, seconds: float) -> None:
        """Count ``seconds`` from now."""
        self.limit = limit = self._loop.time() + seconds
        self._watch.look_by(limit)

    def holds(self, now: float) -> bool:
        """Whether it is to be looked at again; the task that waits beyond it is cancelled."""
        if now >= self.limit and self._task is not None and not self._expired:
            self._expired = True
            self._task.cancel()
        return not self._expired

    def close(self) -> None:
        self._watch.end(self)

    def __enter__(self) -> None:
        self._task = asyncio.current_task()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._expired:
            self._expired = False
            if task is None or task.uncancel() > 0:
                return  # somebody else cancelled it too
            if kind is not None and issubclass(kind, asyncio.CancelledError):
                raise TimeoutError from error
