"""Answers of adapters that need no network, behind the same face as an answer from one."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator

from providers.adapters.base import Adapter, UpstreamRequest
from providers.errors import UpstreamProtocolError


class InProcessAnswer:
    """An ``UpstreamResponse`` made by ``Adapter.answer``. Waits between the pieces as the adapter asks."""

    __slots__ = ("_pieces", "headers", "status")

    def __init__(self, pieces: Iterator[tuple[float, bytes]], content_type: str) -> None:
        self.status = 200
        self.headers = {"content-type": content_type}
        self._pieces = pieces

    @classmethod
    def to(cls, request: UpstreamRequest, adapter: Adapter) -> InProcessAnswer:
        """The answer of ``adapter`` (one with ``in_process``) to ``request``."""
        streams = dict(request.headers).get("accept") == "text/event-stream"
        pieces = adapter.answer(request.body, now=int(time.time()), seed=secrets.token_hex(8))
        return cls(pieces, "text/event-stream" if streams else "application/json")

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "")

    @property
    def has_arrived(self) -> bool:
        return True

    def all_headers(self) -> list[tuple[str, str]]:
        return list(self.headers.items())

    async def chunks(self) -> AsyncIterator[bytes]:
        """The pieces, each after its wait. A closed answer ends."""
        for delay_s, piece in self._pieces:
            await asyncio.sleep(delay_s)
            yield piece

    async def read(self, limit: int = 1_048_576) -> bytes:
        """All pieces at once, without the waits. Raises UpstreamProtocolError past ``limit`` bytes."""
        body = b"".join(piece for _, piece in self._pieces)
        if len(body) > limit:
            raise UpstreamProtocolError(f"the answer is longer than {limit} bytes")
        return body

    async def close(self) -> None:
        self._pieces = iter(())
