"""An answer whose body was read already: a refusal that was looked at before it is passed on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from providers.errors import UpstreamError, UpstreamProtocolError

MOST_OF_REFUSAL = 1024 * 1024
REFUSAL_WITHIN_S = 10.0


async def refusal_body(chunks: AsyncIterator[bytes]) -> bytes:
    """The body of a refusal, as much of it as comes: the status has said the most, so one that is cut off,
    does not end or never arrives is taken for what there is of it. Raises nothing."""
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(REFUSAL_WITHIN_S):
            async for piece in chunks:
                pieces.append(piece)
                size += len(piece)
                if size >= MOST_OF_REFUSAL:
                    break
    except (UpstreamError, TimeoutError):
        pass
    return b"".join(pieces)[:MOST_OF_REFUSAL]


class ReadAnswer:
    """An ``UpstreamResponse`` in memory."""

    __slots__ = ("_body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self._body = body

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "")

    @property
    def has_arrived(self) -> bool:
        return True

    def all_headers(self) -> list[tuple[str, str]]:
        return list(self.headers.items())

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body

    async def read(self, limit: int = 1_048_576) -> bytes:
        """Raises UpstreamProtocolError past ``limit`` bytes."""
        if len(self._body) > limit:
            raise UpstreamProtocolError(f"the answer is longer than {limit} bytes")
        return self._body

    async def close(self) -> None:
        return
