"""The only code that opens connections to providers: one request out, one streamed answer back.

Everything that can go wrong below becomes one of the errors of ``providers/errors.py`` by one table;
the original stays as the cause. A status of 400 and more is an answer here, not an error.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from types import MappingProxyType
from typing import Protocol

import aiohttp
from yarl import URL

from providers.adapters.base import Adapter, UpstreamRequest
from providers.errors import (
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from providers.upstream.address import parsed
from providers.upstream.deadline import Deadline, Deadlines
from providers.upstream.in_process import InProcessAnswer
from providers.upstream.pools import Pools, check_host
from providers.upstream.relay import GONE, RelaySession
from providers.upstream.sockets import HandshakeRefused, UpstreamSocket
from providers.upstream.timeouts import Timeouts
from providers.upstream.transport import Answer, DroppedWhileNew, Pieces, WayOut

MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""A whole answer held in memory: images in base64 are tens of MB, more is a broken upstream."""


class UpstreamResponse(Protocol):
    """An answer under way. Close it, read or not; closing early cancels the upstream request."""

    status: int

    @property
    def headers(self) -> dict[str, str]:
        """Lower-case names; the last value of a repeated header."""

    @property
    def media_type(self) -> str:
        """The value of ``content-type``, parameters included; "" where there is none."""

    @property
    def has_arrived(self) -> bool:
        """All of the body is here, read or not: the connection is free already."""

    def all_headers(self) -> list[tuple[str, str]]:
        """Every header as it came, repeated ones too (``Set-Cookie``)."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises UpstreamTimeout, UpstreamProtocolError."""

    async def read(self, limit: int = MAX_ANSWER_BYTES) -> bytes:
        """The whole body. Raises as ``chunks``, and UpstreamProtocolError past ``limit`` bytes."""

    async def close(self) -> None: ...


Body = Callable[[], AsyncIterator[bytes]]
"""A streamed request body: each call begins it anew, for a request may go out twice."""


class UpstreamClient:
    """Holds the connection pools of one event loop; make one per process and pass it in."""

    def __init__(
        self,
        timeouts: Timeouts,
        pools: Pools | None = None,
        relays: Mapping[str, RelaySession] = MappingProxyType({}),
    ) -> None:
        """``relays`` are the connected pages by their name; it changes while they come and go."""
        self._timeouts = timeouts
        self._pools = pools or Pools()
        self._relays = relays
        self._deadlines = Deadlines()

    @property
    def patience_s(self) -> float:
        """How long one call may take to its first byte."""
        return self._timeouts.first_byte_s

    async def open(
        self,
        request: UpstreamRequest,
        *,
        proxy_url: str = "",
        adapter: Adapter | None = None,
        body: Body | None = None,
    ) -> UpstreamResponse:
        """Send ``request`` and return when the answer's head is there.

        With ``body`` that is streamed in place of ``request.body``, only as fast as the upstream takes it;
        its length, when known, stands in the request's headers. Raises UpstreamUnreachable and
        UpstreamTimeout, and the latter too when ``body`` yields nothing for as long as a first byte may
        take. Cancelling closes the connection.
        """
        if adapter is not None and adapter.in_process:
            return InProcessAnswer.to(request, adapter)
        if request.via:
            session = self._relays.get(request.via)
            if session is None:
                raise UpstreamUnreachable(GONE)
            return await session.open(request, self._timeouts)
        address = parsed(request.url)
        check_host(address.host)
        transport = self._pools.transport(proxy_url, address.scheme, address.host)
        deadline = self._deadlines.begin(self._timeouts.first_byte_s)
        try:
            with deadline:
                answer = await self._send(transport, request, address.url, body, deadline)
        except TimeoutError as error:
            deadline.close()
            raise _timed_out("first_byte", self._timeouts.first_byte_s) from error
        except BaseException:
            deadline.close()
            raise
        return _HttpAnswer(answer, transport, deadline, self._timeouts)

    async def connect(
        self, request: UpstreamRequest, *, protocols: tuple[str, ...] = (), proxy_url: str = ""
    ) -> UpstreamSocket:
        """Open a WebSocket at ``request``'s URL (http or https), through the same pools as ``open``.

        Raises UpstreamUnreachable, UpstreamTimeout, and HandshakeRefused for any answer but 101.
        """
        address = parsed(request.url)
        check_host(address.host)
        transport = self._pools.transport(proxy_url, address.scheme, address.host)
        try:
            async with asyncio.timeout(self._timeouts.connect_s):
                return await transport.connect(address.url, request.headers, protocols)
        except TimeoutError as error:
            raise _timed_out("connect", self._timeouts.connect_s) from error
        except aiohttp.WSServerHandshakeError as error:
            raise HandshakeRefused(error.status, error.headers) from error
        except FAILURES as error:
            raise mapped_error(error, self._timeouts) from error

    async def _send(
        self,
        transport: WayOut,
        request: UpstreamRequest,
        url: URL,
        body: Body | None,
        deadline: Deadline,
    ) -> Answer:
        for is_last in (False, True):
            sent = (request.body or None) if body is None else self._paced(body(), deadline)
            try:
                return await transport.send(
                    request.method, url, request.headers, sent, self._timeouts.connect_s
                )
            except FAILURES as error:
                if is_last or not (_was_stale(error) or (body is not None and _was_reset(error))):
                    raise mapped_error(error, self._timeouts) from error
        raise AssertionError("unreachable")

    async def _paced(self, pieces: AsyncIterator[bytes], deadline: Deadline) -> AsyncIterator[bytes]:
        """The wait for the first byte begins anew with every piece sent."""
        async for piece in pieces:
            yield piece
            deadline.extend(self._timeouts.first_byte_s)

    def keep_only(self, proxy_urls: Collection[str]) -> None:
        """Let go of the pools of proxies that the configuration no longer names."""
        self._pools.keep_only(proxy_urls)

    async def close(self) -> None:
        self._deadlines.close()
        await self._pools.close()


