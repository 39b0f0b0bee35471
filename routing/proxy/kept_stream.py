"""A Responses answer on its way to the client, read along so that it can be kept.

What must be kept is kept before the last piece leaves: the client may name the response at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from providers.errors import UpstreamError, UpstreamProtocolError
from providers.translation.codecs.responses.gather import Gatherer
from providers.translation.model import ErrorInfo, Usage
from providers.translation.sse import SseReader
from routing.proxy.delivery import Delivery

NULL = msgspec.Raw(b"null")
LONGEST_HEAD = 4 * 1024 * 1024
"""An answer's first event repeats the request's tools and instructions; a longer one is not read."""


_EVENT = msgspec.json.Decoder(dict[str, msgspec.Raw])
BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class WholeListener:
    """Finds the complete ``response`` object in a stream's last event."""

    def __init__(self) -> None:
        self._reader: SseReader | None = SseReader()
        self._gatherer = Gatherer()

    @property
    def response(self) -> bytes | None:
        return self._gatherer.body

    def feed(self, piece: bytes) -> None:
        if self._reader is None:
            return
        try:
            events = self._reader.feed(piece)
        except UpstreamProtocolError:
            self._reader = None
            return
        for event in events:
            self._gatherer.add(event.data)

    def close(self) -> None:
        """The stream is over; its last event may lack the blank line."""
        reader, self._reader = self._reader, None
        for event in reader.close() if reader is not None else ():
            self._gatherer.add(event.data)


class HeadListener:
    """Finds the object ``member`` in a stream's first event that has it, and looks no further."""

    def __init__(self, member: str = "response", limit: int = LONGEST_HEAD) -> None:
        self.response: bytes | None = None
        self._member = member
        self._reader: SseReader | None = SseReader(limit=limit)

    def feed(self, piece: bytes) -> None:
        if self._reader is None:
            return
        try:
            events = self._reader.feed(piece)
        except UpstreamProtocolError:
            self._reader = None
            return
        for event in events:
            try:
                response = bytes(_EVENT.decode(event.data).get(self._member, NULL))
            except BAD_JSON:
                continue
            if response != b"null":
                self.response, self._reader = response, None
                return

    def close(self) -> None:
        self._reader = None


Listener = WholeListener | HeadListener


class KeptStream:
    """A ``Delivery`` that passes another one on. ``keep`` is given the response, before the last piece."""

    def __init__(
        self, delivery: Delivery, listener: Listener, keep: Callable[[bytes], Awaitable[None]]
    ) -> None:
        self.content_type = delivery.content_type
        self.usage: Usage | None = None
        self.is_final = False
        self.has_failed = False
        self.failure: UpstreamError | None = None
        self._delivery = delivery
        self._listener = listener
        self._keep = keep

    async def pieces(self) -> AsyncIterator[bytes]:
        delivery, listener = self._delivery, self._listener
        async for piece in delivery.pieces():
            listener.feed(piece)
            if delivery.is_final:
                listener.close()
                if listener.response is not None and not delivery.has_failed:
                    await self._keep(listener.response)
                self.usage, self.has_failed = delivery.usage, delivery.has_failed
                self.failure = delivery.failure
                self.is_final = True
            yield piece

    @property
    def dropped(self) -> tuple[str, ...]:
        return self._delivery.dropped

    def error(self, info: ErrorInfo) -> bytes:
        return self._delivery.error(info)

    async def close(self) -> None:
        try:
            await self._delivery.close()
        finally:
            self.usage = self._delivery.usage
