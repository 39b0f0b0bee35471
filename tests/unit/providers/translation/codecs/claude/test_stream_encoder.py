import itertools

import pytest

from providers.translation.codecs.claude import carrier
from providers.translation.codecs.claude.codec import CODEC
from providers.translation.model import (
    ArgumentsDelta,
    CitationDelta,
    End,
    ErrorInfo,
    Heartbeat,
    Media,
    PartStart,
    PartStop,
    Reasoning,
    ReasoningConfig,
    ReasoningDelta,
    RefusalText,
    Signature,
    SignatureDelta,
    Start,
    Stop,
    StopKind,
    Stopped,
    StreamError,
    Text,
    TextDelta,
    ToolCall,
    Unknown,
    UnknownEvent,
    Usage,
    UsageUpdate,
)
from providers.values import Format

from .test_stream_decoder import RICH
from .wire import (
    assert_grammar,
    collect,
    decode,
    encode,
    frames,
    make_context,
    make_request,
    sdk_answer,
    sdk_message,
    sse,
)

START = Start(id="msg_1", model="up")
FINISH = (Stopped(stop=Stop(StopKind.END)), End())
USAGE = UsageUpdate(usage=Usage(input_total=100, cache_read=20, output_total=7, reasoning=2))
GEMINI = Signature("Z2VtaW5p", Format.GEMINI)


def call(i, call_id, name="f", **fields):
    return PartStart(i=i, part=ToolCall(id=call_id, name=name, **fields))


def text_part(i, *texts):
    return [PartStart(i=i, part=Text(text="")), *(TextDelta(i=i, text=t) for t in texts), PartStop(i=i)]


STREAMS = {
    "nothing": [START, *FINISH],
    "no start event": [*text_part(0, "hi"), *FINISH],
    "no stop": [START, *text_part(0, "hi"), End()],
    "text": [START, *text_part(0, "Hel", "lo"), USAGE, *FINISH],
    "usage after the stop": [START, *text_part(0, "x"), FINISH[0], USAGE, End()],
    "empty text": [START, *text_part(0, ""), *FINISH],
    "signed thinking, text": [
        START,
        PartStart(i=0, part=Reasoning()),
        ReasoningDelta(i=0, text="hm"),
        SignatureDelta(i=0, signature=Signature("EqQB", Format.CLAUDE)),
        PartStop(i=0),
        *text_part(1, "ok"),
        *FINISH,
    ],
    "unsigned and foreign thinking": [
        START,
        PartStart(i=0, part=Reasoning()),
        ReasoningDelta(i=0, text="hm"),
        PartStop(i=0),
        PartStart(i=1, part=Reasoning()),
        ReasoningDelta(i=1, text="hmm"),
        SignatureDelta(i=1, signature=GEMINI),
        PartStop(i=1),
        PartStart(i=2, part=Reasoning(redacted=Signature("gAAA", Format.RESPONSES))),
        PartStop(i=2),
        PartStart(i=3, part=Reasoning()),
        PartStop(i=3),
        *FINISH,
    ],
    "interleaved calls": [
        START,
        call(0, "a"),
        call(1, "b", "g"),
        ArgumentsDelta(i=1, text='{"y":'),
        ArgumentsDelta(i=0, text='{"x":'),
        ArgumentsDelta(i=1, text="2}"),
        ArgumentsDelta(i=0, text="1}"),
        PartStop(i=1),
        PartStop(i=0),
        Stopped(stop=Stop(StopKind.TOOL_CALLS)),
        End(),
    ],
    "calls that are never closed": [
        START,
        call(0, "a"),
        ArgumentsDelta(i=0, text='{"x":1}'),
        call(1, "b"),
        ArgumentsDelta(i=1, text='{"x":2}'),
        *FINISH,
    ],
    "odd arguments": [
        START,
        call(0, "a"),
        PartStop(i=0),
        call(1, "b"),
        ArgumentsDelta(i=1, text=" [1,"),
        ArgumentsDelta(i=1, text="2]"),
        PartStop(i=1),
        call(2, "c", arguments='{"whole":true}'),
        PartStop(i=2),
        call(3, "d", kind="custom"),
        ArgumentsDelta(i=3, text='say "'),
        ArgumentsDelta(i=3, text='hi"\n😀'),
        PartStop(i=3),
        call(4, "e", kind="custom"),
        PartStop(i=4),
        call(5, ""),
        ArgumentsDelta(i=5, text="null"),
        PartStop(i=5),
        *FINISH,
    ],
    "signed call and signed text": [
        START,
        *text_part(0, "a")[:-1],
        SignatureDelta(i=0, signature=GEMINI),
        PartStop(i=0),
        call(1, "c"),
        SignatureDelta(i=1, signature=GEMINI),
        ArgumentsDelta(i=1, text="{}"),
        PartStop(i=1),
        call(2, "d", signature=GEMINI),
        PartStop(i=2),
        *FINISH,
    ],
    "refusal": [
        START,
        PartStart(i=0, part=RefusalText(text="")),
        TextDelta(i=0, text="No."),
        PartStop(i=0),
        *FINISH,
    ],
    "citation": [
        START,
        *text_part(0, "cited")[:-1],
        CitationDelta(i=0, citation={"url": "https://a.example", "title": "A", "text": "c"}),
        PartStop(i=0),
        *FINISH,
    ],
    "image and foreign activity": [
        START,
        PartStart(i=0, part=Media(kind="image", mime="image/png", data="iVBO")),
        PartStop(i=0),
        PartStart(i=1, part=Unknown(raw={"type": "web_search_call"}, format=Format.RESPONSES)),
        PartStop(i=1),
        *text_part(2, "done"),
        *FINISH,
    ],
    "stop sequence": [
        START,
        *text_part(0, "x"),
        Stopped(stop=Stop(StopKind.STOP_SEQUENCE, sequence="END")),
        End(),
    ],
    "blocked prompt": [
        START,
        Stopped(stop=Stop(StopKind.CONTENT_FILTER, message="blocked")),
        End(),
    ],
}


