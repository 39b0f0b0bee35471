from __future__ import annotations

import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.codecs.responses.codec import CODEC
from providers.translation.json_text import dumps
from providers.translation.model import (
    ArgumentsDelta,
    End,
    Heartbeat,
    PartStart,
    Reasoning,
    ReasoningDelta,
    Start,
    StopKind,
    Stopped,
    StreamError,
    TextDelta,
    ToolCall,
    Unknown,
)
from providers.translation.sse import SseEvent
from tests.unit.providers.translation.codecs.responses.wire import (
    answer,
    call_item,
    collect,
    decode_stream,
    make_context,
    message_item,
    reasoning_item,
    sse,
    stream_of,
)

CITATION = {"type": "url_citation", "start_index": 0, "end_index": 5, "title": "T", "url": "https://a"}
WHOLES = {
    "text": answer(message_item("Grüße, 世界 🌍")),
    "thought, text, calls": answer(reasoning_item(), message_item(), call_item(), call_item("go", "{}", n=2)),
    "two summary parts": answer(
        {
            "id": "rs_2",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": text} for text in ("One.", "Two.")],
        },
        message_item(),
    ),
    "citation": answer(message_item(annotations=[CITATION])),
    "state without words": answer(reasoning_item(text=""), call_item()),
    "free-form call": answer(
        {"id": "ctc_1", "type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "*** x"}
    ),
    "refusal": answer(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "refusal", "refusal": "No, thanks."}],
        }
    ),
    "image": answer({"id": "ig_1", "type": "image_generation_call", "result": "iVBORw0KGgo="}),
    "search": answer({"id": "ws_1", "type": "web_search_call", "status": "completed"}, message_item()),
    "cut": answer(message_item(), status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
    "filtered": answer(status="incomplete", incomplete_details={"reason": "content_filter"}),
}


@pytest.mark.parametrize("whole", WHOLES.values(), ids=WHOLES)
@pytest.mark.parametrize(
    "left_out",
    [{}, {"deltas": False}, {"done": False}, {"terminal_output": False}, {"deltas": False, "done": False}],
    ids=str,
)
def test_a_stream_with_parts_left_out_still_equals_the_whole_answer(whole, left_out):
    found = collect(decode_stream(stream_of(whole, **left_out))).candidates[0]
    wanted = CODEC.decode_response(whole, make_context()).candidates[0]
    assert found.stop == wanted.stop
    if left_out == {"done": False}:
        # Who never says that an item is over may speak of the next one first.
        assert sorted(found.parts, key=repr) == sorted(wanted.parts, key=repr)
    else:
        assert found.parts == wanted.parts


@pytest.mark.parametrize("whole", WHOLES.values(), ids=WHOLES)
def test_a_stream_read_byte_by_byte_gives_the_same_events(whole):
    raw = stream_of(whole)
    assert decode_stream(raw, step=1) == decode_stream(raw)
    assert decode_stream(raw.replace(b"\n", b"\r\n"), step=7) == decode_stream(raw)


def test_a_stream_cut_at_any_event_is_an_error():
    raw = stream_of(WHOLES["thought, text, calls"])
    blocks = raw.split(b"\n\n")[:-1]
    for length in range(len(blocks) - 1):
        with pytest.raises(UpstreamProtocolError):
            decode_stream(b"\n\n".join(blocks[:length]) + b"\n\n")


def test_interleaved_calls_are_kept_apart():
    def at(index, kind, **fields):
        return {"type": f"response.{kind}", "output_index": index, **fields}

    items = [{**call_item(f"f{n}", "", n=n)} for n in (0, 1)]
    raw = sse(
        {"type": "response.created", "response": answer()},
        *(at(n, "output_item.added", item=items[n]) for n in (0, 1)),
        at(0, "function_call_arguments.delta", delta='{"a"'),
        at(1, "function_call_arguments.delta", delta='{"b":2}'),
        at(0, "function_call_arguments.delta", delta=":1}"),
        *(
            at(n, "output_item.done", item={**items[n], "arguments": text})
            for n, text in ((1, '{"b":2}'), (0, '{"a":1}'))
        ),
        {"type": "response.completed", "response": answer()},
    )
    response = collect(decode_stream(raw))
    assert [(call.name, call.arguments) for call in response.candidates[0].parts] == [
        ("f0", '{"a":1}'),
        ("f1", '{"b":2}'),
    ]
    assert response.candidates[0].stop.kind is StopKind.TOOL_CALLS


def test_items_are_found_by_id_when_there_is_no_index_and_by_order_when_there_is_neither():
    added = {
        "type": "response.output_item.added",
        "item": {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "f"},
    }
    delta = {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "delta": "{}"}
    done = {"type": "response.completed", "response": answer()}
    for changes in ({}, {"item_id": None}):
        parts = collect(decode_stream(sse(added, {**delta, **changes}, done))).candidates[0].parts
        assert [part.arguments for part in parts] == ["{}"]


def test_ids_that_differ_in_every_event_do_not_double_the_answer():
    raw = stream_of(answer(message_item("Hello")))
    twice = raw.replace(b'"msg_1"', b'"msg_x"', 3)
    assert [part.text for part in collect(decode_stream(twice)).candidates[0].parts] == ["Hello"]


def test_full_reasoning_text_is_told_from_a_summary():
    item = {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "Hm."}],
    }
    delta = {"type": "response.reasoning_text.delta", "output_index": 0, "item_id": "rs_1", "delta": "Hm."}
    whole = answer(item)
    raw = sse(delta, {"type": "response.completed", "response": whole})
    events = decode_stream(raw)
    assert ReasoningDelta(i=0, text="Hm.") in events
    assert collect(events).candidates == CODEC.decode_response(whole, make_context()).candidates
    assert collect(events).candidates[0].parts[0].is_summary is False


