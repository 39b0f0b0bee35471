"""Makers for the responses codec's tests: contexts, streams as bytes, and the SDK as a reader."""

from __future__ import annotations

import msgspec
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseInputItemParam, ResponseStreamEvent, ToolParam
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming, ToolChoice
from pydantic import TypeAdapter

from providers.translation.accumulate import Accumulator
from providers.translation.codec import AnswerContext, Capabilities, Encoded
from providers.translation.codecs.responses.codec import CODEC
from providers.translation.json_text import dump_bytes
from providers.translation.model import (
    ArgumentsDelta,
    End,
    Event,
    PartStart,
    PartStop,
    Reasoning,
    ReasoningDelta,
    Request,
    Role,
    SignatureDelta,
    Start,
    Stop,
    StopKind,
    Stopped,
    Text,
    TextDelta,
    ToolCall,
    Turn,
    Usage,
    UsageUpdate,
)
from providers.translation.names import IDENTITY
from providers.translation.sse import SseReader, frame

SDK_EVENT = TypeAdapter(ResponseStreamEvent)
SDK_BODY = TypeAdapter(ResponseCreateParamsNonStreaming)
SDK_ITEM = TypeAdapter(ResponseInputItemParam)
SDK_TOOL = TypeAdapter(ToolParam)
SDK_CHOICE = TypeAdapter(ToolChoice)
PNG = "iVBORw0KGgo="


def make_context(**changes) -> AnswerContext:
    values = {"model": "fast", "now": 1_700_000_000, "seed": "5eed", "names": IDENTITY}
    return AnswerContext(**{**values, **changes})


def decode_request(**fields):
    return CODEC.decode_request({"model": "gpt", "input": "Hi", **fields})


def encode_request(request: Request, **capabilities) -> Encoded:
    return CODEC.encode_request(request, "up", Capabilities(**capabilities))


def encode(request: Request, **capabilities) -> dict:
    """The body, after the SDK's types accepted it and every item, tool and choice in it."""
    body = encode_request(request, **capabilities).body
    # The types want an id of reasoning items; the service takes them without, which Codex relies on.
    items = [{"id": "rs_x", **item} if item["type"] == "reasoning" else item for item in body["input"]]
    rest = {key: value for key, value in body.items() if key not in ("stream", "input")}
    SDK_BODY.validate_python({**rest, "input": items})
    for item in items:
        SDK_ITEM.validate_python(item)
    for tool in body.get("tools", ()):
        SDK_TOOL.validate_python(tool)
    if "tool_choice" in body:
        SDK_CHOICE.validate_python(body["tool_choice"])
    return body


def make_request(*turns: Turn, **fields) -> Request:
    return Request(model="fast", turns=turns or (user("Hi"),), **fields)


def user(*parts) -> Turn:
    return Turn(role=Role.USER, parts=_parts(parts))


def assistant(*parts) -> Turn:
    return Turn(role=Role.ASSISTANT, parts=_parts(parts))


def _parts(parts):
    return tuple(Text(text=part) if isinstance(part, str) else part for part in parts)


# --- upstream --------------------------------------------------------------------------------


