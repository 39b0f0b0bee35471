"""Chat Completions streams, read: the published grammar and the liberties of compatible servers."""

from __future__ import annotations

import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.accumulate import Accumulator
from providers.translation.codecs.openai.codec import CODEC
from providers.translation.model import (
    CitationDelta,
    End,
    Heartbeat,
    Media,
    PartStart,
    PartStop,
    Reasoning,
    RefusalText,
    Response,
    Signature,
    Start,
    Stop,
    StopKind,
    Stopped,
    StreamError,
    Text,
    TextDelta,
    ToolCall,
    Usage,
    UsageUpdate,
)
from providers.translation.names import NameMap
from providers.translation.sse import SseEvent
from providers.values import Format
from tests.unit.providers.translation.codecs.openai.cast import chunk, context, events_of, frames_of, sse

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def fragment(index=None, call_id=None, name=None, arguments=None, **extra) -> dict:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    item: dict = {"function": function, **extra}
    if index is not None:
        item["index"] = index
    if call_id is not None:
        item["id"] = call_id
    return item


def calls(*items) -> dict:
    return chunk({"tool_calls": list(items)})


def collected(events, ctx=None) -> Response:
    accumulator = Accumulator()
    for event in events:
        accumulator.add(event)
    return accumulator.response(ctx or context())


def parts_of(*frames, **options):
    return collected(events_of(sse(*frames), **options)).candidates[0].parts


PLAIN = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hé"}),
    chunk({"content": "llo\u2028"}),
    chunk({}, "stop"),
    chunk(usage=USAGE),
    "[DONE]",
)
RICH = (
    chunk({"role": "assistant", "content": None, "reasoning_content": "h"}),
    chunk({"reasoning_content": "m"}),
    chunk({"content": "Hi"}),
    calls(fragment(0, "a", "f", "")),
    calls(fragment(0, arguments='{"x":')),
    calls(fragment(1, "b", "g", '{"y":2}')),
    calls(fragment(0, arguments="1}")),
    chunk({}, "tool_calls"),
    chunk(usage=USAGE),
    "[DONE]",
)
TWO = (
    chunk({"content": "a"}, index=1),
    chunk({"content": "b"}, index=0),
    chunk({}, "length", index=1),
    chunk({}, "stop", index=0),
    "[DONE]",
)


def test_a_plain_stream_is_read():
    assert events_of(sse(*PLAIN)) == [
        Start(id="chatcmpl-1", model="gpt-up", created=1),
        PartStart(i=0, part=Text(text="")),
        TextDelta(i=0, text="Hé"),
        TextDelta(i=0, text="llo\u2028"),
        UsageUpdate(usage=Usage(input_total=3, output_total=2, total=5)),
        PartStop(i=0),
        Stopped(stop=Stop(StopKind.END, detail="stop")),
        End(),
    ]


def test_a_rich_stream_gives_every_part_in_order():
    answer = collected(events_of(sse(*RICH)))
    (candidate,) = answer.candidates
    assert candidate.parts == (
        Reasoning(text="hm"),
        Text(text="Hi"),
        ToolCall(id="a", name="f", arguments='{"x":1}'),
        ToolCall(id="b", name="g", arguments='{"y":2}'),
    )
    assert candidate.stop == Stop(StopKind.TOOL_CALLS, detail="tool_calls")
    assert answer.usage == Usage(input_total=3, output_total=2, total=5)


def test_several_choices_are_kept_apart():
    answer = collected(events_of(sse(*TWO)))
    assert [c.parts for c in answer.candidates] == [(Text(text="b"),), (Text(text="a"),)]
    assert [c.stop and c.stop.kind for c in answer.candidates] == [StopKind.END, StopKind.LENGTH]


@pytest.mark.parametrize("frames", [PLAIN, RICH, TWO])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_cutting_the_bytes_anywhere_changes_nothing(frames, newline):
    raw = sse(*frames)
    whole = events_of(raw)
    assert events_of(raw.replace(b"\n", newline), step=1) == whole
    assert events_of(raw.replace(b"\n", newline), step=7) == whole


@pytest.mark.parametrize(("frames", "finish_at"), [(PLAIN, 4), (RICH, 8), (TWO, 4)])
def test_a_stream_cut_before_its_end_is_an_error(frames, finish_at):
    for count in range(len(frames)):
        raw = sse(*frames[:count])
        if count < finish_at:
            with pytest.raises(UpstreamProtocolError):
                events_of(raw)
        else:
            assert events_of(raw)[-1] == End()


def test_nothing_after_done_counts():
    assert events_of(sse(*PLAIN, chunk({"content": "late"}), "not json")) == events_of(sse(*PLAIN))


