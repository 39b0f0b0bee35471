"""The local port of a channel while a login waits: the vendor's page comes back to ``localhost`` there.

One listener per port and process, on loopback only, shared by the attempts that wait on it and closed with
the last of them. It answers one small GET per connection and knows states, not attempts: what came is handed
to ``deliver``, which checks it. Where the port is taken, the person pastes the address instead.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import hashlib
import html
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from oauth.flows.base import Callback
from oauth.flows.callback import read_query

HEAD_LIMIT = 32 * 1024
HEAD_TIMEOUT_S = 10.0
LOOPBACK = ("127.0.0.1", "::1")

Deliver = Callable[[Callback], Awaitable[str]]
"""Takes a callback; returns "" when it was taken, else why not."""

STYLE = """
:root{color-scheme:light dark;--ground:#f6f8f8;--card:#fff;--line:#d9e1e1;--text:#10262b;--soft:#51666b}
@media (prefers-color-scheme:dark){
:root{--ground:#0d1719;--card:#142225;--line:#2a3d41;--text:#e6efef;--soft:#9db2b5}}
body{margin:0;padding:12vh 1.25rem;background:var(--ground);color:var(--text)}
body{font:16px/1.55 system-ui,sans-serif}
main{max-width:32rem;margin:auto;padding:1.5rem;background:var(--card);border:1px solid var(--line);
border-radius:14px;overflow-wrap:anywhere}h1{font-size:1.5rem;margin:0 0 .5rem}p{margin:0;color:var(--soft)}
"""
"""Within the page: this port serves nothing else. The policy allows it by its digest."""
STYLE_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head><body><main><h1>{title}</h1><p>{text}</p></main></body></html>
"""
HEADERS = (
    "Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
    "X-Content-Type-Options: nosniff\r\nConnection: close\r\nContent-Security-Policy: default-src 'none'; "
    f"style-src 'sha256-{STYLE_DIGEST}'; frame-ancestors 'none'; base-uri 'none'\r\n"
)


class PortBusy(Exception):
    """Nobody can listen there; the text says why."""


class LocalPorts:
    """The listeners of one event loop."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._listeners: dict[int, _Listener] = {}
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def listening(self, port: int, path: str, state: str, forward: str = "") -> AsyncIterator[None]:
        """Listen on ``port`` while the block runs. With ``forward``, an address of this server, a browser
        that brings ``state`` is sent on to it with its query. Raises PortBusy before the block."""
        async with self._lock:
            listener = self._listeners.get(port)
            if listener is None:
                listener = _Listener(self._deliver)
                await listener.open(port)
                self._listeners[port] = listener
            listener.waiting[state] = (path, forward)
        try:
            yield
        finally:
            async with self._lock:
                listener.waiting.pop(state, None)
                if not listener.waiting:
                    self._listeners.pop(port, None)
                    await listener.close()


class _Listener:
    def __init__(self, deliver: Deliver) -> None:
        self.waiting: dict[str, tuple[str, str]] = {}
        self._deliver = deliver
        self._servers: list[asyncio.Server] = []

    async def open(self, port: int) -> None:
        for address in LOOPBACK:
            try:
                self._servers.append(await asyncio.start_server(self._serve, address, port, limit=HEAD_LIMIT))
            except OSError as error:
                if address == LOOPBACK[0]:
                    raise PortBusy(_words(error, port)) from error
                # No IPv6 here: browsers try 127.0.0.1 as well.

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        # The page that the browser is just being sent may still be written; wait for it, not for ever.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                await asyncio.gather(*(server.wait_closed() for server in self._servers))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_TIMEOUT_S):
                line = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]
                writer.write(await self._answer(line.decode("latin-1")))
                await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a browser that left, or something that is no browser
        finally:
            writer.close()

    async def _answer(self, line: str) -> bytes:
        method, _, rest = line.partition(" ")
        target = rest.partition(" ")[0]
        try:
            parts = urlsplit(target)
            query = dict(parse_qsl(parts.query, max_num_fields=50))
        except ValueError:
            return _page(400, "Not a callback", "This address cannot be read.")
        if parts.path not in {path for path, _ in self.waiting.values()}:
            return _page(404, "Nothing here", "This port waits for the end of a login, at another address.")
        if method != "GET":
            return _page(405, "Only GET", "A login ends here with a GET.", "Allow: GET\r\n")
        callback = read_query(query)
        forward = self.waiting.get(callback.state, ("", ""))[1]
        if forward:
            return _head(302, f"Location: {forward}?{_plain(parts.query)}\r\nContent-Length: 0\r\n")
        if not callback.state:
            return _page(400, "No state", "The vendor's page sent no state back, so no login can be told.")
        if not callback.code and not callback.error:
            return _page(400, "No code", "The vendor's page sent neither a code nor an error back.")
        trouble = await self._deliver(callback)
        if trouble:
            return _page(400, "This login is not waiting", f"{trouble[:1].upper()}{trouble[1:]}.")
        if callback.error:
            return _page(400, "Login refused", f"OAuth error: {callback.error}")
        return _page(200, "Login received", "You can close this window and go back to the gateway.")


def _plain(query: str) -> str:
    """A query that can stand in a header: no control characters, no spaces."""
    return "".join(character for character in query if "!" <= character <= "~")


def _head(status: int, more: str) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{HEADERS}{more}\r\n".encode("latin-1")


def _page(status: int, title: str, text: str, more: str = "") -> bytes:
    body = PAGE.format(title=html.escape(title), text=html.escape(text), style=STYLE).encode()
    return _head(status, f"{more}Content-Length: {len(body)}\r\n") + body


def _words(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of this machine is taken by another program."
    if error.errno == errno.EACCES:
        return f"Port {port} of this machine may not be opened by the gateway."
    return f"Port {port} of this machine cannot be opened."
