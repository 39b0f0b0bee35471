"""One client connection under Daphne: header lines in, back-pressure out, refusal of large bodies.

Twisted's ``HTTPChannel`` keeps the order of exchanges on a connection (one at a time, the next is
read when the last is answered). Replaced here is what costs most per request (header objects, the
access log line, a timer per exchange) and what Daphne lacks: a producer can wait until the client
has read, and a body over the limit is refused before it has been received.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from twisted.protocols import basic
from twisted.web import http

from cliproxy_site.servers.request import GatewayRequest

if TYPE_CHECKING:
    from cliproxy_site.servers.daphne import GatewayDaphneServer

HEADER_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")

# Controls that RFC 9110 section 5.5 forbids, and the further bytes at which str.splitlines breaks a
# line once decoded as latin-1: autobahn reads an upgrade request that way.
UNFIT_VALUE = re.compile(rb"[\x00\r\n\x0b\x0c\x1c\x1d\x1e\x85]")

# Headers that decide where a body ends; Twisted picks the decoder by its own spelling of the name.
FRAMING = {b"content-length": b"Content-Length", b"transfer-encoding": b"Transfer-Encoding"}

HEAD_LIMIT = 64 * 1024

LINGER_S = 15.0
"""How long a refused client may go on sending, unread, so that it gets to read the refusal: closing
a socket with unread input makes the kernel reset it, and the client loses the answer (nginx calls
this lingering_close)."""

LINGER_BYTES = 512 * 1024 * 1024


class GatewayChannel(http.HTTPChannel):  # type: ignore[misc]  # Twisted carries no types here
    """The server side of one connection until it closes or becomes a WebSocket."""

    requestFactory = GatewayRequest
    totalHeadersSize = HEAD_LIMIT
    MAX_LENGTH = HEAD_LIMIT
    timeOut = None  # idle connections are swept by the server: no timer per exchange

    def __init__(self, server: GatewayDaphneServer) -> None:
        super().__init__()
        self.server = server
        self.client: tuple[str, int] | None = None
        self.local: tuple[str, int] | None = None
        self.refused = False
        self._flowing: asyncio.Event | None = None
        self._lost = False
        self._discarded = 0
        self._linger: asyncio.TimerHandle | None = None
        self._quiet_since = 0.0
        self._heard = True

    # -- connection --

    def connectionMade(self) -> None:
        super().connectionMade()
        peer, host = self.transport.getPeer(), self.transport.getHost()
        if hasattr(peer, "port"):
            self.client = (str(peer.host), peer.port)
            self.local = (str(host.host), host.port)
        self.server.channels.add(self)

    def connectionLost(self, reason: Any) -> None:
        self._lost = True
        if self._linger is not None:
            self._linger.cancel()
        self._release()
        super().connectionLost(reason)
        self.server.channel_gone(self)

    def dataReceived(self, data: bytes) -> None:
        self._heard = True
        if self.refused:
            self._discard(len(data))
        else:
            basic.LineReceiver.dataReceived(self, data)

    def rawDataReceived(self, data: bytes) -> None:
        if self.refused:
            self._discard(len(data))
        else:
            super().rawDataReceived(data)

    # -- head of a request --

    def headerReceived(self, line: bytes) -> bool:
        name, colon, value = line.partition(b":")
        if not colon or not HEADER_NAME.fullmatch(name):
            self._respondToBadRequestAndDisconnect()
            return False
        name = name.lower()
        value = value.strip(b" \t")
        if UNFIT_VALUE.search(value):
            self._respondToBadRequestAndDisconnect()
            return False
        framing = FRAMING.get(name)
        if framing is not None and not self._maybeChooseTransferDecoder(framing, value):
            return False
        headers = self.requests[-1].headers
        headers.append((name, value))
        if len(headers) > self.maxHeaders:
            self._respondToBadRequestAndDisconnect()
            return False
        return True

    def allHeadersReceived(self) -> None:
        request = self.requests[-1]
        request.begin(self._command, self._path, self._version)
        keep_open = self._version == b"HTTP/1.1" and not self.server.draining
        expects = False
        for name, value in request.headers:
            if name == b"connection":
                keep_open = keep_open and b"close" not in value.lower()
            elif name == b"expect":
                expects = value.lower() == b"100-continue"
        self.persistent = keep_open
        if self.length is not None and self.length > self.server.body_limit:
            self.refuse_body(request)
        elif expects and self._version == b"HTTP/1.1" and self.length != 0:
            self._send100Continue()

    # -- a body over the limit --

    def refuse_body(self, request: GatewayRequest) -> None:
        """Answer 413, close the sending side, and read on for a while without keeping anything."""
        self.refused = True
        self.persistent = False
        request.body.close()
        path = unquote_to_bytes(request.path).decode("utf-8", "replace")
        body = self.server.too_large(path, request.headers)
        self.transport.write(
            b"HTTP/1.1 413 Content Too Large\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(body), body)
        )
        self._networkProducer.unregisterProducer()
        self.transport.loseWriteConnection()
        loop = asyncio.get_running_loop()
        self._linger = loop.call_later(LINGER_S, self.transport.loseConnection)

    def _discard(self, count: int) -> None:
        self._discarded += count
        if self._discarded > LINGER_BYTES:
            self.transport.loseConnection()

    # -- back-pressure --

    @property
    def congested(self) -> bool:
        """True while more waits in the write buffer than the transport's mark (64 KiB)."""
        return bool(self._waitingForTransport)

    async def drained(self) -> None:
        """Return when the client has read what was written, or is gone."""
        while self._waitingForTransport and not self._lost:
            if self._flowing is None:
                self._flowing = asyncio.Event()
            await self._flowing.wait()

    def resumeProducing(self) -> None:
        super().resumeProducing()
        self._release()

    def stopProducing(self) -> None:
        # The transport says so when it is lost, also after an upgrade took the connection over.
        self._lost = True
        self._release()

    def _release(self) -> None:
        if self._flowing is not None:
            self._flowing.set()
            self._flowing = None

    # -- the end --

    def wind_down(self) -> None:
        """Close now when idle, else after the exchange that is open."""
        self.persistent = False
        if not self.requests:
            self.loseConnection()

    def close_if_idle(self, now: float, keep_alive_s: float) -> None:
        """Close when the client has been silent for ``keep_alive_s`` outside an exchange."""
        if self._heard or self._handlingRequest or self._unsent():
            self._heard = False
            self._quiet_since = now
        elif now - self._quiet_since > keep_alive_s:
            self.loseConnection()

    def _unsent(self) -> bool:
        return bool(self.transport.dataBuffer or self.transport._tempDataLen)


class GatewayFactory(http.HTTPFactory):  # type: ignore[misc]  # Twisted carries no types here
    """Makes channels; without Twisted's access log and without the HTTP/2 proxy object in front of
    each channel (HTTP/2 is negotiated in TLS, which ends before this server)."""

    def __init__(self, server: GatewayDaphneServer) -> None:
        super().__init__(timeout=0)
        self.server = server

    def startFactory(self) -> None:
        """Open no log and tick no log clock."""

    def stopFactory(self) -> None:
        """Nothing was opened."""

    def buildProtocol(self, addr: object) -> GatewayChannel:
        channel = GatewayChannel(self.server)
        channel.factory = self
        return channel
