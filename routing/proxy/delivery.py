"""The answer of one attempt, ready to be sent: whole, or a stream whose first bytes are in hand.

An attempt ends here with its first byte known to be good; what fails later is told inside the stream.
Equal formats pass; unequal ones go frames -> events -> frames, one client write per upstream read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import chain
from typing import Protocol

from providers.errors import GatewayError, UpstreamError, UpstreamProtocolError, UpstreamRefused
from providers.translation.codec import FrameReader, StreamDecoder, StreamEncoder
from providers.translation.losses import loss_of
from providers.translation.model import (
    ArgumentsDelta,
    End,
    ErrorInfo,
    Event,
    PartStart,
    ReasoningDelta,
    Response,
    Start,
    Stopped,
    StreamError,
    TextDelta,
    Usage,
    UsageUpdate,
)
from providers.translation.passthrough import StreamWatch
from providers.translation.sse import SseReader
from providers.translation.sse import frame as as_frame
from providers.translation.unfold import events_of
from providers.upstream.client import UpstreamResponse
from providers.values import Format

logger = logging.getLogger("routing.proxy")

LINGER_S = 0.5
"""How long the end of an upstream's body may take after its last event, to keep the connection."""


SAYING_NOTHING_ELSE = frozenset({TextDelta, ReasoningDelta, ArgumentsDelta})
"""Events that only the encoder needs to see: nearly all that a stream consists of."""


class understood:
    """A boundary around a codec that reads an upstream's answer. An answer so odd that the codec trips over
    it is the upstream's failure, told to the client in its own format; the log has the codec's part in it.

    A class and no generator: it stands in the loop of every stream.
    """

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None or not issubclass(kind, Exception) or issubclass(kind, GatewayError):
            return
        logger.error("a codec tripped over an upstream's answer", exc_info=error)
        raise UpstreamProtocolError("the upstream's answer cannot be understood") from error


class Delivery(Protocol):
    """A stream to the client. ``usage`` grows; ``is_final`` is set before the last piece is yielded."""

    content_type: str
    usage: Usage | None
    is_final: bool
    has_failed: bool
    """The upstream told the client of a failure itself, inside the stream."""
    failure: UpstreamError | None
    """That failure as the adapter reads it, where it can be read."""

    @property
    def dropped(self) -> tuple[str, ...]:
        """What has come and the client's format has no place for; what the head named is not among it."""

    def pieces(self) -> AsyncIterator[bytes]:
        """Bytes for the client, the first at once. Raises UpstreamError when the stream breaks."""

    def error(self, info: ErrorInfo) -> bytes: ...

    async def close(self) -> None: ...


class PassingStream:
    """Equal formats: bytes as they come, watched for usage and for their end."""

    dropped = ()

    def __init__(
        self,
        response: UpstreamResponse,
        chunks: AsyncIterator[bytes],
        first: bytes,
        watch: StreamWatch,
        failure_in: Callable[[bytes], UpstreamError | None],
    ) -> None:
        self.content_type = watch.content_type
        self.usage: Usage | None = None
        self.is_final = False
        self.has_failed = False
        self.failure: UpstreamError | None = None
        self._response = response
        self._chunks = chunks
        self._first = first
        self._watch = watch
        self._failure_in = failure_in

    async def pieces(self) -> AsyncIterator[bytes]:
        watch = self._watch
        chunk, before = self._first, b""
        while True:
            piece = watch.feed(chunk)
            if watch.is_done:
                self.usage, self.is_final = watch.usage, True
                self.has_failed = watch.has_failed
                self.failure = self._failure_in(before + chunk) if watch.has_failed else None
                yield piece + watch.flush()
                await drain(self._response, self._chunks)
                return
            if piece:
                yield piece
            following = await anext(self._chunks, None)
            if following is None:
                break
            before, chunk = chunk, following
        rest = watch.flush()
        self.usage = watch.usage
        if not watch.is_complete:
            if rest:
                yield rest
            raise UpstreamProtocolError("the upstream's stream ended before the answer did")
        self.is_final = True
        yield rest

    def error(self, info: ErrorInfo) -> bytes:
        return self._watch.failure(info)

    async def close(self) -> None:
        self.usage = self._watch.usage
        await self._response.close()


