"""``application/vnd.amazon.eventstream``: binary messages in, events out, every checksum verified.

A message is a prelude (total length, length of the headers, CRC of both), headers, a payload and a CRC of
everything before it; integers are big-endian, both sums are CRC-32 as in gzip. What fails a check is never
read past: the stream cannot be found again. Source: AWS, "Event stream encoding"
(https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html) and the SDKs' readers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from zlib import crc32

from providers.errors import UpstreamProtocolError
from providers.translation.codec import Framing
from providers.translation.sse import SseEvent

MEDIA_TYPE = "application/vnd.amazon.eventstream"

EXCEPTION = "exception:"
"""Before the name of an event that is an exception or an error: ``exception:ThrottlingException``."""

_PRELUDE = 12
_SMALLEST = 16
_LONGEST_HEADERS = 128 * 1024
_LONGEST_PAYLOAD = 16 * 1024 * 1024
"""AWS's own limits for one message."""

_LENGTHS = {2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of the header types of fixed size: int8 to int64, timestamp, UUID. 0 and 1 have none."""
_BYTES, _TEXT = 6, 7


class EventStreamReader:
    """One stream. Frames may come in any pieces; see ``FrameReader``."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._total = 0
        """Length of the message at the head of the buffer; 0 until its prelude was checked."""

    def feed(self, chunk: bytes) -> list[SseEvent]:
        buffer = self._buffer
        buffer += chunk
        events: list[SseEvent] = []
        start = 0
        while True:
            if not self._total and len(buffer) - start >= _PRELUDE:
                self._total = _checked_length(bytes(buffer[start : start + _PRELUDE]))
            if not self._total or len(buffer) - start < self._total:
                break
            event = _event_of(bytes(buffer[start : start + self._total]))
            if event is not None:
                events.append(event)
            start += self._total
            self._total = 0
        del buffer[:start]
        return events

    def close(self) -> list[SseEvent]:
        """The stream ended. Raises UpstreamProtocolError inside a message."""
        if self._buffer:
            raise UpstreamProtocolError("the upstream's stream was cut inside a message")
        return []


FRAMING = Framing(media_type=MEDIA_TYPE, begins_with=b"\0", reader=EventStreamReader, is_always=True)


def _checked_length(prelude: bytes) -> int:
    total, headers, checksum = struct.unpack(">III", prelude)
    if crc32(prelude[:8]) != checksum:
        raise UpstreamProtocolError("the upstream sent a message whose prelude fails its checksum")
    if not _SMALLEST <= total <= _SMALLEST + _LONGEST_HEADERS + _LONGEST_PAYLOAD or (
        headers > min(total - _SMALLEST, _LONGEST_HEADERS)
    ):
        raise UpstreamProtocolError("the upstream sent a message of impossible length")
    length: int = total
    return length


def _event_of(message: bytes) -> SseEvent | None:
    """The event in a whole message. None for one that names no type and says nothing."""
    (checksum,) = struct.unpack(">I", message[-4:])
    if crc32(message[:-4]) != checksum:
        raise UpstreamProtocolError("the upstream sent a message that fails its checksum")
    (length,) = struct.unpack(">I", message[4:8])
    headers = _headers(message[_PRELUDE : _PRELUDE + length])
    try:
        payload = message[_PRELUDE + length : -4].decode()
    except UnicodeDecodeError as error:
        raise UpstreamProtocolError("the upstream sent a message that is not UTF-8") from error
    kind = headers.get(":message-type", "event")
    if kind == "event":
        name = headers.get(":event-type", "")
        return SseEvent(name, payload) if name or payload else None
    name = headers.get(":exception-type") or headers.get(":error-code") or kind
    return SseEvent(EXCEPTION + name, payload or headers.get(":error-message", ""))


def _headers(block: bytes) -> dict[str, str]:
    """The headers that are texts; others are stepped over, since none of them says anything here."""
    found: dict[str, str] = {}
    take = _taker(block)
    while True:
        size = take(1, may_end=True)
        if not size:
            return found
        name, kind = take(size[0]), take(1)[0]
        if kind in (_BYTES, _TEXT):
            value = take(int.from_bytes(take(2), "big"))
            if kind == _TEXT:
                found[name.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        elif kind in _LENGTHS:
            take(_LENGTHS[kind])
        elif kind > 1:
            raise UpstreamProtocolError(f"the upstream sent a message with a header of unknown type {kind}")


def _taker(block: bytes) -> Callable[..., bytes]:
    """A function that takes the next bytes of ``block``, and raises when it has no more."""
    at = 0

    def take(count: int, *, may_end: bool = False) -> bytes:
        nonlocal at
        if may_end and at == len(block):
            return b""
        taken = block[at : at + count]
        at += count
        if len(taken) < count:
            raise UpstreamProtocolError("the upstream sent a message whose headers are cut short")
        return taken

    return take
