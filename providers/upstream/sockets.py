"""A WebSocket to a provider: messages in both directions, each side no faster than the other takes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

import aiohttp

from providers.errors import UpstreamError

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""OpenAI allows 15 MiB of audio in one event; base64 and JSON included this is enough."""
HEARTBEAT_S = 30.0
"""A ping this often, so that a dead connection is noticed; half of it is the time for the answer."""
ABNORMAL = 1006
"""What a side is told whose far side closed without a code (RFC 6455, 7.1.5). Never sent."""


class HandshakeRefused(UpstreamError):
    """The upstream answered the upgrade with ``status``. Its body is lost: the library does not keep it."""

    def __init__(self, status: int, headers: Mapping[str, str] | None) -> None:
        super().__init__(f"the upstream refused the WebSocket with status {status}")
        self.status = status
        self.headers = {name.lower(): value for name, value in (headers or {}).items()}


class UpstreamSocket:
    """One open WebSocket. ``close`` it always; ``closed`` is called when that is done, once."""

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, closed: Callable[[], None] = lambda: None
    ) -> None:
        self._socket = socket
        self._closed: Callable[[], None] | None = closed
        self.protocol = socket.protocol

    async def send(self, message: str | bytes) -> None:
        """Returns when the connection takes more. Raises ConnectionError when it is closed."""
        if isinstance(message, str):
            await self._socket.send_str(message)
        else:
            await self._socket.send_bytes(message)

    async def messages(self) -> AsyncIterator[str | bytes]:
        """Text and binary messages until the upstream closes; ``close_code`` tells how."""
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.TEXT or message.type is aiohttp.WSMsgType.BINARY:
                yield message.data
            else:
                return

    @property
    def close_code(self) -> int:
        return self._socket.close_code or ABNORMAL

    async def close(self, code: int = 1000, reason: str = "") -> None:
        closed, self._closed = self._closed, None
        try:
            await self._socket.close(code=code, message=reason.encode()[:123])
        finally:
            if closed is not None:
                closed()
