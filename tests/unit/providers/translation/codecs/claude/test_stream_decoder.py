import msgspec
import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.codecs.claude.codec import CODEC
from providers.translation.model import (
    Activity,
    ArgumentsDelta,
    End,
    Heartbeat,
    PartStart,
    Request,
    Signature,
    SignatureDelta,
    Start,
    StopKind,
    Stopped,
    StreamError,
    Tool,
    ToolCall,
    Unknown,
    UnknownEvent,
    Usage,
    UsageUpdate,
)
from providers.translation.names import NameMap
from providers.translation.sse import SseEvent
from providers.values import Format

from .wire import collect, decode, make_context, make_request, sse

USAGE = {
    "input_tokens": 7,
    "cache_read_input_tokens": 20,
    "cache_creation_input_tokens": 3,
    "output_tokens": 1,
}
START: dict = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": USAGE,
    },
}
STOP = {"type": "message_stop"}
PING = {"type": "ping"}


def block_start(index, **block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index, kind, **fields):
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def block_stop(index):
    return {"type": "content_block_stop", "index": index}


def message_delta(reason="end_turn", output=9, **fields):
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None, **fields},
        "usage": {"output_tokens": output},
    }


CITATION = {
    "type": "web_search_result_location",
    "url": "https://a.example/x",
    "title": "X",
    "cited_text": "the cited words",
    "encrypted_index": "Eo8B",
}

RICH = (
    START,
    PING,
    block_start(0, type="thinking", thinking="", signature=""),
    delta(0, "thinking_delta", thinking="Let me "),
    delta(0, "thinking_delta", thinking="think…"),
    delta(0, "signature_delta", signature="EqQBCgIYAhIM"),
    block_stop(0),
    block_start(1, type="redacted_thinking", data="EmwKAhgB"),
    block_stop(1),
    block_start(2, type="text", text=""),
    delta(2, "text_delta", text="Grüße, "),
    PING,
    delta(2, "citations_delta", citation=CITATION),
    delta(2, "text_delta", text="世界 \u2028 ok"),
    block_stop(2),
    block_start(3, type="server_tool_use", id="srvtoolu_1", name="web_search", input={}),
    delta(3, "input_json_delta", partial_json='{"query":'),
    delta(3, "input_json_delta", partial_json='"x"}'),
    block_stop(3),
    block_start(4, type="web_search_tool_result", tool_use_id="srvtoolu_1", content=[]),
    block_stop(4),
    block_start(5, type="tool_use", id="toolu_1", name="f", input={}),
    delta(5, "input_json_delta", partial_json=""),
    delta(5, "input_json_delta", partial_json='{"big":12345678901234567'),
    delta(5, "input_json_delta", partial_json='8901234567890,"a":1.0}'),
    block_stop(5),
    block_start(6, type="tool_use", id="toolu_2", name="g", input={}),
    block_stop(6),
    message_delta("tool_use"),
    STOP,
)

RICH_BODY = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [
        {"type": "thinking", "thinking": "Let me think…", "signature": "EqQBCgIYAhIM"},
        {"type": "redacted_thinking", "data": "EmwKAhgB"},
        {"type": "text", "text": "Grüße, 世界 \u2028 ok", "citations": [CITATION]},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "f",
            "input": {"big": 123456789012345678901234567890, "a": 1.0},
        },
        {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": USAGE | {"output_tokens": 9},
}


def test_the_accumulated_stream_equals_the_whole_answer():
    assert collect(decode([sse(*RICH)])) == CODEC.decode_response(RICH_BODY, make_context())


def test_one_byte_at_a_time_and_with_crlf_the_events_are_the_same():
    whole, expected = sse(*RICH), decode([sse(*RICH)])
    assert decode([whole[n : n + 1] for n in range(len(whole))]) == expected
    crlf = whole.replace(b"\n", b"\r\n")
    assert decode([crlf[n : n + 1] for n in range(len(crlf))]) == expected


@pytest.mark.parametrize("cut", range(len(RICH)))
def test_a_stream_cut_before_message_stop_is_a_protocol_error(cut):
    with pytest.raises(UpstreamProtocolError, match="stopped"):
        decode([sse(*RICH[:cut])])


def test_the_end_comes_exactly_once():
    assert sum(isinstance(event, End) for event in decode([sse(*RICH)])) == 1


def test_event_names_may_be_missing_and_so_may_types():
    nameless = b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in RICH)
    assert decode([nameless]) == decode([sse(*RICH)])
    typeless = b"".join(
        b"event: %s\ndata: %s\n\n"
        % (
            event["type"].encode(),
            msgspec.json.encode({key: value for key, value in event.items() if key != "type"}),
        )
        for event in RICH
    )
    assert decode([typeless]) == decode([sse(*RICH)])


TEXT = (START, block_start(0, type="text", text=""))

