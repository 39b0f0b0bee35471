from __future__ import annotations

import pytest

from providers.translation.codec import AnswerContext
from providers.translation.codecs.responses.codec import CODEC
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
from tests.unit.providers.translation.codecs.responses.wire import (
    PNG,
    call_events,
    collect,
    decode_request,
    encode_stream,
    frames,
    make_context,
    script,
    sdk_response,
    text_events,
    thought_events,
    types,
)

USAGE = Usage(input_total=12, cache_read=5, output_total=9, reasoning=2)


def test_a_text_follows_the_grammar_to_the_letter():
    stream = encode_stream(script(*text_events(0, "Hel", "lo"), usage=USAGE))
    assert types(stream) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    answer = sdk_response(stream)
    assert answer["output"][0]["content"][0]["text"] == "Hello"
    assert answer["output"][0]["id"] == "msg_cliproxy_5eed_0"
    assert answer["usage"] == {
        "input_tokens": 12,
        "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 21,
    }


def test_the_first_events_carry_an_answer_in_progress():
    first = frames(encode_stream(script(*text_events(0, "x"))))[0]["response"]
    assert (first["status"], first["output"], first["usage"]) == ("in_progress", [], None)
    assert (first["id"], first["model"]) == ("resp_5eed", "fast")


def test_the_upstreams_response_id_and_time_are_kept():
    start = Start(id="resp_up", model="m", created=5)
    answer = sdk_response(encode_stream([start, *text_events(0, "x"), End()]))
    assert (answer["id"], answer["created_at"]) == ("resp_up", 5)


def test_adjacent_texts_join_one_message_and_a_text_after_a_call_begins_another():
    events = [*text_events(0, "a"), *text_events(1, "b"), *call_events(2, "f", "{}"), *text_events(3, "c")]
    output = sdk_response(encode_stream(script(*events)))["output"]
    assert [item["type"] for item in output] == ["message", "function_call", "message"]
    assert [part["text"] for part in output[0]["content"]] == ["a", "b"]


