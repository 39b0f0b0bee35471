"""Server-sent events, read incrementally: bytes in at any cut, events out.

Follows the WHATWG HTML standard (section "Server-sent events", 2024) with the liberties that providers
need: an event pending at the end of the stream is dispatched too. Lines end at LF, CR LF or CR only, so
U+2028 or a form feed inside JSON is no line end. Bytes are decoded by whole lines, never per network chunk.
"""

from __future__ import annotations

import re
from operator import itemgetter

import msgspec

from providers.errors import UpstreamProtocolError

BOM = b"\xef\xbb\xbf"


class SseEvent(msgspec.Struct, frozen=True, gc=False):
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
        self._limit = limit
        self._is_first = True
        self._after_cr = False
        self._scanned = 0

    def feed(self, chunk: bytes) -> list[SseEvent]:
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        if b"\r" in chunk:
            self._after_cr = chunk[-1:] == b"\r"
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        buffer = self._buffer
        buffer += chunk
        if self._is_first and len(buffer) >= len(BOM):
            self._is_first = False
            if buffer.startswith(BOM):
                del buffer[: len(BOM)]
        end = buffer.rfind(b"\n\n", max(self._scanned - 1, 0))
        if end < 0:
            self._scanned = len(buffer)
            self._check(len(buffer))
            return []
        whole = bytes(buffer[: end + 2])
        del buffer[: end + 2]
        self._scanned = len(buffer)
        if end > self._limit:
            for block in whole.split(b"\n\n"):
                self._check(len(block))
        return _events_of(_text(whole))

    def close(self) -> list[SseEvent]:
        """The stream ended: the event still pending, if any. Raises UpstreamProtocolError inside a line that
        is not yet data; whether data is whole is for its reader to see."""
        self._check(len(self._buffer))
        block = _text(bytes(self._buffer))
        self._buffer.clear()
        self._scanned = 0
        event = _event_of(block)
        line = block.rpartition("\n")[2]
        if line and not (event and event.data) and not line.startswith((":", "id:", "retry:")):
            raise UpstreamProtocolError("the upstream's stream stopped inside an event")
        return [] if event is None else [event]

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise UpstreamProtocolError(f"the upstream sent an event of more than {self._limit} bytes")


def _text(data: bytes) -> str:
    """Whole lines, which no character crosses, are decoded at once: half the cost of reading."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UpstreamProtocolError("the upstream's event stream is not UTF-8") from error


_USUAL = re.compile(r"(?:event: (.*)\n)?data: (.*)\n\n|.*\n")
"""An event in one of the two forms that providers send, or, without data, a line of another kind."""
_data_of = itemgetter(1)


def _events_of(text: str) -> list[SseEvent]:
    """The events in ``text``, which ends with a blank line. Together the usual ones cost little."""
    found = _USUAL.findall(text)
    if not all(map(_data_of, found)):
        return [event for block in text.split("\n\n") if (event := _event_of(block)) is not None]
    return [SseEvent(name or None, data) for name, data in found]


def _event_of(block: str) -> SseEvent | None:
    """The event in ``block``, which holds no blank line but perhaps one before it."""
    data: list[str] = []
    name = ""
    for line in block.split("\n"):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        # comments, id, retry and unknown fields mean nothing to us
    return SseEvent(name or None, "\n".join(data)) if data else None


def frame(data: bytes, name: str | None = None) -> bytes:
    """One event as bytes. ``data`` holds no line end (JSON never does)."""
    if name is None:
        return b"data: " + data + b"\n\n"
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
