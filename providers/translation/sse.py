"""Server-sent events, read incrementally: bytes in at any cut, events out.

Follows the WHATWG HTML standard (section "Server-sent events", 2024) with the liberties that providers
need: an event pending at the end of the stream is dispatched too. Lines end at LF, CR LF or CR only, so
U+2028 or a form feed inside JSON is no line end. Bytes are decoded per line, never per network chunk.
"""

from __future__ import annotations

import msgspec

from providers.errors import UpstreamProtocolError


class SseEvent(msgspec.Struct, frozen=True):
    """``name`` is the ``event:`` field or None. ``data`` joins several ``data:`` lines with LF."""

    name: str | None
    data: str


class SseReader:
    """Feed it bytes, get whole events. One per stream.

    ``limit`` bounds one event, in bytes; inline images and encrypted reasoning need tens of MB.
    Raises UpstreamProtocolError when an event exceeds it or is not UTF-8.
    """

    def __init__(self, *, limit: int = 64 * 1024 * 1024) -> None:
        self._buffer = bytearray()
        self._data: list[bytes] = []
        self._name: bytes | None = None
        self._limit = limit
        self._size = 0
        self._first = True
        self._after_cr = False
        self._scanned = 0

    def feed(self, chunk: bytes) -> list[SseEvent]:
        events: list[SseEvent] = []
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        if b"\r" in chunk:
            if chunk[-1:] == b"\r":
                self._after_cr = True
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        buffer = self._buffer
        buffer += chunk
        if self._first and len(buffer) >= 3:
            self._first = False
            if buffer[:3] == b"\xef\xbb\xbf":
                del buffer[:3]
        end = buffer.rfind(b"\n", self._scanned)
        if end < 0:
            self._scanned = len(buffer)
            self._check(len(buffer))
            return events
        lines = bytes(buffer[:end]).split(b"\n")
        del buffer[: end + 1]
        self._scanned = len(buffer)
        for line in lines:
            event = self._line(line)
            if event is not None:
                events.append(event)
        return events

    def close(self) -> list[SseEvent]:
        """The stream ended: the pending line and event, if any."""
        events = []
        if self._buffer:
            line, self._buffer = bytes(self._buffer), bytearray()
            event = self._line(line)
            if event is not None:
                events.append(event)
        event = self._dispatch()
        if event is not None:
            events.append(event)
        return events

    def _line(self, line: bytes) -> SseEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if field == b"data":
            self._size += len(value)
            self._check(self._size)
            self._data.append(value)
        elif field == b"event":
            self._name = value
        return None  # comments, id, retry and unknown fields mean nothing to us

    def _dispatch(self) -> SseEvent | None:
        data, name = self._data, self._name
        if not data:
            self._name = None
            return None
        self._data, self._name, self._size = [], None, 0
        try:
            text = (data[0] if len(data) == 1 else b"\n".join(data)).decode()
            return SseEvent(name.decode() if name else None, text)
        except UnicodeDecodeError as error:
            raise UpstreamProtocolError("the upstream's event stream is not UTF-8") from error

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise UpstreamProtocolError(f"the upstream sent an event of more than {self._limit} bytes")


def frame(data: bytes, name: str | None = None) -> bytes:
    """One event as bytes. ``data`` holds no line end (JSON never does)."""
    if name is None:
        return b"data: " + data + b"\n\n"
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