def test_reasoning_is_a_summary_with_its_state():
    signature = Signature("gAAAA==", Format.RESPONSES)
    stream = encode_stream(script(*thought_events(0, "Hm.", signature), *text_events(1, "x")))
    assert types(stream)[2:8] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    item = sdk_response(stream)["output"][0]
    assert item["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert item["encrypted_content"] == "gAAAA=="


@pytest.mark.parametrize(
    "part",
    [
        Reasoning(text="Hm.", signature=Signature("c2ln", Format.CLAUDE)),
        Reasoning(redacted=Signature("aGlkZQ==", Format.CLAUDE)),
        Reasoning(text="Hm.", signature=Signature("b3Blbg", Format.RESPONSES)),
        ToolCall(id="c/1", name="f", arguments="{}", signature=Signature("Z2Vt", Format.GEMINI)),
        Text(text="Hi", signature=Signature("Z2Vt.x", Format.GEMINI)),
    ],
)
def test_state_of_any_vendor_comes_back_with_the_clients_next_request(part):
    events = script(PartStart(i=0, part=part), PartStop(i=0))
    output = sdk_response(encode_stream(events))["output"]
    back = decode_request(input=output).turns[0].parts
    assert len(back) == 1
    for field in ("signature", "redacted"):
        assert getattr(back[0], field, None) == getattr(part, field, None)


def test_a_signature_after_the_start_of_a_call_is_carried_too():
    signed = Signature("Z2Vt", Format.GEMINI)
    events = script(
        PartStart(i=0, part=ToolCall(id="c9", name="f")),
        SignatureDelta(i=0, signature=signed),
        ArgumentsDelta(i=0, text="{}"),
        PartStop(i=0),
        *call_events(1, "g", "{}"),
        stop=StopKind.TOOL_CALLS,
    )
    output = sdk_response(encode_stream(events))["output"]
    assert [item["type"] for item in output] == ["function_call", "function_call", "reasoning"]
    first, second = decode_request(input=output).turns[0].parts
    assert (first.signature, second.signature) == (signed, None)


def test_parallel_calls_may_interleave():
    one, two = (ToolCall(id=f"c{n}", name=f"f{n}") for n in (1, 2))
    stream = encode_stream(
        script(
            PartStart(i=0, part=one),
            ArgumentsDelta(i=0, text='{"a"'),
            PartStart(i=1, part=two),
            ArgumentsDelta(i=1, text='{"b":2}'),
            ArgumentsDelta(i=0, text=":1}"),
            PartStop(i=0),
            PartStop(i=1),
            stop=StopKind.TOOL_CALLS,
        )
    )
    output = sdk_response(stream)["output"]
    assert [(item["call_id"], item["arguments"]) for item in output] == [("c1", '{"a":1}'), ("c2", '{"b":2}')]
    assert {item["status"] for item in output} == {"completed"}


def test_a_call_without_arguments_gets_an_empty_object():
    stream = encode_stream(script(*call_events(0, "f"), stop=StopKind.TOOL_CALLS))
    assert "function_call_arguments.delta" in types(stream)
    assert sdk_response(stream)["output"][0]["arguments"] == "{}"


def _with_tools(*tools: dict) -> AnswerContext:
    return make_context(request=decode_request(tools=list(tools)))


def test_a_free_form_tool_gets_its_text_unwrapped():
    context = _with_tools({"type": "custom", "name": "patch"})
    stream = encode_stream(script(*call_events(0, "patch", '{"inp', 'ut":"*** Begin"}')), context)
    assert "custom_tool_call_input.delta" in types(stream)
    item = sdk_response(stream)["output"][0]
    assert (item["type"], item["input"]) == ("custom_tool_call", "*** Begin")
    assert item["id"].startswith("ctc_")


def test_a_free_form_call_streams_as_it_comes():
    context = _with_tools({"type": "custom", "name": "patch"})
    stream = encode_stream(script(*call_events(0, "patch", "ab", "cd", kind="custom")), context)
    assert types(stream).count("custom_tool_call_input.delta") == 2


def test_a_member_of_a_namespace_gets_its_own_name_back():
    group = {"type": "namespace", "name": "mcp", "description": "d", "tools": [{"name": "read"}]}
    stream = encode_stream(script(*call_events(0, "mcp__read", "{}")), _with_tools(group))
    item = sdk_response(stream)["output"][0]
    assert (item["name"], item["namespace"]) == ("read", "mcp")


def test_citations_become_flat_annotations_before_the_end_of_the_text():
    citation = {"url": "https://a", "title": None, "start": None, "end": None, "text": None}
    stream = encode_stream(
        script(
            PartStart(i=0, part=Text(text="")),
            TextDelta(i=0, text="Hel"),
            CitationDelta(i=0, citation=citation),
            TextDelta(i=0, text="lo"),
            PartStop(i=0),
        )
    )
    annotation = {"type": "url_citation", "url": "https://a", "title": "", "start_index": 0, "end_index": 5}
    assert sdk_response(stream)["output"][0]["content"][0]["annotations"] == [annotation]


def test_a_refusal_is_a_part_of_its_own():
    stream = encode_stream(
        script(
            PartStart(i=0, part=RefusalText(text="")),
            TextDelta(i=0, text="No."),
            PartStop(i=0),
            stop=StopKind.REFUSAL,
        )
    )
    assert "refusal.delta" in types(stream)
    answer = sdk_response(stream)
    assert answer["status"] == "completed"
    assert answer["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]


def test_an_image_is_an_image_generation_call():
    image = Media(kind="image", mime="image/png", data=PNG)
    stream = encode_stream(script(PartStart(i=0, part=image), PartStop(i=0)))
    assert "image_generation_call.completed" in types(stream)
    item = sdk_response(stream)["output"][0]
    assert (item["type"], item["result"], item["output_format"]) == ("image_generation_call", PNG, "png")


def test_openais_own_items_pass_and_other_vendors_do_not_show():
    search = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search"}}
    events = script(
        PartStart(i=0, part=Unknown(raw=search, format=Format.RESPONSES)),
        PartStop(i=0),
        PartStart(i=1, part=Unknown(raw={"type": "server_tool_use"}, format=Format.CLAUDE)),
        PartStop(i=1),
        UnknownEvent(raw={"type": "ping"}, format=Format.CLAUDE),
    )
    assert sdk_response(encode_stream(events))["output"] == [search]


@pytest.mark.parametrize("kind", [StopKind.LENGTH, StopKind.CONTEXT_WINDOW])
def test_the_item_that_the_limit_cut_is_incomplete(kind):
    events = script(*text_events(0, "x"), *call_events(1, "f", '{"a'), stop=kind)
    answer = sdk_response(encode_stream(events))
    assert answer["status"] == "incomplete"
    assert answer["incomplete_details"] == {"reason": "max_output_tokens"}
    assert [item["status"] for item in answer["output"]] == ["completed", "incomplete"]


def test_a_part_without_an_end_is_closed():
    events = script(PartStart(i=0, part=ToolCall(id="c", name="f")), ArgumentsDelta(i=0, text='{"a'))
    assert types(encode_stream(events))[-3:] == [
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]


@pytest.mark.parametrize("kind", [StopKind.CONTENT_FILTER, StopKind.REFUSAL])
def test_a_filtered_answer_without_words_says_why(kind):
    events = [Start(), Stopped(stop=Stop(kind, message="Blocked.")), End()]
    answer = sdk_response(encode_stream(events))
    assert answer["incomplete_details"] == {"reason": "content_filter"}
    assert answer["output"][0]["content"] == [{"type": "refusal", "refusal": "Blocked."}]


def test_an_empty_answer_has_no_items_and_no_usage():
    answer = sdk_response(encode_stream([Start(), Stopped(stop=Stop(StopKind.END)), End()]))
    assert (answer["status"], answer["output"], answer["usage"]) == ("completed", [], None)


def test_only_the_first_alternative_is_shown():
    other = TextDelta(candidate=1, i=0, text="no")
    answer = sdk_response(encode_stream(script(other, *text_events(0, "yes"))))
    assert answer["output"][0]["content"][0]["text"] == "yes"


def test_an_error_is_an_event_and_a_failed_answer():
    info = ErrorInfo(status=429, message="Slow down", type="rate_limit_error", code="rate_limit_exceeded")
    stream = encode_stream([Start(), TextDelta(i=0, text="Hel"), StreamError(info=info), End()])
    event, failed = frames(stream)[-2:]
    assert (event["type"], event["message"], event["error"]["code"]) == (
        "error",
        "Slow down",
        "rate_limit_exceeded",
    )
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {"code": "rate_limit_exceeded", "message": "Slow down"}
    assert failed["response"]["output"][0]["status"] == "incomplete"


def test_an_error_before_anything_else_still_begins_with_an_answer():
    encoder = CODEC.stream_encoder(make_context())
    stream = encoder.error(ErrorInfo(status=502, message="Gone"))
    assert types(stream) == ["created", "in_progress", "error", "failed"]
    assert encoder.encode(TextDelta(i=0, text="late")) == b""


def test_an_answer_that_ended_in_a_failure_and_holds_nothing_fails():
    stream = encode_stream([Start(), Stopped(stop=Stop(StopKind.MALFORMED_CALL)), End()])
    assert frames(stream)[-1]["response"]["error"]["code"] == "server_error"


def test_a_heartbeat_is_a_comment():
    assert encode_stream([Heartbeat()]) == b": keep-alive\n\n"


def test_probabilities_travel_with_their_delta_and_with_the_whole_text():
    token = {
        "token": "Hi",
        "logprob": -0.1,
        "bytes": None,
        "top_logprobs": [{"token": "Hi", "logprob": -0.1}],
    }
    events = script(
        PartStart(i=0, part=Text(text="")), TextDelta(i=0, text="Hi", logprobs=[token]), PartStop(i=0)
    )
    stream = encode_stream(events)
    clean = {"token": "Hi", "logprob": -0.1, "bytes": []}
    wanted = [{**clean, "top_logprobs": [clean]}]
    assert next(data for data in frames(stream) if data["type"].endswith("delta"))["logprobs"] == wanted
    assert sdk_response(stream)["output"][0]["content"][0]["logprobs"] == wanted


@pytest.mark.parametrize(
    "events",
    [
        script(*text_events(0, "Hel", "lo"), usage=USAGE),
        script(*thought_events(0, "Hm.", Signature("c2ln", Format.CLAUDE)), *text_events(1, "x")),
        script(*text_events(0, "x"), *call_events(1, "f", '{"a', '":1}'), *call_events(2, "g")),
        script(*text_events(0, "a"), *call_events(1, "f", '{"a'), stop=StopKind.LENGTH),
        script(*call_events(0, "patch", "raw text", kind="custom"), stop=StopKind.TOOL_CALLS),
        script(
            PartStart(i=0, part=Text(text="")),
            TextDelta(i=0, text="Hi"),
            SignatureDelta(i=0, signature=Signature("Z2Vt", Format.GEMINI)),
            PartStop(i=0),
            *text_events(1, "there"),
        ),
    ],
)
def test_a_stream_ends_in_the_answer_that_a_client_without_stream_gets(events):
    whole = CODEC.encode_response(collect(events), make_context())
    assert sdk_response(encode_stream(events)) == whole


def test_usage_that_comes_before_and_after_the_stop_is_merged():
    events = [
        Start(usage=Usage(input_total=3)),
        *text_events(0, "x"),
        Stopped(stop=Stop(StopKind.END)),
        UsageUpdate(usage=Usage(output_total=2)),
        End(),
    ]
    assert sdk_response(encode_stream(events))["usage"]["total_tokens"] == 5


def test_a_delta_without_a_part_opens_one_and_one_of_another_kind_is_passed_over():
    events = script(
        ReasoningDelta(i=0, text="Hm."),
        TextDelta(i=0, text="lost"),
        TextDelta(i=1, text="Hi"),
        ReasoningDelta(i=1, text="lost"),
        ArgumentsDelta(i=2, text="lost"),
        CitationDelta(i=2, citation={"url": "https://a"}),
        SignatureDelta(i=2, signature=Signature("x", Format.CLAUDE)),
        PartStop(i=2),
    )
    thought, message = sdk_response(encode_stream(events))["output"]
    assert thought["summary"][0]["text"] == "Hm."
    assert message["content"][0]["text"] == "Hi"


def test_the_phase_of_a_message_is_shown():
    text = Text(text="Hi", ext={Format.RESPONSES: {"phase": "commentary"}})
    events = script(PartStart(i=0, part=text), PartStop(i=0))
    assert sdk_response(encode_stream(events))["output"][0]["phase"] == "commentary"


def test_unknown_events_of_openai_are_numbered_anew():
    event = UnknownEvent(raw={"type": "response.custom", "sequence_number": 99}, format=Format.RESPONSES)
    stream = encode_stream([Start(), event])
    assert b'event: response.custom\ndata: {"type":"response.custom","sequence_number":2}' in stream


def test_arguments_wrapped_in_something_else_than_text_are_sent_as_json():
    context = _with_tools({"type": "custom", "name": "patch"})
    stream = encode_stream(script(*call_events(0, "patch", '{"input":{"a":1}}')), context)
    assert sdk_response(stream)["output"][0]["input"] == '{"a":1}'