@pytest.mark.parametrize("events", STREAMS.values(), ids=STREAMS.keys())
def test_every_stream_keeps_the_grammar_and_equals_the_whole_answer(events):
    stream = encode(events)
    assert_grammar(stream)
    whole = sdk_answer(CODEC.encode_response(collect(events), make_context()))
    assert sdk_message(stream) == whole


def test_a_claude_stream_keeps_its_content_through_the_neutral_model():
    events = decode([sse(*RICH)])
    stream = encode(events)
    assert_grammar(stream)
    assert sdk_message(stream) == sdk_answer(CODEC.encode_response(collect(events), make_context()))


def test_decoding_the_encoded_stream_gives_the_same_answer():
    events = decode([sse(*RICH)])
    again, first = collect(decode([encode(events)])), collect(events)
    assert (again.candidates, again.usage) == (first.candidates, first.usage)


def test_interleaved_calls_are_ordered_by_first_appearance():
    content = sdk_message(encode(STREAMS["interleaved calls"]))["content"]
    assert [(block["id"], block["input"]) for block in content] == [("a", {"x": 1}), ("b", {"y": 2})]


def test_the_calls_of_every_interleaving_come_out_whole():
    first = [call(0, "a"), ArgumentsDelta(i=0, text='{"x"'), ArgumentsDelta(i=0, text=":1}"), PartStop(i=0)]
    second = [call(1, "b"), ArgumentsDelta(i=1, text='{"y"'), ArgumentsDelta(i=1, text=":2}"), PartStop(i=1)]
    for places in itertools.combinations(range(8), 4):
        left, right = iter(first), iter(second)
        mixed = [next(left) if n in places else next(right) for n in range(8)]
        stream = encode([START, *mixed, *FINISH])
        assert_grammar(stream)
        content = sdk_message(stream)["content"]
        assert {block["id"]: block["input"] for block in content} == {"a": {"x": 1}, "b": {"y": 2}}


def test_arguments_of_the_open_call_are_not_held_back():
    encoder = CODEC.stream_encoder(make_context())
    encoder.encode(START)
    encoder.encode(call(0, "a"))
    assert b"tool_use" in encoder.encode(ArgumentsDelta(i=0, text='{"x":'))
    assert b"input_json_delta" in encoder.encode(ArgumentsDelta(i=0, text="1}"))


def test_text_goes_out_at_once_though_its_part_was_never_closed():
    events = [START, *text_part(0, "a")[:-1], call(1, "c"), ArgumentsDelta(i=1, text="{}")]
    encoder = CODEC.stream_encoder(make_context())
    out = b"".join(encoder.encode(event) for event in events)
    assert b"tool_use" in out
    late = encoder.encode(TextDelta(i=0, text="b")) + encoder.encode(PartStop(i=1))
    assert b'"text":"b"' in late
    assert_grammar(out + late + encoder.encode(End()))


