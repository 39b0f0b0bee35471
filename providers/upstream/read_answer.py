"""An answer whose body was read already: a refusal that was looked at before it is passed on."""

from __future__ import annotations

from collections.abc import AsyncIterator

from providers.errors import UpstreamProtocolError


class ReadAnswer:
    """An ``UpstreamResponse`` in memory."""

    __slots__ = ("_body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self._body = body

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
