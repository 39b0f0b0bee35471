"""What every codec offers, and the values that travel beside a translation.

A codec decodes leniently and encodes strictly. It belongs to no request: functions take all they need;
stream decoders and encoders hold the state of one stream. Errors: ``MalformedRequest`` for what the
client sent, ``UpstreamProtocolError`` for what the upstream sent, ``Untranslatable`` when the target
cannot carry the meaning and silence would lie.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from providers.errors import ClientError
from providers.translation.model import ErrorInfo, Event, Json, Request, Response
from providers.translation.names import NameMap
from providers.translation.sse import SseEvent


class MalformedRequest(ClientError):
    """The body is not what the format allows; ``param`` names the field (``messages[2].content``)."""


class Untranslatable(ClientError):
    """The target format cannot express this, and dropping it would change the meaning: 400."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What the target model can do: data, never code. An unknown model gets the permissive default."""

    max_output_tokens: int | None = None
    default_max_tokens: int = 32_000
    """Sent to formats that require a limit when neither client nor model record has one."""
    legacy_max_tokens: bool = False
    """openai: send ``max_tokens`` instead of ``max_completion_tokens``."""
    developer_role: bool = True
    """openai: knows role ``developer``; else it becomes ``system``."""
    stream_usage: bool = True
    """openai: accepts ``stream_options.include_usage``."""
    accepts_sampling: bool = True
    accepts_temperature_with_top_p: bool = True
    accepts_stop: bool = True
    """openai: takes stop strings; its reasoning models refuse them."""
    mid_system: bool = False
    """claude: accepts ``role: system`` inside messages."""
    thinking: str = "unknown"
    """``none``, ``budget``, ``level``, ``both`` or ``unknown`` (pass through unvalidated)."""
    thinking_min: int | None = None
    thinking_max: int | None = None
    thinking_zero: bool = True
    thinking_dynamic: bool = True
    thinking_levels: tuple[str, ...] = ()
    adaptive_thinking: bool = False
    """claude: wants ``{"type": "adaptive"}`` plus effort instead of a token budget."""
    structured_output: bool = True
    json_schema_native: bool = True
    """gemini: accepts ``parametersJsonSchema``/``responseJsonSchema``; else schemas are cleaned."""
    cache_breakpoints: bool = False
    """openai: takes ``prompt_cache_breakpoint`` on parts (gpt-5.6 and later)."""
    reasoning_in_history: bool = False
    """openai: wants ``reasoning_content`` of earlier turns back (DeepSeek, Kimi)."""
    signatures_required: bool = False
    """gemini 3: the first call of each step must be signed; unsigned ones get the escape value."""
    keeps_unsigned_thinking: bool = False
    """claude: a look-alike that verifies no signature and wants its thinking back all the same."""
    call_ids: bool = True
    """gemini: accepts ``id`` on calls and responses."""
    media_in_results: bool = False
    """gemini 3: reads images and documents inside a function's response."""
    image_output: bool = True
    """gemini: answers with images when asked to; others refuse the wish."""


class Encoded(msgspec.Struct, frozen=True, kw_only=True):
    """A request body for the upstream. ``dropped`` names what had no place there (for the record
    and ``x-cliproxy-dropped``), e.g. ``logit_bias`` or ``messages[1].name``."""

    body: dict[str, Json]
    names: NameMap
    dropped: tuple[str, ...] = ()
    headers: dict[str, str] = msgspec.field(default_factory=dict)


class AnswerContext(msgspec.Struct, frozen=True, kw_only=True):
    """What the answer needs to know of the request. ``now`` is Unix seconds, ``seed`` random hex that
    makes generated ids unique."""

    model: str
    """The model name that the client shall see."""
    echo: dict[str, Json] = msgspec.field(default_factory=dict)
    """See ``ParsedBody``."""
    now: int
    seed: str
    names: NameMap
    include_usage: bool = True
    stream: bool = False
    request: Request | None = None
    upstream_model: str = ""
    """What was asked for upstream; "" where nobody knows."""
    is_array: bool = False
    """gemini: the client wants its stream as one JSON array, not as events."""


class StreamDecoder(Protocol):
    """Upstream frames in, neutral events out. One per stream."""

    def feed(self, frame: SseEvent) -> list[Event]:
        """Events for one frame. Raises UpstreamProtocolError; yields StreamError for a reported error."""

    def close(self) -> list[Event]:
        """The upstream closed. Returns what was still held, ending in End when the answer is complete
        (a terminator or a stop reason was seen); raises UpstreamProtocolError when it was cut."""


class StreamEncoder(Protocol):
    """Neutral events in, bytes for the client out. One per stream. Owns order, ids and terminator."""

    content_type: str

    def encode(self, event: Event) -> bytes:
        """Bytes to send now; b"" when the event only changes state."""

    def error(self, info: ErrorInfo) -> bytes:
        """The in-stream error form; nothing may follow it. What the framing needs as an end is part of it."""


class UpstreamCodec(Protocol):
    """The half of a format that upstreams need. Each ``codecs/<format>/codec.py`` has one ``CODEC``."""

    def encode_request(self, request: Request, model: str, capabilities: Capabilities) -> Encoded: ...
    def decode_response(self, body: Json, context: AnswerContext) -> Response: ...
    def stream_decoder(self, context: AnswerContext) -> StreamDecoder: ...
    def decode_error(self, status: int, body: bytes) -> ErrorInfo: ...


class Codec(UpstreamCodec, Protocol):
    """The whole face of a format that clients speak as well."""

    def decode_request(self, body: Json) -> Request: ...
    def encode_response(self, response: Response, context: AnswerContext) -> dict[str, Json]: ...
    def stream_encoder(self, context: AnswerContext) -> StreamEncoder: ...
    def encode_error(self, info: ErrorInfo) -> dict[str, Json]: ...


class FrameReader(Protocol):
    """Bytes of a stream in, at any cut; its events out. Raises UpstreamProtocolError."""

    def feed(self, chunk: bytes) -> list[SseEvent]: ...

    def close(self) -> list[SseEvent]:
        """The stream ended: what was held. Raises UpstreamProtocolError inside an event."""


class Framing(msgspec.Struct, frozen=True, kw_only=True):
    """Another framing than server-sent events in which a format's streams come."""

    media_type: str
    begins_with: bytes
    """The first byte that is no white space: content types are not always right."""
    reader: Callable[[], FrameReader]
    is_always: bool = False
    """Streams of the format come in no other framing."""
