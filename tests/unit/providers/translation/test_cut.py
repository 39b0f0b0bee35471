"""Streams cut at every byte: the client reads an error of its own format, behind JSON that is whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import UpstreamProtocolError
from providers.translation.codec import AnswerContext
from providers.translation.cut import members_so_far
from providers.translation.model import End, ErrorInfo
from providers.translation.names import IDENTITY
from providers.translation.passthrough import UrlParts
from providers.translation.registry import CODECS, PASSTHROUGHS
from providers.translation.sse import SseReader
from providers.values import Format

OPENAI, RESPONSES, CLAUDE, GEMINI = Format.OPENAI, Format.RESPONSES, Format.CLAUDE, Format.GEMINI
WORDS = 'né 🙂 "x" \\ \u2028'
CUT = ErrorInfo(status=502, message="cut")


def events(*values: dict[str, Any], named: bool = False, escaped: bool = False) -> bytes:
    texts = (json.dumps(value, ensure_ascii=escaped) for value in values)
    names = (f"event: {value['type']}\n" if named else "" for value in values)
    return "".join(f"{name}data: {text}\n\n" for name, text in zip(names, texts, strict=True)).encode()


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


CHUNKS = (chunk({"role": "assistant", "content": WORDS}), chunk({}, "stop"))
DONE = b"data: [DONE]\n\n"
STARTED = {"id": "r", "created_at": 1, "model": "m", "status": "in_progress", "output": []}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
ITEMS = (
    {"type": "response.created", "sequence_number": 0, "response": STARTED},
    {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": MESSAGE},
    {"type": "response.output_text.delta", "sequence_number": 2, "output_index": 0, "delta": WORDS},
    {"type": "response.completed", "sequence_number": 3, "response": {**STARTED, "status": "completed"}},
)
BLOCKS = (
    {"type": "message_start", "message": {"id": "m", "content": [], "usage": {"input_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": WORDS}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop"},
)
PARTS = (
    {"candidates": [{"content": {"role": "model", "parts": [{"text": WORDS}]}}], "responseId": "r"},
    {"candidates": [{"content": {"parts": [{"text": "!"}]}, "finishReason": "STOP"}]},
)
BODIES: dict[Format, bytes] = {
    OPENAI: b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[]}',
    RESPONSES: b'{"model":"m","stream":true,"input":"Hi"}',
    CLAUDE: b'{"model":"m","stream":true,"max_tokens":9,"messages":[]}',
    GEMINI: b'{"contents":[]}',
}


def stream_of(format_: Format, *, escaped: bool) -> bytes:
    if format_ is OPENAI:
        return events(*CHUNKS, escaped=escaped) + DONE
    if format_ is GEMINI:
        return events(*PARTS, escaped=escaped)
    return events(*(ITEMS if format_ is RESPONSES else BLOCKS), named=True, escaped=escaped)


def complete_at(format_: Format, stream: bytes) -> set[int]:
    """Where a body that ends properly is a whole answer: at its end, with or without the blank line. In
    Chat Completions ``[DONE]`` may be missing; in Gemini the reason is the end."""
    ends = {len(stream) - missing for missing in (0, 1, 2)}
    if format_ is OPENAI:
        ends |= {len(stream) - len(DONE) - missing for missing in (0, 1, 2)}
    return ends


def watch_of(format_: Format, *, edits: bool) -> Any:
    passthrough = PASSTHROUGHS[format_]
    url = UrlParts(model="m", stream=True) if format_ is GEMINI else None
    return passthrough.watch(passthrough.parse(BODIES[format_], url), "m" if edits else None)


def check_error(format_: Format, out: bytes) -> None:
    reader = SseReader()
    found = [event for event in reader.feed(out) + reader.close() if event.data and event.data != "[DONE]"]
    values = [json.loads(event.data) for event in found]
    assert [bool(value.get("error")) for value in values] == [False] * (len(values) - 1) + [True]
    named = format_ in (CLAUDE, RESPONSES)
    assert found[-1].name == ("error" if named else None)
    assert not named or values[-1]["type"] == "error"
    assert format_ is not GEMINI or list(values[-1]) == ["error"]
    assert not out.endswith(DONE)


@pytest.mark.parametrize("edits", [False, True])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("format_", list(BODIES))
def test_a_connection_that_breaks_anywhere_ends_the_passing_stream_with_an_error(format_, ending, edits):
    for escaped in (False, True):
        stream = stream_of(format_, escaped=escaped).replace(b"\n", ending)
        for at in range(len(stream) % 3, len(stream), 1 if ending == b"\n" and not escaped else 3):
            watch = watch_of(format_, edits=edits)
            out = watch.feed(stream[:at])
            if not watch.is_done:
                check_error(format_, out + watch.failure(CUT))


@pytest.mark.parametrize("edits", [False, True])
@pytest.mark.parametrize("format_", list(BODIES))
def test_a_body_that_ends_anywhere_but_at_the_end_of_the_answer_is_an_error(format_, edits):
    stream = stream_of(format_, escaped=False)
    for at in range(len(stream) + 1):
        watch = watch_of(format_, edits=edits)
        out = watch.feed(stream[:at]) + watch.flush()
        assert watch.is_complete is (at in complete_at(format_, stream)), stream[:at]
        if not watch.is_complete:
            check_error(format_, out + watch.failure(CUT))


def in_lines(stream: bytes) -> bytes:
    """The same events with their JSON over several ``data:`` lines."""
    out = []
    for block in stream.decode().split("\n\n"):
        name, _, text = block.rpartition("data: ")
        if text and text != "[DONE]":
            lines = json.dumps(json.loads(text), ensure_ascii=False, indent=1).split("\n")
            text = "\n".join(line if not n else f"data: {line}" for n, line in enumerate(lines))
        out.append(f"{name}data: {text}" if text else "")
    return "\n\n".join(out).encode()


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("format_", list(BODIES))
def test_events_of_several_lines_pass_and_are_read(format_, ending, size):
    stream = in_lines(stream_of(format_, escaped=False)).replace(b"\n", ending)
    watch = watch_of(format_, edits=False)
    out = b"".join(watch.feed(stream[at : at + size]) for at in range(0, len(stream), size)) + watch.flush()
    assert out == stream
    assert (watch.is_complete, watch.has_failed) == (True, False)
    assert format_ is not CLAUDE or (watch.usage.input_total, watch.usage.output_total) == (1, 7)


@pytest.mark.parametrize("format_", list(BODIES))
def test_events_of_several_lines_are_edited(format_):
    passthrough = PASSTHROUGHS[format_]
    url = UrlParts(model="m", stream=True) if format_ is GEMINI else None
    watch = passthrough.watch(passthrough.parse(BODIES[format_], url), "alias")
    stream = in_lines(stream_of(format_, escaped=False)).replace(b'"responseId": "r"', b'"modelVersion": "m"')
    reader = SseReader()
    told = [json.loads(one.data) for one in reader.feed(watch.feed(stream)) if one.data != "[DONE]"]
    places = {OPENAI: ("model",), RESPONSES: ("response", "model"), CLAUDE: ("message", "model")}
    value = told[0]
    for name in places.get(format_, ("modelVersion",)):
        value = value[name]
    assert value == "alias"


def test_a_usage_chunk_of_several_lines_is_taken_out():
    passthrough = PASSTHROUGHS[OPENAI]
    used = {
        **chunk({}),
        "choices": [],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
    stream = in_lines(events(*CHUNKS, used) + DONE)
    watch = passthrough.watch(passthrough.parse(b'{"model":"m","stream":true,"messages":[]}'), None)
    assert watch.feed(stream) + watch.flush() == in_lines(events(*CHUNKS) + DONE)
    assert watch.usage is not None


@pytest.mark.parametrize("format_", list(BODIES))
def test_every_cut_is_an_error_to_the_decoder(format_):
    stream = stream_of(format_, escaped=False)
    context = AnswerContext(model="m", now=1, seed="ab", names=IDENTITY, stream=True)
    for at in range(len(stream) + 1):
        reader, decoder = SseReader(), CODECS[format_].stream_decoder(context)
        told = [event for frame in reader.feed(stream[:at]) for event in decoder.feed(frame)]
        try:
            told += [event for frame in reader.close() for event in decoder.feed(frame)] + decoder.close()
        except UpstreamProtocolError:
            assert not any(isinstance(event, End) for event in told)
            assert at not in complete_at(format_, stream)
        else:
            assert isinstance(told[-1], End)
            assert at in complete_at(format_, stream)


def test_an_event_too_long_to_be_looked_at_is_followed_by_the_error():
    watch = watch_of(CLAUDE, edits=False)
    out = watch.feed(b'event: x\ndata: {"type":"x","text":"' + b"x" * 1_100_000) + watch.failure(CUT)
    assert out.endswith(
        b"x\n\nevent: error\ndata: " + b'{"type":"error","error":{"type":"api_error","message":"cut"}}\n\n'
    )


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=3), JSON, min_size=1, max_size=3), st.booleans(), st.data())
def test_any_beginning_of_an_object_takes_one_more_member(value, escaped, data):
    text = json.dumps(value, ensure_ascii=escaped)
    begun = text.encode("utf-8", "surrogatepass")[: data.draw(st.integers(1, len(text) - 1))]
    closing = members_so_far(begun)
    assert closing is not None
    assert json.loads((begun + closing + b'"error":1}').decode("utf-8", "surrogatepass"))["error"] == 1


@pytest.mark.parametrize("text", [b"", b"[1", b"7", b"x", b'"a', b"{}", b"}"])
def test_what_is_no_beginning_of_an_object_takes_none(text):
    assert members_so_far(text) is None
