"""Gemini's other framing of a stream: without ``alt=sse`` the body is one JSON array, element by element.

https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from __future__ import annotations

from providers.errors import UpstreamProtocolError
from providers.translation.codec import Framing
from providers.translation.sse import SseEvent

CONTENT_TYPE = "application/json; charset=UTF-8"

_OPENING = frozenset(b"{[")
_CLOSING = frozenset(b"}]")
_QUOTE, _BACKSLASH = ord('"'), ord("\\")


class ArrayWriter:
    """Elements in, the text of the array out. ``close`` may be called more than once."""

    def __init__(self) -> None:
        self._has_begun = False
        self._is_closed = False

    def element(self, text: bytes) -> bytes:
        lead = b",\r\n" if self._has_begun else b"["
        self._has_begun = True
        return lead + text

    def close(self) -> bytes:
        if self._is_closed:
            return b""
        self._is_closed = True
        return b"]" if self._has_begun else b"[]"


class ArrayReader:
    """The bytes of an array in, at any cut; each element as the event that a stream would have had.

    Finds elements by the depth of brackets outside strings. ``limit`` bounds one element, in bytes.
    """

    def __init__(self, *, limit: int = 64 * 1024 * 1024) -> None:
        self._buffer = bytearray()
        self._limit = limit
        self._depth = 0
        self._in_text = False
        self._is_escaped = False

    def feed(self, chunk: bytes) -> list[SseEvent]:
        events: list[SseEvent] = []
        start = 0
        for at, byte in enumerate(chunk):
            if self._in_text:
                self._step_in_text(byte)
            elif byte == _QUOTE:
                self._in_text = True
            elif byte in _OPENING:
                self._depth += 1
                if self._depth == 1 and byte == ord("["):
                    start = at + 1
                elif self._depth <= 2 and byte == ord("{") and not self._buffer:
                    start = at
            elif byte in _CLOSING:
                self._depth -= 1
                if self._depth == 1 and byte == ord("}"):
                    events.append(self._element(bytes(self._buffer) + chunk[start : at + 1]))
                    self._buffer.clear()
                    start = at + 1
        if self._depth >= 2:
            self._buffer += chunk[start:]
            if len(self._buffer) > self._limit:
                raise UpstreamProtocolError(f"the upstream sent a chunk of more than {self._limit} bytes")
        return events

    def close(self) -> list[SseEvent]:
        """The stream ended. Raises UpstreamProtocolError inside an element or the array."""
        if self._depth:
            raise UpstreamProtocolError("the upstream's stream ended before the answer did")
        return []

    def _step_in_text(self, byte: int) -> None:
        if self._is_escaped:
            self._is_escaped = False
        elif byte == _BACKSLASH:
            self._is_escaped = True
        elif byte == _QUOTE:
            self._in_text = False

    def _element(self, text: bytes) -> SseEvent:
        try:
            # A line end in JSON text stands outside strings, and would end the line of an event.
            return SseEvent(None, text.replace(b"\r", b" ").replace(b"\n", b" ").decode())
        except UnicodeDecodeError as error:
            raise UpstreamProtocolError("the upstream's stream is not UTF-8") from error


FRAMING = Framing(media_type="application/json", begins_with=b"[", reader=ArrayReader)
