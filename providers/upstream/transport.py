"""The way out: one aiohttp session and its pool of connections, straight to it or through one HTTP proxy.

aiohttp is spoken to directly: httpx's request and response objects in between, with header tables of their
own, cost as much again as the call itself. Errors of aiohttp leave as they are; ``client.py`` has the one
table that maps them.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextvars import ContextVar
from typing import Protocol

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from providers.errors import UpstreamUnreachable
from providers.upstream.sockets import HEARTBEAT_S, MAX_MESSAGE_BYTES, UpstreamSocket

MAX_HEADER_BYTES = 64 * 1024
"""Vendors send long policy and rate-limit headers; aiohttp's own limit is 8 KiB."""


class DroppedWhileNew(aiohttp.ServerDisconnectedError):
    """A connection made for this request was closed without an answer: nothing was stale, and the upstream
    may have acted on the request."""


class Pieces(Protocol):
    async def readany(self) -> bytes:
        """What has arrived, waiting for the first of it; b"" at the end of the body."""

    def read_nowait(self) -> bytes:
        """What has arrived; b"" when nothing has, or at the end."""


class Answer(Protocol):
    """An answer whose head is there; aiohttp's own, of which this is used."""

    @property
    def status(self) -> int: ...
    @property
    def raw_headers(self) -> Sequence[tuple[bytes, bytes]]: ...
    @property
    def content(self) -> Pieces: ...
    @property
    def closed(self) -> bool:
        """Read to its end, or given up."""

    def release(self) -> object:
        """Give the connection back, or close it where the answer was not read to its end."""

    async def wait_for_close(self) -> None:
        """Until a body that was still being sent is stopped."""


class WayOut(Protocol):
    """What the client needs of a transport; tests put their own in its place."""

    async def send(
        self,
        method: str,
        url: URL,
        headers: tuple[tuple[str, str], ...],
        body: bytes | AsyncIterator[bytes] | None,
        connect_s: float,
    ) -> Answer:
        """Send a request; ``leave`` once its answer is closed. Raises aiohttp's own errors."""

    def leave(self) -> None:
        """An answer of ``send`` is closed."""

    async def connect(
        self, url: URL, headers: tuple[tuple[str, str], ...], protocols: tuple[str, ...]
    ) -> UpstreamSocket:
        """Open a WebSocket. Raises aiohttp's own errors."""

    def retire(self, closed: Callable[[], None]) -> None:
        """Nobody new will come: close as soon as the last answer is, and call ``closed``."""

    async def close(self) -> None: ...


class _Way:
    """Whether a connection was made for the request under way."""

    __slots__ = ("is_new",)

    def __init__(self) -> None:
        self.is_new = False


_WAY: ContextVar[_Way | None] = ContextVar("upstream_way", default=None)


def note_new() -> None:
    """A connection is being made: the request of this context does not go out on a kept-alive one."""
    if (way := _WAY.get()) is not None:
        way.is_new = True


def noted_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """For connectors of ``Transport``, as their socket factory."""
    note_new()
    family, kind, protocol, _, _ = address
    return socket.socket(family, kind, protocol)


class Transport:
    """One session, one way out. ``proxy`` is an HTTP proxy's URL or ""."""

    def __init__(self, session: aiohttp.ClientSession, proxy: str = "") -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()
        if session.connector is None:
            raise ValueError("the session is closed")
        self._connector = session.connector
        self._users = 0
        """Requests, answers and WebSockets under way."""
        self._closed: Callable[[], None] | None = None
        """To be called when it is closed; set once it is retired."""
        self._closing: asyncio.Task[None] | None = None
        self._proxy: URL | None = None
        self._proxy_headers: CIMultiDict[str] | None = None
        if proxy:
            url = URL(proxy)
            self._proxy = url.with_user(None)
            if url.user is not None:
                login = base64.b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
                self._proxy_headers = CIMultiDict({"proxy-authorization": f"Basic {login}"})

    async def send(
        self,
        method: str,
        url: URL,
        headers: tuple[tuple[str, str], ...],
        body: bytes | AsyncIterator[bytes] | None,
        connect_s: float,
    ) -> Answer:
        sent = CIMultiDict(headers)
        if self._proxy_headers is not None and url.scheme == "http":
            # Without a tunnel the proxy reads the request itself, its login included.
            sent.update(self._proxy_headers)
        way = _Way()
        _WAY.set(way)
        self._users += 1
        is_answered = False
        try:
            answer = await self._exchanged(method, url, sent, body, connect_s)
            is_answered = True
            return answer
        except aiohttp.ServerDisconnectedError as error:
            if way.is_new:
                raise DroppedWhileNew(error.message) from error
            raise
        except UnicodeEncodeError as error:
            raise UpstreamUnreachable("a header of the request cannot be sent") from error
        finally:
            if not is_answered:
                self.leave()

    async def _exchanged(
        self,
        method: str,
        url: URL,
        headers: CIMultiDict[str],
        body: bytes | AsyncIterator[bytes] | None,
        connect_s: float,
    ) -> Answer:
        """What ``ClientSession.request`` comes to for a request without redirects, cookies, netrc, tracing or
        a time limit of the session's own. To find out that it has none of these is a quarter of its cost."""
        request = aiohttp.ClientRequest(
            method,
            url,
            headers=headers,
            data=body,
            loop=self._loop,
            proxy=self._proxy,
            proxy_headers=self._proxy_headers,
            session=self._session,
        )
        try:
            connection = await self._connector.connect(request, traces=[], timeout=_timeout(connect_s))
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {url}") from error
        try:
            if connection.protocol is None:
                raise aiohttp.ServerDisconnectedError
            connection.protocol.set_response_params(
                skip_payload=method == "HEAD",
                read_until_eof=True,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
            )
            answer = await request.send(connection)
            try:
                return await answer.start(connection)
            except BaseException:
                answer.close()
                raise
        except BaseException as error:
            connection.close()
            if isinstance(error, OSError) and not isinstance(error, aiohttp.ClientError):
                raise aiohttp.ClientOSError(*error.args) from error
            raise

    def leave(self) -> None:
        self._users -= 1
        self._close_if_done()

    def retire(self, closed: Callable[[], None]) -> None:
        self._closed = closed
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._closed is not None and not self._users and self._closing is None:
            closed = self._closed
            self._closing = asyncio.get_running_loop().create_task(self.close(), name="close-pool")
            self._closing.add_done_callback(lambda _: closed())

    async def connect(
        self, url: URL, headers: tuple[tuple[str, str], ...], protocols: tuple[str, ...]
    ) -> UpstreamSocket:
        self._users += 1
        try:
            opened = await self._session.ws_connect(
                url,
                headers=CIMultiDict(headers),
                protocols=protocols,
                proxy=self._proxy,
                proxy_headers=self._proxy_headers,
                max_msg_size=MAX_MESSAGE_BYTES,
                heartbeat=HEARTBEAT_S,
            )
        except BaseException:
            self.leave()
            raise
        return UpstreamSocket(opened, self.leave)

    async def close(self) -> None:
        await self._session.close()


@functools.lru_cache(maxsize=16)
def _timeout(connect_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(sock_connect=connect_s, connect=connect_s)