CONTENT_TYPE = b"content-type"


class _HttpAnswer:
    """An ``UpstreamResponse`` over a real connection."""

    __slots__ = ("_answer", "_deadline", "_headers", "_timeouts", "_way", "status")

    def __init__(self, answer: Answer, way: WayOut, deadline: Deadline, timeouts: Timeouts) -> None:
        self.status = answer.status
        self._headers: dict[str, str] | None = None
        self._answer = answer
        self._way: WayOut | None = way
        self._deadline = deadline
        self._timeouts = timeouts

    @property
    def headers(self) -> dict[str, str]:
        # Made on demand: most answers are passed on without anybody looking at their headers.
        if self._headers is None:
            self._headers = {
                name.lower().decode("latin-1"): value.decode("latin-1")
                for name, value in self._answer.raw_headers
            }
        return self._headers

    @property
    def media_type(self) -> str:
        for name, value in reversed(self._answer.raw_headers):
            if len(name) == len(CONTENT_TYPE) and name.lower() == CONTENT_TYPE:
                return value.decode("latin-1")
        return ""

    @property
    def has_arrived(self) -> bool:
        return self._answer.closed

    def all_headers(self) -> list[tuple[str, str]]:
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._answer.raw_headers]

    def chunks(self) -> AsyncIterator[bytes]:
        return _Chunks(self._answer.content, self._deadline, self._timeouts)

    async def read(self, limit: int = MAX_ANSWER_BYTES) -> bytes:
        if self._answer.closed:
            try:
                pieces = [self._answer.content.read_nowait()]
            except (aiohttp.ClientError, OSError) as error:
                raise _cut_off() from error
            size = len(pieces[0])
        else:
            pieces, size = [], 0
            async for piece in self.chunks():
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    break
        if size > limit:
            raise UpstreamProtocolError(f"the upstream sent more than {limit} bytes")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def close(self) -> None:
        self._deadline.close()
        way, self._way = self._way, None
        try:
            if not self._answer.closed:
                self._answer.release()
                await self._answer.wait_for_close()
        finally:
            if way is not None:
                way.leave()


