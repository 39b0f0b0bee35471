"""One upstream's answer to a relayed call, ready to send: whole, or a stream whose first piece is there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import msgspec

from providers.translation.model import Usage
from providers.upstream.client import UpstreamResponse
from routing.proxy.wire import Headers

PASSED = (
    "content-type",
    "content-length",
    "content-disposition",
    "content-encoding",
    "content-range",
    "accept-ranges",
    "etag",
    "last-modified",
    "location",
)
"""Headers of an answer that belong to its body; all others are the upstream's own business."""
STREAM = "text/event-stream"
KEPT_TAIL = 32 * 1024
_USAGE = re.compile(rb'"usage"\s*:\s*\{')


class WholeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer in memory: JSON, from which usage and ids are read."""

    status: int
    content_type: str
    body: bytes
    usage: Usage | None = None


class PassingAnswer:
    """An answer that streams: audio, a file, events. ``first`` is its first piece, None when it is empty."""

    def __init__(self, response: UpstreamResponse, chunks: AsyncIterator[bytes], first: bytes | None) -> None:
        self.status = response.status
        self.is_events = response.headers.get("content-type", "").startswith(STREAM)
        self._response = response
        self._chunks = chunks
        self._first = first
        self._tail = b""

    def headers(self) -> Headers:
        found = self._response.headers
        return [
            (name.encode(), found[name].encode("latin-1"))
            for name in PASSED
            if name in found and not (self.is_events and name == "content-length")
        ]

    async def pieces(self) -> AsyncIterator[bytes]:
        """Raises UpstreamError when the upstream breaks off."""
        piece = self._first
        while piece is not None:
            if self.is_events:
                self._tail = (self._tail + piece)[-KEPT_TAIL:]
            yield piece
            piece = await anext(self._chunks, None)

    @property
    def usage(self) -> Usage | None:
        """The last usage that an event told."""
        found = None
        for match in _USAGE.finditer(self._tail):
            found = match
        return read_usage(_object_at(self._tail, found.end() - 1)) if found else None

    async def close(self) -> None:
        await self._response.close()


class _Counts(msgspec.Struct):
    """OpenAI's two spellings (chat's, and that of the newer endpoints), and that of Gemini's Interactions."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    total_input_tokens: int | None = None
    total_tool_use_tokens: int | None = None
    total_output_tokens: int | None = None
    total_thought_tokens: int | None = None
    total_cached_tokens: int | None = None


NULL = msgspec.Raw(b"null")


class _Body(msgspec.Struct):
    usage: msgspec.Raw = NULL


_BODY = msgspec.json.Decoder(_Body)
_COUNTS = msgspec.json.Decoder(_Counts | None)
_BAD = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def usage_in(body: bytes) -> Usage | None:
    """The usage of a whole answer, None when it tells none or is not JSON."""
    try:
        return read_usage(bytes(_BODY.decode(body).usage))
    except _BAD:
        return None


def read_usage(raw: bytes) -> Usage | None:
    """Canonical usage from the JSON of a ``usage`` member."""
    try:
        counts = _COUNTS.decode(raw)
    except _BAD:
        return None
    if counts is None:
        return None
    if counts.total_input_tokens is not None or counts.total_output_tokens is not None:
        return Usage(
            input_total=_sum(counts.total_input_tokens, counts.total_tool_use_tokens),
            cache_read=counts.total_cached_tokens,
            output_total=_sum(counts.total_output_tokens, counts.total_thought_tokens),
            reasoning=counts.total_thought_tokens,
            total=counts.total_tokens,
        )
    given = counts.prompt_tokens if counts.input_tokens is None else counts.input_tokens
    made = counts.completion_tokens if counts.output_tokens is None else counts.output_tokens
    if given is None and made is None and counts.total_tokens is None:
        return None
    if given is None and made is None:  # rerank and some embeddings tell a total only
        given = counts.total_tokens
    return Usage(input_total=given, output_total=made, total=counts.total_tokens)


def _sum(*counts: int | None) -> int | None:
    told = [count for count in counts if count is not None]
    return sum(told) if told else None


def _object_at(data: bytes, start: int) -> bytes:
    """The JSON object that begins at ``start``; braces inside its texts do not occur in a usage."""
    depth = 0
    for position in range(start, len(data)):
        if data[position] == ord("{"):
            depth += 1
        elif data[position] == ord("}"):
            depth -= 1
            if depth == 0:
                return data[start : position + 1]
    return b"null"
