"""Calls carried by somebody else: requests go out as JSON frames over a WebSocket, answers come back so.

One ``RelaySession`` per connected page; it owns no socket, so it is fed and drained by whoever does. Frames
are ``{"id", "type", "payload"}``; types and payloads: docs/protocols/aistudio.md. Memory is bounded per
answer: past ``MOST_WAITING_BYTES`` the session's next frame waits until the client has taken some.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from providers.adapters.base import UpstreamRequest
from providers.errors import UpstreamError, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from providers.upstream.timeouts import Timeouts

MOST_WAITING_BYTES = 4 * 1024 * 1024
MAX_FRAME_BYTES = 64 * 1024 * 1024
GONE = "the AI Studio page has disconnected"

Send = Callable[[str], Awaitable[None]]


class _Frame(msgspec.Struct):
    id: str = ""
    type: str = ""
    payload: dict[str, Any] | None = None


_FRAMES = msgspec.json.Decoder(_Frame)


class RelaySession:
    """The requests under way over one connection. ``send`` returns when the connection takes more."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._answers: dict[str, RelayedAnswer] = {}
        self._is_over = False

    async def open(self, request: UpstreamRequest, timeouts: Timeouts) -> RelayedAnswer:
        """Send one request and wait for the head of its answer. Raises UpstreamUnreachable when the page is
        gone, UpstreamTimeout, UpstreamProtocolError. Cancelling forgets the answer."""
        if self._is_over:
            raise UpstreamUnreachable(GONE)
        request_id = str(uuid.uuid4())
        answer = RelayedAnswer(lambda: self._answers.pop(request_id, None), timeouts)
        self._answers[request_id] = answer
        try:
            await self._send(_http_request(request_id, request))
            await answer.head()
        except BaseException:
            await answer.close()
            raise
        return answer

    async def received(self, text: str) -> None:
        """One frame from the page. Returns when the session may be read on. Raises ValueError for a frame
        that is none: the connection is of no use then."""
        if len(text) > MAX_FRAME_BYTES:
            raise ValueError("a frame is longer than 64 MiB")
        try:
            frame = _FRAMES.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError("a frame is no JSON object of id, type and payload") from error
        if frame.type == "ping":
            await self._send(msgspec.json.encode({"id": frame.id, "type": "pong", "payload": {}}).decode())
            return
        answer = self._answers.get(frame.id)
        if answer is not None:  # else its client has left
            await answer.take(frame.type, frame.payload)

    def end(self) -> None:
        """The connection is gone: every request under way fails."""
        self._is_over = True
        for answer in list(self._answers.values()):
            answer.fail(UpstreamUnreachable(GONE) if not answer.has_begun else UpstreamProtocolError(GONE))


class RelayedAnswer:
    """An ``UpstreamResponse`` that a page sends in frames."""

    def __init__(self, forget: Callable[[], object], timeouts: Timeouts) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.has_begun = False
        self._forget = forget
        self._timeouts = timeouts
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_over = False
        self._failure: UpstreamError | None = None
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def head(self) -> None:
        await self._wait("first_byte", lambda: self.has_begun)

    async def take(self, kind: str, payload: dict[str, Any] | None) -> None:
        """One frame. Waits while too much of the answer lies here unread."""
        if payload is None:
            self._refused(502, "the AI Studio page sent a frame without a payload")
        elif kind == "http_response":
            self._begin(payload)
            self._add(payload.get("body"))
            self._is_over = True
        elif kind == "stream_start":
            self._begin(payload)
        elif kind == "stream_chunk":
            if not self.has_begun:
                self._begin({})
            self._add(payload.get("data"))
        elif kind == "stream_end":
            if not self.has_begun:
                self._begin({})
            self._is_over = True
        elif kind == "error":
            status, words = payload.get("status"), payload.get("error")
            self._refused(
                status if isinstance(status, int) and 400 <= status <= 599 else 502,
                words if isinstance(words, str) and words else "the AI Studio page failed",
            )
        self._news.set()
        await self._room.wait()

    def fail(self, error: UpstreamError) -> None:
        if not self._is_over:
            self._failure = error
            self._is_over = True
        self._news.set()
        self._room.set()

    @property
    def has_arrived(self) -> bool:
        return self._is_over

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "")

    def all_headers(self) -> list[tuple[str, str]]:
        return list(self.headers.items())

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            if self._pieces:
                piece = b"".join(self._pieces)
                self._pieces.clear()
                self._size = 0
                self._room.set()
                yield piece
                continue
            if self._is_over:
                if self._failure is not None:
                    raise self._failure
                return
            await self._wait("idle", lambda: bool(self._pieces) or self._is_over)

    async def read(self, limit: int = 256 * 1024 * 1024) -> bytes:
        """The whole body. Raises UpstreamProtocolError past ``limit`` bytes."""
        pieces, size = [], 0
        async for piece in self.chunks():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise UpstreamProtocolError(f"the upstream sent more than {limit} bytes")
        return b"".join(pieces)

    async def close(self) -> None:
        """What still comes for it is dropped: the protocol knows no cancelling."""
        self._forget()
        self._is_over = True
        self._room.set()

    async def _wait(self, phase: str, is_there: Callable[[], bool]) -> None:
        seconds = self._timeouts.first_byte_s if phase == "first_byte" else self._timeouts.idle_s
        try:
            async with asyncio.timeout(seconds):
                while not is_there():
                    if self._failure is not None:
                        raise self._failure
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise UpstreamTimeout(f"the AI Studio page was silent for {seconds:g} s", phase=phase) from error

    def _begin(self, payload: dict[str, Any]) -> None:
        status = payload.get("status")
        self.status = status if isinstance(status, int) and 100 <= status <= 599 else 200
        headers = payload.get("headers")
        for name, value in headers.items() if isinstance(headers, dict) else ():
            last = value[-1] if isinstance(value, list) and value else value
            if isinstance(last, str):
                self.headers[name.lower()] = last
        self.has_begun = True

    def _add(self, data: object) -> None:
        if isinstance(data, str) and data:
            self._pieces.append(data.encode())
            self._size += len(self._pieces[-1])
            if self._size >= MOST_WAITING_BYTES:
                self._room.clear()

    def _refused(self, status: int, words: str) -> None:
        """An error in place of an answer is a refusal; within one it is a cut."""
        if self.has_begun:
            self.fail(UpstreamProtocolError(words[:300]))
            return
        self._begin({"status": status, "headers": {"content-type": "application/json"}})
        error = {"code": status, "message": words[:2000], "status": ""}
        self._pieces.append(msgspec.json.encode({"error": error}))
        self._is_over = True


def _http_request(request_id: str, request: UpstreamRequest) -> str:
    payload = {
        "method": request.method,
        "url": request.url,
        "headers": {name: [value] for name, value in request.headers},
        "body": request.body.decode(),
        "sent_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }
    return msgspec.json.encode({"id": request_id, "type": "http_request", "payload": payload}).decode()