def test_a_text_between_two_interleaved_calls_does_not_hold_the_second_back():
    events = [START, call(0, "a"), *text_part(1, "t")[:-1], call(2, "b"), ArgumentsDelta(i=2, text="{}")]
    encoder = CODEC.stream_encoder(make_context())
    out = b"".join(encoder.encode(event) for event in events)
    assert b'"id":"b"' not in out
    assert b'"id":"b"' in encoder.encode(PartStop(i=0))


def test_usage_without_cached_tokens_stands_in_the_message_delta():
    last = frames(encode([START, USAGE, *FINISH]))[-2]
    assert last["usage"] == {
        "input_tokens": 80,
        "output_tokens": 7,
        "cache_read_input_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 2},
    }
    assert last["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}


def test_the_start_shows_the_clients_model_and_an_anthropic_id():
    message = frames(encode([Start(id="chatcmpl-1", model="up"), *FINISH]))[0]["message"]
    assert (message["id"], message["model"]) == ("msg_5eed", "fast")
    assert message["usage"] == {"input_tokens": 0, "output_tokens": 0}


def test_a_heartbeat_is_a_ping_once_the_message_started():
    encoder = CODEC.stream_encoder(make_context())
    assert encoder.encode(Heartbeat()) == b": ping\n\n"
    encoder.encode(START)
    assert encoder.encode(Heartbeat()) == b'event: ping\ndata: {"type":"ping"}\n\n'


@pytest.mark.parametrize("begun", [True, False])
def test_nothing_follows_an_error(begun):
    encoder = CODEC.stream_encoder(make_context())
    if begun:
        encoder.encode(START)
    out = encoder.encode(StreamError(info=ErrorInfo(status=529, message="busy")))
    assert out == (
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'
    )
    assert encoder.encode(End()) == b""


def test_nothing_follows_the_message_stop():
    encoder = CODEC.stream_encoder(make_context())
    encoder.encode(End())
    assert encoder.encode(Heartbeat()) + encoder.encode(End()) == b""


def test_only_the_first_candidate_is_shown():
    other = [
        PartStart(i=0, candidate=1, part=Text(text="b")),
        Stopped(candidate=1, stop=Stop(StopKind.LENGTH)),
    ]
    message = sdk_message(encode([START, *text_part(0, "a"), *other, *FINISH]))
    assert [block["text"] for block in message["content"]] == ["a"]
    assert message["stop_reason"] == "end_turn"


def test_events_of_unknown_type_reach_only_a_client_of_their_format():
    own, foreign = ({"type": "sparkle"}, Format.CLAUDE), ({"type": "glitter"}, Format.OPENAI)
    out = encode([START, *(UnknownEvent(raw=raw, format=format_) for raw, format_ in (own, foreign))])
    assert b"sparkle" in out
    assert b"glitter" not in out


def test_hidden_thinking_keeps_its_signature_and_loses_its_text():
    context = make_context(make_request(reasoning=ReasoningConfig(mode="on", show="none")))
    events = STREAMS["signed thinking, text"]
    content = sdk_message(encode(events, context))["content"]
    assert content[0] == {"type": "thinking", "thinking": "", "signature": "EqQB"}
    assert CODEC.encode_response(collect(events), context)["content"] == content
    unsigned = sdk_message(encode(STREAMS["unsigned and foreign thinking"], context))["content"]
    assert [block["type"] for block in unsigned] == ["thinking", "redacted_thinking"]


def test_a_signed_call_is_preceded_by_its_carrier():
    content = sdk_message(encode(STREAMS["signed call and signed text"]))["content"]
    assert [block["type"] for block in content] == [
        "text",
        "thinking",
        "thinking",
        "tool_use",
        "thinking",
        "tool_use",
    ]
    assert carrier.unwrap(content[2]["signature"]) == (GEMINI, carrier.Place.NEXT)


def test_deltas_of_parts_that_never_began_or_have_ended_change_nothing():
    stray = [
        TextDelta(i=9, text="x"),
        call(0, "a"),
        PartStop(i=0),
        ArgumentsDelta(i=0, text="x"),
        PartStop(i=0),
    ]
    stream = encode([START, *stray, *FINISH])
    assert_grammar(stream)
    assert [block["type"] for block in sdk_message(stream)["content"]] == ["tool_use"]


def test_a_text_may_come_whole_with_its_citations():
    part = Text(text="cited", citations=({"url": "https://a.example", "title": "A", "text": "c"},))
    content = sdk_message(encode([START, PartStart(i=0, part=part), PartStop(i=0), *FINISH]))["content"]
    assert [citation["url"] for citation in content[0]["citations"]] == ["https://a.example"]
