"""Daphne's WebSocket protocol, and what it lacks: every close code that RFC 6455 lets a server send, a
refusal with status and body (ASGI's ``websocket.http.response`` extension), and back-pressure on a client
that sends faster than the application takes.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from autobahn.websocket.types import ConnectionDeny
from daphne.ws_protocol import WebSocketProtocol

from cliproxy_site.servers.options import Message

if TYPE_CHECKING:
    from cliproxy_site.servers.channel import GatewayChannel

NORMAL = 1000
SERVICE_RESTART = 1012
"""Tells a client to connect again (IANA's WebSocket close code registry)."""


MOST_WAITING = 16
"""Messages waiting for the application from which on the client is not read any more."""


class Inbox(asyncio.Queue[Message]):
    """The messages of one client; reading from it stops while too many wait.

    Bounded by that and not by a size: Daphne puts without waiting.
    """

    def __init__(self, protocol: GatewayWebSocket) -> None:
        super().__init__()
        self._protocol = protocol
        self._is_paused = False

    def put_nowait(self, item: Message) -> None:
        super().put_nowait(item)
        if not self._is_paused and self.qsize() > MOST_WAITING:
            self._is_paused = True
            self._protocol.transport.pauseProducing()

    def get_nowait(self) -> Message:
        item = super().get_nowait()
        if self._is_paused and self.qsize() <= MOST_WAITING // 2:
            self._is_paused = False
            self._protocol.transport.resumeProducing()
        return item


class GatewayWebSocket(WebSocketProtocol):  # type: ignore[misc]  # Daphne carries no types
    """One WebSocket; ``channel`` is the connection that it was upgraded from."""

    channel: GatewayChannel
    _refusal: Message | None = None
    _refusal_body = b""

    def handle_reply(self, message: Message) -> None:
        if message["type"] == "websocket.http.response.start":
            self._refusal = message
        elif message["type"] == "websocket.http.response.body":
            self._refusal_body += message.get("body", b"")
            if self._refusal is not None and not message.get("more_body", False):
                status: int = self._refusal["status"]
                denial = ConnectionDeny(code=status, reason=HTTPStatus(status).phrase)
                self.handshake_deferred.errback(denial)
                del self.handshake_deferred
                self.server.protocol_disconnected(self)
        else:
            super().handle_reply(message)

    def sendHttpErrorResponse(self, code: int, reason: str, responseHeaders: Any = None) -> None:
        """autobahn's own says no more than a status line."""
        if self._refusal is None:
            super().sendHttpErrorResponse(code, reason, responseHeaders)
            return
        lines = [b"HTTP/1.1 %d %b\r\n" % (code, reason.encode())]
        lines += [b"%b: %b\r\n" % pair for pair in self._refusal["headers"]]
        self.sendData(b"".join(lines) + b"connection: close\r\n\r\n" + self._refusal_body)

    def serverClose(self, code: int | None = None) -> None:
        """Close, or reject while the handshake is open.

        autobahn's sendClose raises for every code between 1001 and 2999, so also for 1008 (policy
        violation) and 1012 (restart), which an ASGI application may send.
        """
        if self.state == self.STATE_CONNECTING:
            self.serverReject()
        elif self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=NORMAL if code is None else code)
