"""Twisted's reactor on a uvloop event loop, when uvloop is there.

Twisted has one reactor per process, chosen when it is first imported; daphne.server chooses a plain
asyncio one unless a reactor exists. So this runs before anything imports daphne.server. When
something else was faster, its reactor is used as it is.
"""

from __future__ import annotations

import asyncio
import importlib
import sys

from twisted.internet import asyncioreactor


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A uvloop loop, or asyncio's where uvloop is not installed."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def install() -> None:
    """Install the reactor unless one is installed already."""
    if "twisted.internet.reactor" not in sys.modules:
        asyncioreactor.install(new_event_loop())
