"""A request body that is streamed to the upstream while it arrives, and can be streamed again on failover.

What has arrived is kept in a temporary file (small bodies: in memory), never whole in memory. Nothing is
read ahead of the upstream, except as far as the field ``model``.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator

from providers.errors import ClientError, GatewayError
from routing.proxy.intake import ClientGone, too_large
from routing.proxy.relay.multipart import MalformedMultipart, ModelFinder, model_part
from routing.proxy.wire import Message, Receive

IN_MEMORY = 1024 * 1024
PART = 256 * 1024


class UploadStalled(ClientError):
    """408: the client stopped sending; the upstream is not to blame for its own patience ending."""

    client_status = 408
    code: str | None = "upload_stalled"


class Edit:
    """Bytes ``start`` to ``end`` of the body are replaced by ``text``."""

    __slots__ = ("end", "start", "text")

    def __init__(self, start: int = 0, end: int = 0, text: bytes = b"") -> None:
        self.start = start
        self.end = end
        self.text = text

    @property
    def growth(self) -> int:
        return len(self.text) - (self.end - self.start)


NO_EDIT = Edit()


class Upload:
    """One client's body. ``failure`` is what went wrong on the client's side. ``close`` it at the end."""

    def __init__(self, receive: Receive, headers: dict[str, str], limit: int) -> None:
        self._receive = receive
        self._limit = limit
        length = headers.get("content-length", "")
        self._length = int(length) if length.isdigit() else None
        self._spool = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  closed in close()
        self._size = 0
        self._complete = asyncio.Event()
        self._turn = asyncio.Lock()
        self.is_waiting = False
        """Whether somebody waits for the client's next piece."""
        self.failure: GatewayError | ClientGone | None = None

    def check_length(self) -> None:
        """Raises BodyTooLarge when the client announces too much."""
        if self._length is not None and self._length > self._limit:
            raise too_large(self._limit)

    async def find_model(self, boundary: bytes) -> ModelFinder:
        """Read on until the field is known, or known to be missing. Raises as ``replay``, and
        MalformedMultipart."""
        finder = ModelFinder(boundary)
        position = 0
        while not finder.is_over:
            if position == self._size:
                if self._complete.is_set():
                    raise MalformedMultipart("The multipart body ends before its last boundary.")
                await self._read_on(position)
            piece = self._piece(position, self._size)
            position += len(piece)
            finder.feed(piece)
        return finder

    def size(self, edit: Edit = NO_EDIT) -> int | None:
        """The length of ``replay(edit)``, when the client told that of the body."""
        return None if self._length is None else self._length + edit.growth

    async def replay(self, edit: Edit = NO_EDIT) -> AsyncIterator[bytes]:
        """The body from its beginning, edited; what has not arrived yet, as it arrives.

        Raises ClientGone and BodyTooLarge, and keeps them as ``failure``.
        """
        self.is_waiting = False  # as an attempt that was broken off may have left it
        async for piece in self._between(0, edit.start):
            yield piece
        if edit.text:
            yield edit.text
        async for piece in self._between(edit.end, None):
            yield piece

    async def departure(self) -> Message:
        """``receive`` for who waits for the client to leave: first the body's end is waited for."""
        await self._complete.wait()
        return await self._receive()

    def close(self) -> None:
        self._spool.close()

    async def _between(self, start: int, end: int | None) -> AsyncIterator[bytes]:
        position = start
        while end is None or position < end:
            if position < self._size:
                piece = self._piece(position, self._size if end is None else min(end, self._size))
                position += len(piece)
                yield piece
            elif self._complete.is_set():
                return
            else:
                await self._read_on(position)

    def _piece(self, start: int, end: int) -> bytes:
        self._spool.seek(start)
        return self._spool.read(min(PART, end - start))

    async def _read_on(self, seen: int) -> None:
        """Take the client's next piece into the spool, unless another reader has done so."""
        async with self._turn:  # a broken attempt's reader may still be on its way out
            if self._size > seen or self._complete.is_set():
                return
            self.is_waiting = True
            message = await self._receive()
            self.is_waiting = False
            if message["type"] == "http.disconnect":
                self.failure = ClientGone()
                raise self.failure
            data = message.get("body", b"")
            if self._size + len(data) > self._limit:
                self.failure = too_large(self._limit)
                raise self.failure
            self._spool.seek(self._size)
            self._spool.write(data)
            self._size += len(data)
            if not message.get("more_body"):
                self._complete.set()


def model_edit(finder: ModelFinder, model: str) -> Edit:
    """What puts ``model`` into the body; nothing when it stands there already."""
    if finder.value == model:
        return NO_EDIT
    if finder.value is not None:
        return Edit(*finder.span, model.encode())
    at = finder.first_part or 0
    return Edit(at, at, model_part(finder.boundary, model))
