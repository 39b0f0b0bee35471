"""uvicorn's HTTP protocol, with an answer's head and the first of its body in one system call.

uvicorn writes the two one after the other, and uvloop sends each write at once: a second system call, and a
second packet that wakes the client, for every answer.
"""

from __future__ import annotations

import asyncio
from typing import Any

from cliproxy_site.servers.until_close import UntilCloseProtocol

STATUS_LINE = b"HTTP/1."


class OneWriteProtocol(UntilCloseProtocol):
    """For one connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(HeadWithBody(transport, self.loop))  # type: ignore[arg-type]  # all that is used


class HeadWithBody:
    """A transport that keeps a head until the first of its body comes, at the longest until the next turn.

    A body that happens to begin like a status line is kept no longer.
    """

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif data.startswith(STATUS_LINE):
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)