def test_done_without_a_finish_reason_ends_the_answer():
    assert events_of(sse(chunk({"content": "x"}), "[DONE]"))[-2:] == [Stopped(stop=Stop(StopKind.END)), End()]
    cut = events_of(sse(calls(fragment(0, "a", "f")), "[DONE]"))
    assert cut[-2] == Stopped(stop=Stop(StopKind.TOOL_CALLS))


def test_a_stop_after_calls_means_tool_calls():
    events = events_of(sse(calls(fragment(0, "a", "f", "{}")), chunk({}, "stop"), "[DONE]"))
    assert events[-2].stop.kind is StopKind.TOOL_CALLS


def test_a_finish_reason_on_every_chunk_stops_once_at_the_end():
    events = events_of(sse(chunk({"content": "a"}, "stop"), chunk({"content": "b"}, "stop"), "[DONE]"))
    assert [type(event).__name__ for event in events].count("Stopped") == 1
    assert collected(events).candidates[0].parts == (Text(text="ab"),)


def test_usage_may_come_anywhere_and_only_changes_are_told():
    events = events_of(
        sse(
            chunk({"content": "a"}, usage=USAGE),
            chunk({"content": "b"}, usage=USAGE),
            chunk({}, "stop", usage={**USAGE, "completion_tokens": 4, "total_tokens": 7}),
            "[DONE]",
        )
    )
    totals = [event.usage.total for event in events if isinstance(event, UsageUpdate)]
    assert totals == [5, 7]


def test_usage_inside_a_choice_is_read():
    frame = chunk({"content": "a"}, "stop")
    frame["choices"][0]["usage"] = USAGE
    usage = collected(events_of(sse(frame, "[DONE]"))).usage
    assert usage is not None
    assert usage.total == 5


def test_azures_first_chunk_without_choices_is_no_start():
    first = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []}
    assert events_of(sse(first, *PLAIN)) == events_of(sse(*PLAIN))


def test_missing_ids_are_made_up_and_unique():
    found = parts_of(
        calls(fragment(0, name="f", arguments="{}")),
        calls(fragment(1, name="f")),
        chunk({}, "stop"),
        "[DONE]",
    )
    assert [part.id for part in found] == ["call_5eed_0_0", "call_5eed_0_1"]


def test_an_id_that_comes_late_is_waited_for_and_calls_keep_their_order():
    late = calls(fragment(0, "a", arguments="1}"))
    found = parts_of(
        calls(fragment(0, name="f", arguments='{"x":')),
        calls(fragment(1, "b", "g", "{}")),
        late,
        chunk({}, "tool_calls"),
        "[DONE]",
    )
    assert found == (
        ToolCall(id="a", name="f", arguments='{"x":1}'),
        ToolCall(id="b", name="g", arguments="{}"),
    )


def test_repeated_and_empty_names_do_not_matter():
    found = parts_of(
        calls(fragment(0, "a", "f", "{")),
        calls(fragment(0, "a", "f", '"x"')),
        calls(fragment(0, "", "", ":1}")),
        "[DONE]",
    )
    assert found == (ToolCall(id="a", name="f", arguments='{"x":1}'),)


def test_arguments_that_come_before_the_name_are_held():
    found = parts_of(
        calls(fragment(0, "a", arguments="{")), calls(fragment(0, name="f", arguments="}")), "[DONE]"
    )
    assert found == (ToolCall(id="a", name="f", arguments="{}"),)


def test_without_an_index_a_new_id_is_a_new_call():
    found = parts_of(
        calls(fragment(None, "a", "f", '{"x":')),
        calls(fragment(None, None, None, "1}")),
        calls(fragment(None, "b", "f", "{}")),
        calls(fragment(None, "a", None, " ")),
        "[DONE]",
    )
    assert [(part.id, part.arguments) for part in found] == [("a", '{"x":1} '), ("b", "{}")]


def test_calls_that_are_all_numbered_zero_stay_apart():
    found = parts_of(calls(fragment(0, "a", "f", "{}"), fragment(0, "b", "f", "[]")), "[DONE]")
    assert [(part.id, part.arguments) for part in found] == [("a", "{}"), ("b", "[]")]


def test_custom_and_legacy_calls_are_read():
    custom = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    assert parts_of(calls(custom), "[DONE]") == (ToolCall(id="a", name="sh", arguments="ls", kind="custom"),)
    legacy = [
        chunk({"function_call": {"name": "f", "arguments": "{"}}),
        chunk({"function_call": {"arguments": "}"}}),
    ]
    (part,) = parts_of(*legacy, chunk({}, "function_call"), "[DONE]")
    assert (part.name, part.arguments) == ("f", "{}")


