"""The stop of a plain ``daphne`` command, which has no lifespan events: Twisted announces it.

Imports nothing of Twisted itself: other servers would pay for it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable


def before_shutdown(stop: Callable[[], Awaitable[None]]) -> None:
    """Have Twisted's reactor wait for ``stop`` before it ends; nothing where none runs."""
    reactor = sys.modules.get("twisted.internet.reactor")
    if not getattr(reactor, "running", False):
        return
    deferred = sys.modules["twisted.internet.defer"].Deferred

    def stopped() -> object:
        return deferred.fromFuture(asyncio.ensure_future(stop()))

    reactor.addSystemEventTrigger("before", "shutdown", stopped)  # type: ignore[union-attr]  # an object, in truth