class TranslatedStream:
    """Unequal formats. ``begin`` reads up to the first event that a client can see."""

    def __init__(
        self,
        response: UpstreamResponse,
        chunks: AsyncIterator[bytes],
        decoder: StreamDecoder,
        encoder: StreamEncoder,
        reader: FrameReader | None,
        classified: Callable[[StreamError], UpstreamRefused],
        client_format: Format,
    ) -> None:
        self.content_type = encoder.content_type
        self.usage: Usage | None = None
        self.is_final = False
        self.has_failed = False
        self.failure: UpstreamError | None = None
        self._response = response
        self._chunks = chunks
        self._reader = reader or SseReader()
        self._decoder = decoder
        self._encoder = encoder
        self._classified = classified
        self._client_format = client_format
        self.dropped: tuple[str, ...] = ()
        self._begun = b""
        self._has_content = False

    async def begin(self, first: bytes) -> None:
        """Hold what is not yet content. Raises UpstreamError, still retryable."""
        out: list[bytes] = []
        chunk: bytes | None = first
        while chunk is not None:
            self._translate(chunk, out)
            if self._has_content or self.is_final:
                break
            chunk = await anext(self._chunks, None)
        else:
            self._translate(None, out)
        self._begun = b"".join(out)

    async def pieces(self) -> AsyncIterator[bytes]:
        begun, self._begun = self._begun, b""
        if begun:
            yield begun
        while not self.is_final:
            out: list[bytes] = []
            try:
                self._translate(await anext(self._chunks, None), out)
            except UpstreamError:
                if piece := b"".join(out):  # what came before the failure is the client's
                    yield piece
                raise
            if piece := b"".join(out):
                yield piece
        await drain(self._response, self._chunks)

    def _translate(self, chunk: bytes | None, out: list[bytes]) -> None:
        """Append what the client gets for ``chunk``; None is the end of the upstream's body."""
        decoder, reader = self._decoder, self._reader
        with understood():
            frames = reader.feed(chunk) if chunk is not None else reader.close()
            self._encode(chain.from_iterable(map(decoder.feed, frames)), out)
            if chunk is None and not self.is_final:
                self._encode(decoder.close(), out)

    def _encode(self, events: Iterable[Event], out: list[bytes]) -> None:
        encode, add = self._encoder.encode, out.append
        for event in events:
            if type(event) not in SAYING_NOTHING_ELSE:
                self._note(event)
            add(encode(event))

    def _note(self, event: Event) -> None:
        """What an event says of the course of the stream."""
        match event:
            case UsageUpdate() | Start():
                if event.usage is not None:
                    self.usage = self.usage.merged(event.usage) if self.usage else event.usage
            case PartStart():
                self._has_content = True
                loss = loss_of(event.part, self._client_format)
                if loss is not None and loss not in self.dropped:
                    self.dropped += (loss,)
            case Stopped():
                self._has_content = True
            case StreamError():
                raise self._classified(event)
            case End():
                self.is_final = True

    def error(self, info: ErrorInfo) -> bytes:
        return self._encoder.error(info)

    async def close(self) -> None:
        await self._response.close()


class UnfoldedStream:
    """A whole answer for a client that asked for a stream."""

    dropped = ()

    def __init__(self, upstream: UpstreamResponse, answer: Response, encoder: StreamEncoder) -> None:
        self.content_type = encoder.content_type
        self.usage = answer.usage
        self.is_final = False
        self.has_failed = False
        self.failure: UpstreamError | None = None
        self._upstream = upstream
        self._answer = answer
        self._encoder = encoder

    async def pieces(self) -> AsyncIterator[bytes]:
        piece = b"".join(self._encoder.encode(event) for event in events_of(self._answer))
        self.is_final = True
        yield piece

    def error(self, info: ErrorInfo) -> bytes:
        return self._encoder.error(info)

    async def close(self) -> None:
        await self._upstream.close()


async def as_events(chunks: AsyncIterator[bytes], reader: FrameReader) -> AsyncIterator[bytes]:
    """The chunks of a stream in another framing as server-sent events."""
    async for chunk in chunks:
        if piece := b"".join(as_frame(event.data.encode()) for event in reader.feed(chunk)):
            yield piece
    reader.close()


async def drain(response: UpstreamResponse, chunks: AsyncIterator[bytes]) -> None:
    """Read to the end of the body, so that the connection serves again; give up after LINGER_S."""
    if response.has_arrived:
        return
    try:
        async with asyncio.timeout(LINGER_S):
            async for _ in chunks:
                pass
    except (TimeoutError, UpstreamError):
        return  # the answer is complete; only the connection is lost
