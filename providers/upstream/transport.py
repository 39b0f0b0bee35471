"""httpx's transport interface over aiohttp, trimmed for a proxy that mostly sends whole bodies.

A subclass of httpx-aiohttp's transport: same session, same response stream, but headers go over without
being decoded, normalised and encoded again, and proxy logins travel as a header (aiohttp 3.14 deprecates
the other way). Errors of aiohttp leave as they are; ``client.py`` has the one table that maps them.
"""

from __future__ import annotations

import base64
import functools
from types import SimpleNamespace

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream
from multidict import CIMultiDict
from yarl import URL

from providers.errors import UpstreamUnreachable
from providers.upstream.sockets import HEARTBEAT_S, MAX_MESSAGE_BYTES, UpstreamSocket


class DroppedWhileNew(aiohttp.ServerDisconnectedError):
    """A connection made for this request was closed without an answer: nothing was stale, and the upstream
    may have acted on the request."""


async def _note_reuse(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    params: aiohttp.TraceConnectionReuseconnParams,
) -> None:
    if context.trace_request_ctx is not None:  # a WebSocket's handshake asks for nothing
        context.trace_request_ctx["is_reused"] = True


def reuse_trace() -> aiohttp.TraceConfig:
    """For sessions of ``Transport``: tells it which requests went out on a kept-alive connection."""
    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(_note_reuse)
    return trace


class Transport(AiohttpTransport):  # type: ignore[misc]  # the library ships no types
    """One session, one way out. ``proxy`` is an HTTP proxy's URL or ""."""

    def __init__(self, session: aiohttp.ClientSession, proxy: str = "") -> None:
        self.client = session
        self._proxy: URL | None = None
        self._proxy_headers: CIMultiDict[str] | None = None
        if proxy:
            url = URL(proxy)
            self._proxy = url.with_user(None)
            if url.user is not None:
                login = base64.b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
                self._proxy_headers = CIMultiDict({"proxy-authorization": f"Basic {login}"})

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Raises aiohttp's own errors."""
        limits = request.extensions["timeout"]
        url = str(request.url)
        if self._proxy is not None and self._proxy_headers is not None and url.startswith("http:"):
            # Without a tunnel the proxy reads the request itself, its login included.
            request.headers.update(self._proxy_headers)
        body: bytes | httpx.AsyncByteStream | httpx.SyncByteStream | None
        if isinstance(request.stream, httpx.ByteStream):
            body = request.content or None
        else:
            body = request.stream
            request.headers.pop("transfer-encoding", None)  # httpx's; aiohttp sets its own
        way: dict[str, bool] = {}
        try:
            response = await self.client.request(
                request.method,
                _yarl(url),
                headers=CIMultiDict(
                    (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw
                ),
                data=body,
                allow_redirects=False,
                timeout=_timeout(limits["connect"]),
                proxy=self._proxy,
                proxy_headers=self._proxy_headers,
                trace_request_ctx=way,
            )
        except aiohttp.ServerDisconnectedError as error:
            if way.get("is_reused"):
                raise
            raise DroppedWhileNew(error.message) from error
        except UnicodeEncodeError as error:
            raise UpstreamUnreachable("a header of the request cannot be sent") from error
        return httpx.Response(
            response.status, headers=response.raw_headers, stream=AiohttpResponseStream(response)
        )

    async def connect(
        self, url: str, headers: tuple[tuple[str, str], ...], protocols: tuple[str, ...]
    ) -> UpstreamSocket:
        """Open a WebSocket. Raises aiohttp's own errors."""
        socket = await self.client.ws_connect(
            _yarl(url),
            headers=CIMultiDict(headers),
            protocols=protocols,
            proxy=self._proxy,
            proxy_headers=self._proxy_headers,
            max_msg_size=MAX_MESSAGE_BYTES,
            heartbeat=HEARTBEAT_S,
        )
        return UpstreamSocket(socket)


@functools.lru_cache(maxsize=1024)
def _yarl(url: str) -> URL:
    return URL(url, encoded=True)


@functools.lru_cache(maxsize=16)
def _timeout(connect_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(sock_connect=connect_s, connect=connect_s)
