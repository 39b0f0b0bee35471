"""Daphne's WebSocket protocol, able to close with every code that RFC 6455 lets a server send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daphne.ws_protocol import WebSocketProtocol

if TYPE_CHECKING:
    from cliproxy_site.servers.channel import GatewayChannel

NORMAL = 1000
SERVICE_RESTART = 1012
"""Tells a client to connect again (IANA's WebSocket close code registry)."""


class GatewayWebSocket(WebSocketProtocol):  # type: ignore[misc]  # Daphne carries no types
    """One WebSocket; ``channel`` is the connection that it was upgraded from."""

    channel: GatewayChannel

    def serverClose(self, code: int | None = None) -> None:
        """Close, or reject while the handshake is open.

        autobahn's sendClose raises for every code between 1001 and 2999, so also for 1008 (policy
        violation) and 1012 (restart), which an ASGI application may send.
        """
        if self.state == self.STATE_CONNECTING:
            self.serverReject()
        elif self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=NORMAL if code is None else code)
