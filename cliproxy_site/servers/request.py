"""One exchange under Daphne: the ASGI scope, ``receive`` and ``send`` of one request.

Daphne's ``WebRequest`` stays the base, and its code runs for the WebSocket upgrade. Plain HTTP goes
a shorter way: the body comes from memory on demand, the head is written without header objects,
and ``send`` waits while the client does not read.
"""

from __future__ import annotations

import asyncio
import logging
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from daphne.http_protocol import WebRequest
from twisted.web import http

from cliproxy_site.servers.body import RequestBody
from cliproxy_site.servers.options import Message

if TYPE_CHECKING:
    from cliproxy_site.servers.channel import GatewayChannel

logger = logging.getLogger(__name__)

DISCONNECT_GRACE_S = 0.2
"""After the client left: how long an application that does not listen to ``receive`` may go on
before its task is cancelled."""

WIND_UP_S = 5.0
"""The same for one that was told through ``receive`` and is putting its things away."""

NO_BODY = frozenset((204, 304))
UNFIT_NAME = re.compile(rb"[^-!#$%&'*+.^_`|~0-9a-zA-Z]")
LINE_END = re.compile(rb"[\r\n\x00]")
ASGI = {"version": "3.0"}
STATUS_LINES = {
    status: b"HTTP/1.1 %d %b\r\n" % (status, http.RESPONSES.get(status, b"Unknown Status"))
    for status in range(100, 600)
}