VIOLATIONS = {
    "a block before the message": (block_start(0, type="text", text=""),),
    "a delta before its block": (START, delta(0, "text_delta", text="x")),
    "two messages": (START, START),
    "two blocks at once": (*TEXT, block_start(1, type="text", text="")),
    "a message delta inside a block": (*TEXT, message_delta()),
    "a stop without a message delta": (START, STOP),
    "a stop inside a block": (*TEXT, STOP),
    "a block after the message delta": (START, message_delta(), block_start(0, type="text", text="")),
    "a delta for another block": (*TEXT, delta(1, "text_delta", text="x")),
    "a stop for another block": (*TEXT, block_stop(3)),
    "thinking in a text block": (*TEXT, delta(0, "thinking_delta", thinking="x")),
    "text in a tool call": (
        START,
        block_start(0, type="tool_use", id="t", name="f", input={}),
        delta(0, "text_delta", text="x"),
    ),
    "a call without a name": (START, block_start(0, type="tool_use", id="t")),
    "a block without its object": (START, {"type": "content_block_start", "index": 0}),
}


@pytest.mark.parametrize("events", VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_what_the_grammar_forbids_is_a_protocol_error(events):
    *allowed, last = (SseEvent(event["type"], msgspec.json.encode(event).decode()) for event in events)
    decoder = CODEC.stream_decoder(make_context())
    for frame in allowed:
        decoder.feed(frame)
    with pytest.raises(UpstreamProtocolError):
        decoder.feed(last)


@pytest.mark.parametrize("data", ["{", "[]", '"x"'])
def test_what_is_no_json_object_is_a_protocol_error(data):
    with pytest.raises(UpstreamProtocolError):
        CODEC.stream_decoder(make_context()).feed(SseEvent(None, data))


def test_pings_and_empty_events_are_heartbeats_anywhere():
    events = decode([sse(PING) + b"data:\n\n" + sse(START, PING, message_delta(), PING, STOP)])
    assert sum(isinstance(event, Heartbeat) for event in events) == 4


def test_unknown_events_and_deltas_are_passed_by():
    strange = {"type": "message_review", "x": 1}
    odd = delta(0, "sparkle_delta", glitter="*")
    events = decode([sse(START, strange, *TEXT[1:], odd, block_stop(0), message_delta(), STOP)])
    assert [event.raw for event in events if isinstance(event, UnknownEvent)] == [strange, odd]
    assert isinstance(events[-1], End)


def test_an_error_event_ends_the_stream_with_its_details():
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    events = decode([sse(*TEXT, error, delta(0, "text_delta", text="x"))])
    assert isinstance(events[-1], StreamError)
    info = events[-1].info
    assert (info.status, info.message, info.type) == (529, "Overloaded", "server_error")


def test_what_follows_the_end_is_ignored():
    whole = sse(START, message_delta(), STOP)
    assert decode([whole + b"data: [DONE]\n\n" + sse(START)]) == decode([whole])


def test_usage_is_cumulative_and_a_missing_number_keeps_its_value():
    later = message_delta() | {"usage": {"output_tokens": 30, "cache_read_input_tokens": None}}
    events = decode([sse(START, later, STOP)])
    start = next(event for event in events if isinstance(event, Start))
    update = next(event for event in events if isinstance(event, UsageUpdate))
    expected = Usage(input_total=30, cache_read=20, cache_write=3, output_total=1)
    assert start.usage == expected
    assert update.usage == msgspec.structs.replace(expected, output_total=30)


def test_late_input_tokens_replace_the_zeros_of_the_start():
    start = msgspec.json.decode(msgspec.json.encode(START))
    start["message"]["usage"] = {"input_tokens": 0, "output_tokens": 0}
    later = message_delta() | {"usage": {"input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 4}}
    usage = collect(decode([sse(start, later, STOP)])).usage
    assert usage == Usage(input_total=7, cache_read=2, output_total=4)


def test_a_call_without_arguments_yields_an_empty_object():
    events = decode([sse(*RICH)])
    second = [event for event in events if isinstance(event, ArgumentsDelta) and event.i == 6]
    assert [event.text for event in second] == ["{}"]


def test_input_in_the_block_start_is_taken_when_no_delta_follows():
    call = block_start(0, type="tool_use", id="t", name="f", input={"a": 1})
    answer = collect(decode([sse(START, call, block_stop(0), message_delta("tool_use"), STOP)]))
    assert answer.candidates[0].parts == (ToolCall(id="t", name="f", arguments='{"a":1}'),)


def test_an_end_turn_after_a_call_is_a_tool_stop():
    call = block_start(0, type="tool_use", id="t", name="f", input={})
    answer = collect(decode([sse(START, call, block_stop(0), message_delta("end_turn"), STOP)]))
    assert answer.candidates[0].stop.kind is StopKind.TOOL_CALLS


def test_server_tools_are_unknown_parts_and_no_calls():
    search = block_start(0, type="server_tool_use", id="s", name="web_search", input={"query": "x"})
    answer = collect(decode([sse(START, search, block_stop(0), message_delta("pause_turn"), STOP)]))
    assert answer.candidates[0].parts == (
        Unknown(
            raw=search["content_block"],
            format=Format.CLAUDE,
            activity=Activity(kind="web_search", text="x"),
        ),
    )
    assert answer.candidates[0].stop.kind is StopKind.PAUSE


def test_the_stop_is_emitted_once_though_message_deltas_repeat():
    events = decode([sse(START, message_delta(), message_delta(output=10), STOP)])
    assert sum(isinstance(event, Stopped) for event in events) == 1


def test_a_message_stop_without_a_reason_is_a_plain_end():
    events = decode([sse(START, message_delta(None), STOP)])
    assert [event.stop.kind for event in events if isinstance(event, Stopped)] == [StopKind.END]


def test_the_signature_is_whole_exact_and_before_the_stop():
    events = decode([sse(*RICH)])
    signed = next(event for event in events if isinstance(event, SignatureDelta))
    assert signed.signature == Signature("EqQBCgIYAhIM", Format.CLAUDE)


def test_mangled_names_and_custom_tools_come_back_as_the_client_knows_them():
    request: Request = make_request(tools=(Tool(name="run.sql", kind="custom"),))
    context = make_context(request, NameMap({"run.sql": "run_sql"}))
    call = (
        block_start(0, type="tool_use", id="t", name="run_sql", input={}),
        delta(0, "input_json_delta", partial_json='{"inp'),
        delta(0, "input_json_delta", partial_json='ut":"SELECT \\"1\\""}'),
        block_stop(0),
    )
    events = decode([sse(START, *call, message_delta("tool_use"), STOP)], context)
    expected = ToolCall(id="t", name="run.sql", kind="custom", arguments='SELECT "1"')
    assert collect(events).candidates[0].parts == (expected,)
    skeleton = next(event.part for event in events if isinstance(event, PartStart))
    assert skeleton == ToolCall(id="t", name="run.sql", kind="custom")


def test_sloppy_fields_are_tolerated():
    call = block_start(0, type="tool_use", id="t", name="f", input={})
    tail = (
        block_stop(0),
        message_delta("tool_use") | {"usage": None, "delta": {"stop_reason": "tool_use"}},
        STOP,
    )
    odd = delta(0, "input_json_delta", partial_json=None)
    answer = collect(decode([sse(START, call, odd, *tail)]))
    assert answer.candidates[0].parts == (ToolCall(id="t", name="f", arguments="{}"),)
    server = block_start(0, type="server_tool_use", id="s", name="x", input={})
    broken = delta(0, "input_json_delta", partial_json="{")
    answer = collect(decode([sse(START, server, broken, *tail)]))
    assert answer.candidates[0].parts[0].raw["input"] == "{"


ODD_DELTAS = [
    '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hé\\n\\u2028"}}',
    '{"index":0,"delta":{"text":"a","type":"text_delta"},"type":"content_block_delta"}',
    '{ "delta" : { "text" : "a" , "type" : "text_delta" } , "type" : "content_block_delta" , "index" : 0 }',
    '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":null}}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":7}}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta"}}',
    '{"type":"content_block_delta","index":0.0,"delta":{"type":"text_delta","text":"a"}}',
    '{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a"}}',
    '{"type":"content_block_delta","index":"0","delta":{"type":"text_delta","text":"a"}}',
    '{"type":"content_block_delta","index":null,"delta":{"type":"text_delta","text":"a"}}',
    '{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}',
    '{"index":0,"delta":{"type":"text_delta","text":"a"}}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"},"extra":{"deep":[1,{}]}}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a","citations":[{}]}}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","x":"text_delta","text":"a"}}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"new_delta","was":"text_delta","text":"a"}}',
    '{"type":"message_delta","index":0,"delta":{"type":"text_delta","text":"a","stop_reason":"end_turn"}}',
    '{"type":"new_event","index":0,"delta":{"type":"text_delta","text":"a"}}',
    '{"type":"error","error":{"type":"api_error","message":"a \\"text_delta\\" broke"},"x":"text_delta"}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}} x',
    '{"type":"content_block_delta","index":0,"delta":[{"type":"text_delta","text":"a"}]}',
    '{"type":"content_block_delta","index":0,"delta":"text_delta"}',
    '["text_delta"]',
]


@pytest.mark.parametrize("data", ODD_DELTAS)
def test_the_short_way_for_a_text_reads_it_as_the_long_way_does(data):
    """A delta spelled with an escape is not seen by the short way."""

    def heard(spelled):
        decoder = CODEC.stream_decoder(make_context())
        for event in (START, block_start(0, type="text", text="")):
            decoder.feed(SseEvent(None, msgspec.json.encode(event).decode()))
        try:
            events = decoder.feed(SseEvent("content_block_delta", spelled))
            return events, decoder.feed(SseEvent(None, '{"type":"content_block_stop","index":0}'))
        except UpstreamProtocolError as error:
            return error.message

    escaped = data.replace('"text_delta"', '"text\\u005fdelta"')
    assert heard(data) == heard(escaped)
    assert escaped != data