def test_arguments_sent_as_an_object_become_text():
    assert parts_of(calls(fragment(0, "a", "f", {"x": 1})), "[DONE]")[0].arguments == '{"x":1}'


def test_a_call_that_never_gets_a_name_is_an_error():
    with pytest.raises(UpstreamProtocolError):
        events_of(sse(calls(fragment(0, "a", arguments="{}")), "[DONE]"))


def test_names_are_restored():
    ctx = context(names=NameMap({"ns.f": "ns_f"}))
    assert parts_of(calls(fragment(0, "a", "ns_f")), "[DONE]", ctx=ctx)[0].name == "ns.f"


def test_a_signature_of_googles_shim_is_kept():
    item = fragment(0, "a", "f", "{}", extra_content={"google": {"thought_signature": "c2ln"}})
    assert parts_of(calls(item), "[DONE]")[0].signature == Signature("c2ln", Format.GEMINI)


def test_a_refusal_is_its_own_part():
    events = events_of(sse(chunk({"refusal": "N"}), chunk({"refusal": "o"}), chunk({}, "stop"), "[DONE]"))
    answer = collected(events)
    assert answer.candidates[0].parts == (RefusalText(text="No"),)
    assert answer.candidates[0].stop == Stop(StopKind.REFUSAL, detail="stop")


def test_annotations_become_citations_of_their_text_part():
    note = {"url_citation": {"url": "https://x.example", "title": "X", "start_index": 3, "end_index": 5}}
    events = events_of(
        sse(
            chunk({"content": "abc"}),
            chunk({"reasoning": "hm"}),
            chunk({"content": "de", "annotations": [{"type": "url_citation", **note}, {"type": "other"}]}),
            "[DONE]",
        )
    )
    (citation,) = [event for event in events if isinstance(event, CitationDelta)]
    assert citation.i == 2
    assert citation.citation == {"url": "https://x.example", "title": "X", "start": 0, "end": 2, "text": "de"}


def test_images_are_passed_on():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    events = events_of(sse(chunk({"images": [image]}), "[DONE]"))
    assert events[1].part == Media(kind="image", mime="image/png", data="AAAA")


def test_token_probabilities_travel_with_their_text():
    tokens = [{"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}]
    frame = chunk({"content": "a"})
    frame["choices"][0]["logprobs"] = {"content": tokens, "refusal": None}
    assert collected(events_of(sse(frame, "[DONE]"))).candidates[0].logprobs == tokens


def test_a_whole_message_in_a_stream_is_read():
    frame = {
        "id": "x",
        "choices": [{"message": {"role": "assistant", "content": "all"}, "finish_reason": "stop"}],
    }
    assert parts_of(frame) == (Text(text="all"),)


@pytest.mark.parametrize(
    "frame",
    [{"error": {"message": "busy", "code": 429}}, {"error": "busy"}, {"object": "error", "message": "busy"}],
)
def test_an_error_object_ends_the_stream(frame):
    events = events_of(sse(chunk({"content": "a"}), frame, chunk({"content": "b"}), "[DONE]"))
    assert isinstance(events[-1], StreamError)
    assert events[-1].info.message == "busy"


@pytest.mark.parametrize("text", ["{", "7", "[]", "null", '{"a":', "[" * 3000])
def test_a_frame_that_is_no_object_is_an_error(text):
    with pytest.raises(UpstreamProtocolError):
        events_of(sse(chunk({"content": "a"}), text))


@pytest.mark.parametrize("raw", [b"", b": hi\n\n", b"data: [DONE]\n\n"])
def test_an_empty_stream_is_an_error(raw):
    with pytest.raises(UpstreamProtocolError):
        events_of(raw)


def test_an_empty_frame_is_a_sign_of_life():
    assert CODEC.stream_decoder(context()).feed(SseEvent(None, "")) == [Heartbeat()]


@pytest.mark.parametrize(
    "frame",
    [
        {"choices": "x"},
        {"choices": [7]},
        {"choices": [{"delta": 7}]},
        {"choices": [{"index": "0", "delta": {"content": 7, "tool_calls": {}, "reasoning": []}}]},
        {
            "choices": [
                {"delta": {"tool_calls": [7], "refusal": 7, "annotations": 7, "images": 7, "audio": 7}}
            ]
        },
        {"choices": [{"delta": {"content": "x"}, "logprobs": 7, "finish_reason": 7}], "usage": 7, "id": 7},
    ],
)
def test_fields_of_the_wrong_type_break_nothing(frame):
    decoder = CODEC.stream_decoder(context())
    for event in frames_of(sse(frame)):
        decoder.feed(event)
