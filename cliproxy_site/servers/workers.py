"""Several server processes on one listening socket, kept alive by a parent that serves nothing itself."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence

from cliproxy_site.servers.drain import StopSignals

logger = logging.getLogger(__name__)

SETTLED_S = 10.0
"""A worker that lived this long is replaced at once; one that died sooner waits."""
BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Pauses before the restarts of a worker that keeps dying young; after the last the parent gives up,
because what supervises the parent can tell an operator, and a crash loop here cannot."""
PATIENCE_S = 15.0
"""Added to the workers' own drain time before a worker that does not end is killed."""

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def run_workers(
    count: int,
    listener: socket.socket,
    argv_for_child: Callable[[int], Sequence[str]],
    drain_timeout_s: float,
    pauses_s: Sequence[float] = BACKOFF_S,
) -> int:
    """Keep ``count`` children alive until SIGTERM or SIGINT; return the exit status.

    ``argv_for_child(fd)`` is the command line of a child that serves the inherited socket ``fd``
    (its number is the same there). Signals are passed on; 0 means that every child drained and
    ended with 0. A child ends on its own when the parent dies, if it calls ``end_with_parent``.
    """
    return asyncio.run(_Workers(count, listener, argv_for_child, drain_timeout_s, pauses_s).run())


def end_with_parent() -> None:
    """Have the kernel send this process SIGTERM when its parent dies (Linux; elsewhere nothing).

    Without it, workers whose parent was killed would go on holding the port.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)  # it died before we asked


class _Workers:
    def __init__(
        self,
        count: int,
        listener: socket.socket,
        argv_for_child: Callable[[int], Sequence[str]],
        drain_timeout_s: float,
        pauses_s: Sequence[float],
    ) -> None:
        self._count = count
        self._listener = listener
        self._argv_for_child = argv_for_child
        self._patience_s = drain_timeout_s + PATIENCE_S
        self._pauses_s = pauses_s
        self._alive: dict[int, Process] = {}
        self._failed = False

    async def run(self) -> int:
        signals = StopSignals()
        signals.on_signal(self._pass_on)
        with signals.listening():
            async with asyncio.TaskGroup() as keeping:
                for number in range(1, self._count + 1):
                    keeping.create_task(self._keep(number, signals))
                await signals.asked.wait()
                # The children hold the socket open for as long as each accepts.
                self._listener.close()
                keeping.create_task(self._kill_late_ones())
        return 1 if self._failed else 0

    async def _keep(self, number: int, signals: StopSignals) -> None:
        """Run worker ``number``, again and again, until asked to stop."""
        loop = asyncio.get_running_loop()
        pauses = iter(self._pauses_s)
        while not signals.asked.is_set():
            born = loop.time()
            status = await self._live(number, signals)
            if signals.asked.is_set():
                # Ended by the signal itself: it had not begun to serve.
                self._failed = self._failed or status not in (0, -signal.SIGTERM)
                return
            logger.error("Worker %d ended with status %d", number, status)
            if loop.time() - born >= SETTLED_S:
                pauses = iter(self._pauses_s)
                continue
            pause = next(pauses, None)
            if pause is None:
                logger.critical("Worker %d keeps failing; stopping", number)
                self._failed = True
                signals.stop()
                return
            await signals.wait_unless_asked(pause)

    async def _live(self, number: int, signals: StopSignals) -> int:
        fd = self._listener.fileno()
        process = await asyncio.create_subprocess_exec(*self._argv_for_child(fd), pass_fds=[fd])
        self._alive[number] = process
        if signals.asked.is_set():
            process.terminate()  # the signal came while it was being started
        try:
            return await process.wait()
        finally:
            del self._alive[number]

    def _pass_on(self) -> None:
        for process in self._alive.values():
            process.terminate()

    async def _kill_late_ones(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        while self._alive:
            process = next(iter(self._alive.values()))
            try:
                await asyncio.wait_for(process.wait(), max(0.0, deadline - loop.time()))
            except TimeoutError:
                logger.error("Killing worker process %d, which does not end", process.pid)
                process.kill()
            await asyncio.sleep(0)
