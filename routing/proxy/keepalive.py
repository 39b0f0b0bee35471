"""Signs of life while nothing else can be said, for clients and load balancers that give up on silence.

In an event stream a comment or a blank line, and only between two events; ahead of a slow whole answer a
newline, which JSON allows there. The first newline commits the status 200: what fails later is an error body
under it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

COMMENT = b": keep-alive\n\n"
BLANK = b"\n"
"""For Gemini clients: the official SDK takes a comment for JSON."""
EVENTS = "text/event-stream"
_BOUNDARIES = (b"\n\n", b"\r\n\r\n", b"\r\r")


async def with_comments(
    pieces: AsyncIterator[bytes], seconds: float, sign: bytes = COMMENT
) -> AsyncGenerator[bytes, None]:
    """``pieces`` of an event stream, and ``sign`` after every ``seconds`` without one. Close it."""
    is_between = True
    following: asyncio.Future[bytes | None] | None = None
    try:
        while True:
            following = asyncio.ensure_future(anext(pieces, None))
            while not (await asyncio.wait({following}, timeout=seconds))[0]:
                if is_between:
                    yield sign
            piece = following.result()
            if piece is None:
                return
            is_between = piece.endswith(_BOUNDARIES)
            yield piece
    finally:
        if following is not None and not following.done():
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def while_telling(work: Awaitable[T], seconds: float, tell: Callable[[], Awaitable[None]]) -> T:
    """The result of ``work``; ``tell`` is called after every ``seconds`` that it takes."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=seconds))[0]:
            await tell()
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