def test_deltas_are_passed_on_as_they_come():
    kinds = [type(event) for event in decode_stream(stream_of(answer(message_item("Hello"), call_item())))]
    assert kinds[0] is Start
    assert kinds.count(TextDelta) == 2
    assert kinds.count(ArgumentsDelta) == 2
    assert kinds[-2:] == [Stopped, End]


def test_a_call_restores_the_clients_name():
    class Names:
        def restore(self, name):
            return name.upper()

    events = decode_stream(stream_of(answer(call_item("f"))), context=make_context(names=Names()))
    assert collect(events).candidates[0].parts[0].name == "F"


@pytest.mark.parametrize(
    ("event", "status", "code"),
    [
        (
            {"type": "error", "code": "rate_limit_exceeded", "message": "Slow", "param": None},
            429,
            "rate_limit_exceeded",
        ),
        (
            {"type": "error", "error": {"type": "server_error", "code": "server_error", "message": "Slow"}},
            500,
            "server_error",
        ),
        (
            {
                "type": "error",
                "error": {
                    "type": "invalid_request_error",
                    "code": "context_length_exceeded",
                    "message": "Slow",
                },
            },
            400,
            "context_length_exceeded",
        ),
        (
            {
                "type": "response.failed",
                "response": {"status": "failed", "error": {"code": "server_error", "message": "Slow"}},
            },
            500,
            "server_error",
        ),
        (
            {
                "type": "response.completed",
                "response": {"status": "failed", "error": {"code": "insufficient_quota", "message": "Slow"}},
            },
            429,
            "insufficient_quota",
        ),
        ({"error": {"message": "Slow", "type": "overloaded_error"}}, 503, None),
    ],
)
def test_every_form_of_an_error_is_recognised_and_ends_the_stream(event, status, code):
    raw = sse({"type": "response.created", "response": answer()}) + sse(event) + stream_of(answer())
    last = decode_stream(raw)[-1]
    assert isinstance(last, StreamError)
    assert (last.info.status, last.info.code, last.info.message) == (status, code, "Slow")


def test_a_failure_without_words_is_still_an_error():
    last = decode_stream(sse({"type": "response.failed", "response": {"status": "failed"}}))[-1]
    assert last.info.status == 502


@pytest.mark.parametrize("data", ["{", "[1]", "3", '"x"', "[" * 5000])
def test_a_frame_that_is_no_object_is_a_protocol_error(data):
    with pytest.raises(UpstreamProtocolError):
        CODEC.stream_decoder(make_context()).feed(SseEvent("response.created", data))


def test_events_yet_unknown_and_empty_frames_are_signs_of_life():
    decoder = CODEC.stream_decoder(make_context())
    assert decoder.feed(SseEvent(None, '{"type":"response.web_search_call.searching"}')) == [Heartbeat()]
    assert decoder.feed(SseEvent(None, "")) == [Heartbeat()]
    assert decoder.feed(SseEvent(None, "[DONE]")) == []


def test_the_type_may_stand_in_the_event_line_only():
    decoder = CODEC.stream_decoder(make_context())
    events = decoder.feed(SseEvent("response.output_text.delta", '{"output_index":0,"delta":"Hi"}'))
    assert TextDelta(i=0, text="Hi") in events


def test_nothing_counts_after_the_terminal_event():
    raw = stream_of(answer(message_item())) + sse({"type": "error", "message": "late"}) + b"data: [DONE]\n\n"
    assert decode_stream(raw)[-1] == End()


def test_a_call_without_a_name_is_a_protocol_error():
    item = {"type": "function_call", "id": "fc_1", "arguments": "{}"}
    with pytest.raises(UpstreamProtocolError, match="without a name"):
        decode_stream(sse({"type": "response.output_item.done", "output_index": 0, "item": item}))


def test_openais_own_items_are_kept_raw():
    events = decode_stream(stream_of(WHOLES["search"]))
    unknown = next(event.part for event in events if isinstance(event, PartStart))
    assert isinstance(unknown, Unknown)
    assert unknown.raw["id"] == "ws_1"


_JUNK = [None, 3, "x", [], {}, [None], {"type": 3}, {"id": 3, "type": "message", "content": 3}]


@pytest.mark.parametrize(
    "kind",
    [
        "response.created",
        "response.output_item.added",
        "response.output_item.done",
        "response.content_part.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.output_text.annotation.added",
        "response.refusal.delta",
        "response.function_call_arguments.delta",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.completed",
        "response.failed",
        "error",
        3,
    ],
)
@pytest.mark.parametrize("junk", _JUNK, ids=repr)
def test_junk_in_any_field_of_any_event_never_breaks_the_decoder(kind, junk):
    decoder = CODEC.stream_decoder(make_context())
    fields = (
        "output_index",
        "item_id",
        "content_index",
        "delta",
        "item",
        "part",
        "annotation",
        "response",
        "error",
        "text",
        "summary_index",
        "logprobs",
        "code",
    )
    for field in fields:
        good = {
            "type": kind,
            "output_index": 0,
            "item_id": "x",
            "delta": "d",
            "item": {"type": "reasoning"},
            "text": "dd",
        }
        try:
            decoder.feed(SseEvent(None, dumps({**good, field: junk})))
        except UpstreamProtocolError:
            continue


def test_a_reasoning_item_and_a_call_keep_their_ids():
    parts = collect(decode_stream(stream_of(answer(reasoning_item(), call_item())))).candidates[0].parts
    thought, call = parts
    assert isinstance(thought, Reasoning)
    assert isinstance(call, ToolCall)
    assert (thought.item_id, call.item_id, call.id) == ("rs_1", "fc_1", "call_1")