def answer(*output: dict, status="completed", **fields) -> dict:
    """A whole answer of an upstream."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_699_999_999,
        "model": "gpt-up",
        "status": status,
        "output": list(output),
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 17,
        },
        **fields,
    }


def message_item(text="Hello", *, id="msg_1", **fields) -> dict:
    content = [{"type": "output_text", "text": text, "annotations": [], **fields}]
    return {"id": id, "type": "message", "role": "assistant", "status": "completed", "content": content}


def call_item(name="look", arguments='{"q":1}', *, n=1) -> dict:
    return {
        "id": f"fc_{n}",
        "type": "function_call",
        "status": "completed",
        "call_id": f"call_{n}",
        "name": name,
        "arguments": arguments,
    }


def reasoning_item(text="Hm.", state="gAAA-state_") -> dict:
    summary = [{"type": "summary_text", "text": text}] if text else []
    return {"id": "rs_1", "type": "reasoning", "summary": summary, "encrypted_content": state}


def stream_of(whole: dict, *, deltas=True, done=True, terminal_output=True) -> bytes:
    """The stream that an upstream would send for ``whole``, complete or with parts left out."""
    running = {**whole, "status": "in_progress", "output": [], "usage": None}
    events: list[dict] = [{"type": "response.created", "response": running}]
    for index, item in enumerate(whole["output"]):
        at = {"output_index": index, "item_id": item["id"]}
        skeleton = {**item, "content": []} if item["type"] == "message" else item
        if item["type"] == "function_call":
            skeleton = {**item, "arguments": ""}
        if deltas or done:
            events.append({"type": "response.output_item.added", "output_index": index, "item": skeleton})
        if deltas:
            events.extend({**event, **at} for event in _deltas(item))
        if done:
            events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    final = whole if terminal_output else {**whole, "output": []}
    events.append({"type": f"response.{whole['status']}", "response": final})
    return sse(*({**event, "sequence_number": n} for n, event in enumerate(events)))


def _deltas(item):
    match item["type"]:
        case "message":
            return [
                event for index, part in enumerate(item["content"]) for event in _text_deltas(part, index)
            ]
        case "function_call":
            halves = _halves(item["arguments"])
            kind = "response.function_call_arguments"
            return [
                *({"type": f"{kind}.delta", "delta": half} for half in halves),
                {"type": f"{kind}.done", "arguments": item["arguments"], "name": item["name"]},
            ]
        case "custom_tool_call":
            kind = "response.custom_tool_call_input"
            return [{"type": f"{kind}.delta", "delta": half} for half in _halves(item["input"])]
        case "reasoning":
            return [
                {"type": "response.reasoning_summary_text.delta", "summary_index": index, "delta": half}
                for index, part in enumerate(item["summary"])
                for half in _halves(part["text"])
            ]
    return []


def _text_deltas(part, index):
    is_refusal = part["type"] == "refusal"
    kind, text = ("refusal", part["refusal"]) if is_refusal else ("output_text", part["text"])
    at = {"content_index": index}
    events = [{"type": "response.content_part.added", "part": {**part, kind: ""}, **at}]
    events += [{"type": f"response.{kind}.delta", "delta": half, **at} for half in _halves(text)]
    if not is_refusal:
        events += [
            {"type": "response.output_text.annotation.added", "annotation": one, **at}
            for one in part["annotations"]
        ]
    events.append({"type": f"response.{kind}.done", "refusal" if is_refusal else "text": text, **at})
    events.append({"type": "response.content_part.done", "part": part, **at})
    return events


def _halves(text):
    middle = len(text) // 2
    return [half for half in (text[:middle], text[middle:]) if half]


def sse(*events: dict) -> bytes:
    return b"".join(frame(dump_bytes(event), event.get("type")) for event in events)


def decode_stream(raw: bytes, *, step: int | None = None, context: AnswerContext | None = None):
    """All events of a stream, fed whole or in pieces of ``step`` bytes."""
    reader, decoder = SseReader(), CODEC.stream_decoder(context or make_context())
    pieces = [raw] if step is None else [raw[i : i + step] for i in range(0, len(raw), step)]
    frames = [found for piece in pieces for found in reader.feed(piece)] + reader.close()
    return [event for found in frames for event in decoder.feed(found)] + decoder.close()


def collect(events: list[Event], context: AnswerContext | None = None):
    accumulator = Accumulator()
    for event in events:
        accumulator.add(event)
    return accumulator.response(context or make_context())


# --- client ----------------------------------------------------------------------------------


def encode_stream(events: list[Event], context: AnswerContext | None = None) -> bytes:
    encoder = CODEC.stream_encoder(context or make_context())
    return b"".join(encoder.encode(event) for event in events)


def frames(stream: bytes) -> list[dict]:
    """The data of each frame, after checking names and sequence numbers."""
    reader = SseReader()
    found: list[dict] = []
    for event in reader.feed(stream) + reader.close():
        data = msgspec.json.decode(event.data)
        assert data["type"] == event.name
        assert data["sequence_number"] == len(found)
        SDK_EVENT.validate_python(data)
        found.append(data)
    return found


def types(stream: bytes) -> list[str]:
    return [data["type"].removeprefix("response.") for data in frames(stream)]


def sdk_response(stream: bytes) -> dict:
    """The answer as the official SDK accumulates it, after checking that it agrees with the terminal one."""
    state = ResponseStreamState(input_tools=omit, text_format=omit)
    for data in frames(stream):
        state.handle_event(SDK_EVENT.validate_python(data))
    last = frames(stream)[-1]
    assert last["type"] in ("response.completed", "response.incomplete")
    check_answer(last["response"])
    items = [data["item"] for data in frames(stream) if data["type"] == "response.output_item.done"]
    assert sorted(items, key=str) == sorted(last["response"]["output"], key=str)
    body: dict = last["response"]
    return body


def check_answer(body: dict) -> dict:
    """``body`` as it is, after the SDK's own type accepted it."""
    Response.model_validate(body)
    return body


def script(*middle: Event, stop=StopKind.END, usage=None) -> list[Event]:
    """A whole stream of neutral events around ``middle``."""
    usages = [UsageUpdate(usage=usage)] if isinstance(usage, Usage) else []
    return [Start(id="x-1", model="up"), *middle, Stopped(stop=Stop(stop)), *usages, End()]


def text_events(i: int, *texts: str) -> list[Event]:
    deltas = [TextDelta(i=i, text=text) for text in texts]
    return [PartStart(i=i, part=Text(text="")), *deltas, PartStop(i=i)]


def thought_events(i: int, text: str, signature=None) -> list[Event]:
    signed = [SignatureDelta(i=i, signature=signature)] if signature else []
    return [PartStart(i=i, part=Reasoning()), ReasoningDelta(i=i, text=text), *signed, PartStop(i=i)]


def call_events(i: int, name: str, *fragments: str, kind="function") -> list[Event]:
    call = ToolCall(id=f"c{i}", name=name, kind=kind)
    deltas = [ArgumentsDelta(i=i, text=text) for text in fragments]
    return [PartStart(i=i, part=call), *deltas, PartStop(i=i)]
