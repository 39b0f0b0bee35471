"""Makers for the claude codec's tests: contexts, streams as bytes, and the SDK as a reader."""

from __future__ import annotations

from typing import Any

import msgspec
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from providers.translation.accumulate import Accumulator
from providers.translation.codec import AnswerContext
from providers.translation.codecs.claude.codec import CODEC
from providers.translation.json_text import dump_bytes
from providers.translation.model import Event, Request, Role, Text, Turn
from providers.translation.names import IDENTITY, NameMap
from providers.translation.sse import SseReader, frame

SDK_EVENT = TypeAdapter(RawMessageStreamEvent)


def make_context(request: Request | None = None, names: NameMap = IDENTITY) -> AnswerContext:
    return AnswerContext(model="fast", now=1_700_000_000, seed="5eed", names=names, request=request)


def make_request(*turns: Turn, **fields) -> Request:
    return Request(model="fast", turns=turns or (user("hi"),), **fields)


def user(*parts) -> Turn:
    return Turn(role=Role.USER, parts=_parts(parts))


def assistant(*parts) -> Turn:
    return Turn(role=Role.ASSISTANT, parts=_parts(parts))


def _parts(parts):
    return tuple(Text(text=part) if isinstance(part, str) else part for part in parts)


def sse(*events: dict) -> bytes:
    """Upstream events as they come over the wire."""
    return b"".join(frame(dump_bytes(event), event.get("type")) for event in events)


def decode(chunks: list[bytes], context: AnswerContext | None = None) -> list[Event]:
    """Every event of a stream that arrives in ``chunks``."""
    reader, decoder = SseReader(), CODEC.stream_decoder(context or make_context())
    frames = [found for chunk in chunks for found in reader.feed(chunk)] + reader.close()
    return [event for found in frames for event in decoder.feed(found)] + decoder.close()


def collect(events: list[Event], context: AnswerContext | None = None):
    accumulator = Accumulator()
    for event in events:
        accumulator.add(event)
    return accumulator.response(context or make_context())


def encode(events: list[Event], context: AnswerContext | None = None) -> bytes:
    encoder = CODEC.stream_encoder(context or make_context())
    return b"".join(encoder.encode(event) for event in events)


def frames(stream: bytes) -> list[dict]:
    """The data of each frame, after checking that its ``event:`` line repeats the type."""
    reader = SseReader()
    found = []
    for event in reader.feed(stream) + reader.close():
        data = msgspec.json.decode(event.data)
        assert data["type"] == event.name
        found.append(data)
    return found


def sdk_message(stream: bytes) -> dict:
    """The stream as the official SDK accumulates it, validated by its types."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for data in frames(stream):
        if data["type"] in ("ping", "error"):
            continue
        event = SDK_EVENT.validate_python(data)
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    assert snapshot is not None
    return sdk_answer(snapshot.to_dict())


def sdk_answer(body: dict) -> dict:
    return Message.model_validate(body).to_dict(exclude_none=True)


def assert_grammar(stream: bytes) -> None:
    """Start, then dense blocks one at a time, then one delta and one stop."""
    kinds = [data for data in frames(stream) if data["type"] != "ping"]
    assert kinds[0]["type"] == "message_start"
    assert [data["type"] for data in kinds[-2:]] == ["message_delta", "message_stop"]
    open_index, expected = None, 0
    for data in kinds[1:-2]:
        if data["type"] == "content_block_start":
            assert open_index is None
            assert data["index"] == expected
            open_index, expected = expected, expected + 1
        else:
            assert data["index"] == open_index
            if data["type"] == "content_block_stop":
                open_index = None
    assert open_index is None
