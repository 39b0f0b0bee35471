"""Makers shared by the tests of this codec."""

from __future__ import annotations

import json

from providers.translation.codec import AnswerContext, Capabilities
from providers.translation.codecs.openai.codec import CODEC
from providers.translation.model import Request, Tool
from providers.translation.names import IDENTITY
from providers.translation.sse import SseEvent, SseReader


def context(**changes) -> AnswerContext:
    values = {"model": "fast", "now": 1_700_000_000, "seed": "5eed", "names": IDENTITY, "include_usage": True}
    return AnswerContext(**{**values, **changes})


def decode(**fields) -> Request:
    body = {"model": "gpt", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return CODEC.decode_request(body)


def encode(request: Request, **capabilities) -> dict:
    return CODEC.encode_request(request, "up", Capabilities(**capabilities)).body


def legacy_request() -> Request:
    return decode(functions=[{"name": "f", "parameters": {"type": "object"}}])


def custom_request() -> Request:
    return Request(model="m", turns=(), tools=(Tool(name="shell", kind="custom"),))


def chunk(delta=None, finish=None, *, index=0, **extra) -> dict:
    choices = [] if delta is None and finish is None else [
        {"index": index, "delta": delta or {}, "finish_reason": finish}
    ]  # fmt: skip
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-up",
        "choices": choices,
        **extra,
    }


def sse(*frames) -> bytes:
    texts = (item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in frames)
    return "".join(f"data: {text}\n\n" for text in texts).encode()


def events_of(raw: bytes, *, step: int | None = None, ctx: AnswerContext | None = None, close: bool = True):
    """All events of a stream, fed whole or in pieces of ``step`` bytes."""
    reader, decoder = SseReader(), CODEC.stream_decoder(ctx or context())
    pieces = [raw] if step is None else [raw[i : i + step] for i in range(0, len(raw), step)]
    events = []
    for piece in pieces:
        for event in reader.feed(piece):
            events.extend(decoder.feed(event))
    for event in reader.close():
        events.extend(decoder.feed(event))
    return events + (decoder.close() if close else [])


def frames_of(raw: bytes) -> list[SseEvent]:
    reader = SseReader()
    return reader.feed(raw) + reader.close()
