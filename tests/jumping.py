"""An event loop whose clock jumps to the next timer: waits of minutes take no time and end on time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Passes the time that it is told to wait, instead of waiting; real events still come first."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or timeout is None:
            return events or super().select(timeout)
        self.passed += max(timeout, 0.0)
        return events


class JumpingLoop(asyncio.SelectorEventLoop):
    """Begins at 0."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.passed


def cancellations() -> int:
    """How often the calling task was asked to end and did not take it back."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


def run(main: Coroutine[Any, Any, T]) -> T:
    """``main`` in a loop of its own."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main)