class GatewayRequest(WebRequest):  # type: ignore[misc]  # Daphne carries no types
    """One request on a GatewayChannel and its answer."""

    def __init__(self, channel: GatewayChannel, queued: object = False) -> None:
        # Past WebRequest's own __init__, which enters every request into a table that a timer reaps.
        http.Request.__init__(self, channel)
        self.channel: GatewayChannel | None = channel
        self.client_addr = channel.client
        self.server_addr = channel.local
        self.server = channel.server
        self.application_queue = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = RequestBody()
        self.task: asyncio.Task[None] | None = None
        self._response_started = False
        self._body_taken = False
        self._over: asyncio.Event | None = None
        self._told = False
        self._silent = False
        self._owed: int | None = None
        self._cancel: asyncio.TimerHandle | None = None

    # -- what the channel calls --

    def begin(self, command: bytes, uri: bytes, version: bytes) -> None:
        """The head is complete."""
        self.method, self.uri, self.clientproto = command, uri, version
        self.path, _, self.query_string = uri.partition(b"?")

    def handleContentChunk(self, data: bytes) -> None:
        channel = self.channel
        if channel is None or channel.refused:
            return
        self.body.add(data)
        if self.body.size > self.server.body_limit:
            channel.refuse_body(self)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        channel = self.channel
        if channel is None or channel.refused:
            return
        for name, value in self.headers:
            if name == b"upgrade" and value.lower() == b"websocket":
                self._upgrade(channel)
                return
        self.task = self.server.start_exchange(self, self._scope())

    def connectionLost(self, reason: Any) -> None:
        self._disconnected = True
        self.channel = None
        self.body.close()
        self._end()
        if self.task is not None and not self.task.done():
            self._cancel = self.task.get_loop().call_later(DISCONNECT_GRACE_S, self._cancel_deaf)

    # -- what the application calls --

    async def receive(self) -> Message:
        """The body, part by part; then ``http.disconnect`` when the exchange is over."""
        if not self._body_taken and not self._disconnected:
            part, more = self.body.take()
            self._body_taken = not more
            return {"type": "http.request", "body": part, "more_body": more}
        if not self._is_over():
            if self._over is None:
                self._over = asyncio.Event()
            await self._over.wait()
        self._told = True
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Write, then wait while the client lags. After the client left: do nothing.

        Raises ValueError for a message out of order or an unfit header.
        """
        channel = self.channel
        if channel is None:
            return
        kind = message["type"]
        if kind == "http.response.body":
            self._write_body(channel, message.get("body", b""), message.get("more_body", False))
        elif kind == "http.response.start":
            self._write_head(channel, message["status"], message.get("headers", ()))
        else:
            raise ValueError(f"Cannot send {kind!r} in an HTTP exchange.")
        if channel._waitingForTransport:
            await channel.drained()

    def application_done(self, task: asyncio.Task[None]) -> None:
        """Answer for an application that failed or left its answer unfinished."""
        if self._cancel is not None:
            self._cancel.cancel()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("Exception inside application: %s", error, exc_info=error)
        channel = self.channel
        if channel is None:
            return
        if self._response_started:
            # Closing is the only way left to tell the client that this is not the whole answer.
            channel.loseConnection()
            return
        channel.persistent = False
        status, text = (503, b"Service Unavailable") if task.cancelled() else (500, b"Internal Server Error")
        length = b"%d" % len(text)
        self._write_head(channel, status, ((b"content-type", b"text/plain"), (b"content-length", length)))
        self._write_body(channel, text, more=False)

    # -- inside --

    def _scope(self) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": ASGI,
            "http_version": "1.1" if self.clientproto == b"HTTP/1.1" else "1.0",
            "method": self.method.decode("ascii"),
            "path": unquote(self.path.decode("ascii")),
            "raw_path": self.path,
            "root_path": "",
            "scheme": self.server.scheme,
            "query_string": self.query_string,
            # A name with an underscore could pass for another header in a CGI-like environment
            # (CVE-2015-0219), so Daphne drops it; so do we, but for that with which Codex names a session.
            "headers": [pair for pair in self.headers if b"_" not in pair[0] or pair[0] == b"session_id"],
            "client": self.client_addr,
            "server": self.server_addr,
        }

    def _write_head(self, channel: GatewayChannel, status: int, headers: Any) -> None:
        if self._response_started:
            raise ValueError("The response has been started already.")
        lines = [STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown Status\r\n" % status]
        closes = False
        for name, value in headers:
            if UNFIT_NAME.search(name) or LINE_END.search(value):
                raise ValueError(f"Header {name!r} cannot be sent.")
            match name.lower():
                case b"content-length":
                    self._owed = int(value)
                case b"transfer-encoding":
                    continue  # framing is the server's business (ASGI HTTP specification, "start")
                case b"connection" if b"close" in value.lower():
                    closes = True
                    channel.persistent = False
            lines.append(b"%b: %b\r\n" % (name, value))
        self._response_started = True
        self.code = status
        self._silent = self.method == b"HEAD" or status in NO_BODY
        if self._silent:
            self._owed = None
        elif self._owed is None:
            if self.clientproto == b"HTTP/1.1":
                self.chunked = 1
                lines.append(b"transfer-encoding: chunked\r\n")
            else:
                channel.persistent = False
        if not channel.persistent and not closes:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        channel.transport.write(b"".join(lines))

    def _write_body(self, channel: GatewayChannel, body: bytes, more: bool) -> None:
        if not self._response_started:
            raise ValueError("The response has not been started.")
        if self._silent:
            body = b""
        elif self.chunked:
            if body:
                body = b"%x\r\n%b\r\n" % (len(body), body)
            if not more:
                body += b"0\r\n\r\n"
        elif self._owed is not None:
            self._owed -= len(body)
            if self._owed < 0:
                raise ValueError("The response is longer than its Content-Length.")
        if body:
            channel.transport.write(body)
        if not more:
            self._complete(channel)

    def _complete(self, channel: GatewayChannel) -> None:
        if self._owed:
            channel.persistent = False  # the client still waits for bytes: only a close ends that
        self.finished = 1
        self.channel = None
        self.body.close()
        self._end()
        channel.requestDone(self)

    def _is_over(self) -> bool:
        return bool(self.finished or self._disconnected)

    def _end(self) -> None:
        if self._over is not None:
            self._over.set()

    def _cancel_deaf(self) -> None:
        if self.task is None:
            return
        if self._told:
            self._cancel = self.task.get_loop().call_later(WIND_UP_S, self.task.cancel)
        else:
            self.task.cancel()

    def _upgrade(self, channel: GatewayChannel) -> None:
        """Let Daphne hand the connection to autobahn, from the state that its code expects."""
        for name, value in self.headers:
            if name != b"daphne-root-path":  # a client could choose where the site is mounted
                self.requestHeaders.addRawHeader(name, value)
        self.content = BytesIO(self.body.take()[0])
        self.server.upgrade(self, channel, super().process)