class _Chunks:
    """The pieces of a body as they arrive. No generator, of which the event loop keeps a list."""

    __slots__ = ("_content", "_deadline", "_has_begun", "_has_ended", "_timeouts")

    def __init__(self, content: Pieces, deadline: Deadline, timeouts: Timeouts) -> None:
        self._content = content
        self._deadline = deadline
        self._timeouts = timeouts
        self._has_begun = self._has_ended = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._has_ended:
            raise StopAsyncIteration
        self._has_ended = True  # unless something comes
        if self._has_begun:
            self._deadline.extend(self._timeouts.idle_s)
        try:
            piece = self._content.read_nowait()
            if not piece:  # what is here already needs no watch
                with self._deadline:
                    piece = await self._content.readany()
        except TimeoutError as error:
            if self._has_begun:
                raise _timed_out("idle", self._timeouts.idle_s) from error
            raise _timed_out("first_byte", self._timeouts.first_byte_s) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _cut_off() from error
        if not piece:
            raise StopAsyncIteration
        self._has_begun, self._has_ended = True, False
        return piece


def _cut_off() -> UpstreamError:
    return _dropped(UpstreamProtocolError("the upstream's answer was cut off"))


def _dropped(error: UpstreamError) -> UpstreamError:
    """``error``, marked as a connection that ended without a word."""
    error.is_dropped = True
    return error


def _timed_out(phase: str, seconds: float) -> UpstreamTimeout:
    words = {
        "connect": "could not be connected to",
        "first_byte": "sent no first byte",
        "idle": "fell silent in its answer",
    }[phase]
    return UpstreamTimeout(f"the upstream {words} within {seconds:g} s", phase=phase)


def _causes(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain


def _was_stale(error: BaseException) -> bool:
    """A kept-alive connection that the upstream had closed meanwhile: nothing was answered, so the same
    request may go out once more on a new connection."""
    causes = _causes(error)
    if any(isinstance(cause, DroppedWhileNew) for cause in causes):
        return False
    return any(isinstance(cause, aiohttp.ServerDisconnectedError) for cause in causes)


def _was_reset(error: BaseException) -> bool:
    """As stale, met while a streamed body was being written: what was not read whole was not acted on."""
    return any(isinstance(cause, ConnectionResetError | BrokenPipeError) for cause in _causes(error))


FAILURES = (aiohttp.ClientError, OSError, ValueError)
"""What a transport raises."""
MAPPED: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ServerDisconnectedError, "closed the connection without an answer"),
    (aiohttp.ConnectionTimeoutError, "connect"),
    (aiohttp.ClientConnectorDNSError, "has a name that does not resolve"),
    (aiohttp.ClientConnectorCertificateError, "has a certificate that cannot be verified"),
    (aiohttp.ClientSSLError, "failed the TLS handshake"),
    (aiohttp.ClientProxyConnectionError, "is behind a proxy that cannot be reached"),
    (aiohttp.ClientHttpProxyError, "is behind a proxy that refused the connection"),
    (aiohttp.ClientConnectorError, "refused the connection"),
    (aiohttp.ClientOSError, "dropped the connection"),
    (aiohttp.ServerTimeoutError, "connect"),
    (aiohttp.ClientResponseError, "does not speak HTTP"),
    (aiohttp.ClientError, "dropped the connection"),
    (ssl.SSLCertVerificationError, "has a certificate that cannot be verified"),
    (ssl.SSLError, "failed the TLS handshake"),
    (OSError, "cannot be reached"),
)
"""Most specific first. ``connect`` stands for a timeout of that phase."""


def mapped_error(error: BaseException, timeouts: Timeouts) -> UpstreamError:
    """The gateway's error for one of the layers below; decided by the most specific cause."""
    chain = _causes(error)
    for known in chain:
        if isinstance(known, UpstreamError):
            return known
    for kind, words in MAPPED:
        if any(isinstance(cause, kind) for cause in chain):
            if words == "connect":
                return _timed_out("connect", timeouts.connect_s)
            failure = UpstreamUnreachable(f"the upstream {words}")
            return _dropped(failure) if kind is aiohttp.ServerDisconnectedError else failure
    return UpstreamUnreachable("the upstream cannot be reached")


__all__ = ["Body", "Timeouts", "UpstreamClient", "UpstreamResponse", "mapped_error"]
