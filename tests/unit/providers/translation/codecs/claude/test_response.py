import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.codecs.claude.codec import CODEC
from providers.translation.model import (
    Activity,
    Candidate,
    Media,
    Reasoning,
    RefusalText,
    Response,
    Signature,
    Stop,
    StopKind,
    Text,
    Tool,
    ToolCall,
    Unknown,
    Usage,
)
from providers.translation.names import NameMap
from providers.values import Format

from .wire import make_context, make_request, sdk_answer


def make_body(*content, reason="end_turn", **fields):
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": list(content),
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 2},
        **fields,
    }


def make_response(*parts, stop=StopKind.END, **fields):
    candidate = Candidate(parts=parts, stop=stop if isinstance(stop, Stop) else Stop(stop))
    return Response(id="msg_1", model="up", candidates=(candidate,), **fields)


def decode(body, context=None):
    return CODEC.decode_response(body, context or make_context())


def encode(response, context=None):
    body = CODEC.encode_response(response, context or make_context())
    sdk_answer(body)
    return body


STOPS = [
    ("end_turn", StopKind.END),
    ("max_tokens", StopKind.LENGTH),
    ("model_context_window_exceeded", StopKind.CONTEXT_WINDOW),
    ("tool_use", StopKind.TOOL_CALLS),
    ("refusal", StopKind.CONTENT_FILTER),
    ("pause_turn", StopKind.PAUSE),
]


@pytest.mark.parametrize(("reason", "kind"), STOPS)
def test_stop_reasons_map_both_ways(reason, kind):
    assert decode(make_body(reason=reason)).candidates[0].stop == Stop(kind, detail=reason)
    assert encode(make_response(stop=kind))["stop_reason"] == reason


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (StopKind.REFUSAL, "refusal"),
        (StopKind.STOP_SEQUENCE, "end_turn"),
        (StopKind.CANCELLED, "end_turn"),
        (StopKind.OTHER, "end_turn"),
    ],
)
def test_stops_without_a_counterpart_end_the_turn(kind, reason):
    assert encode(make_response(stop=kind))["stop_reason"] == reason


@pytest.mark.parametrize("kind", [StopKind.MALFORMED_CALL, StopKind.ERROR])
def test_a_failure_without_content_is_an_error_and_with_some_the_end_of_the_turn(kind):
    with pytest.raises(UpstreamProtocolError, match="without an answer"):
        encode(make_response(stop=kind))
    assert encode(make_response(Text(text="a"), stop=kind))["stop_reason"] == "end_turn"


@pytest.mark.parametrize(
    ("stop", "explanation"),
    [
        (Stop(StopKind.CONTENT_FILTER, detail="SAFETY"), "The provider blocked this answer (SAFETY)."),
        (Stop(StopKind.CONTENT_FILTER, detail="refusal"), None),
        (Stop(StopKind.REFUSAL, detail="stop"), None),
        (Stop(StopKind.REFUSAL, message="No."), "No."),
    ],
)
def test_what_blocked_an_answer_is_explained(stop, explanation):
    details = CODEC.encode_response(
        Response(id="x", model="m", candidates=(Candidate(stop=stop),)), make_context()
    ).get("stop_details")
    assert (details and details["explanation"]) == explanation


def test_unknown_stop_reasons_keep_their_spelling():
    stop = decode(make_body(reason="compaction")).candidates[0].stop
    assert stop == Stop(StopKind.OTHER, detail="compaction")


def test_a_stop_sequence_carries_its_text():
    body = make_body(reason="stop_sequence") | {"stop_sequence": "END"}
    response = decode(body)
    assert response.candidates[0].stop.sequence == "END"
    sent = encode(response)
    assert (sent["stop_reason"], sent["stop_sequence"]) == ("stop_sequence", "END")


def test_an_explained_refusal_keeps_its_explanation():
    details = {"type": "refusal", "category": None, "explanation": "because"}
    response = decode(make_body(reason="refusal", stop_details=details))
    assert response.candidates[0].stop.message == "because"
    assert encode(response)["stop_details"] == details


@pytest.mark.parametrize("reason", ["end_turn", "stop_sequence"])
def test_a_call_outranks_a_plain_end_but_not_the_limit(reason):
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    assert decode(make_body(call, reason=reason)).candidates[0].stop.kind is StopKind.TOOL_CALLS
    assert decode(make_body(call, reason="max_tokens")).candidates[0].stop.kind is StopKind.LENGTH
    assert encode(make_response(ToolCall(id="t", name="f")))["stop_reason"] == "tool_use"


USAGES = {
    "plain": ({"input_tokens": 5, "output_tokens": 3}, Usage(input_total=5, output_total=3)),
    "cached": (
        {
            "input_tokens": 70,
            "output_tokens": 5,
            "cache_creation_input_tokens": 10,
            "cache_read_input_tokens": 20,
            "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 6},
            "output_tokens_details": {"thinking_tokens": 2},
        },
        Usage(
            input_total=100,
            cache_read=20,
            cache_write=10,
            cache_write_5m=4,
            cache_write_1h=6,
            output_total=5,
            reasoning=2,
        ),
    ),
}


@pytest.mark.parametrize(("raw", "usage"), USAGES.values(), ids=USAGES.keys())
def test_cached_tokens_are_added_on_the_way_in_and_subtracted_on_the_way_out(raw, usage):
    assert decode(make_body(usage=raw)).usage == usage
    assert encode(make_response(usage=usage))["usage"] == raw


def test_usage_is_never_negative_and_zero_when_unknown():
    odd = Usage(input_total=5, cache_read=9)
    assert encode(make_response(usage=odd))["usage"]["input_tokens"] == 0
    assert encode(make_response())["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert decode(make_body(usage=None)).usage is None


@pytest.mark.parametrize(("own", "tier"), [("standard", "default"), ("priority", "priority")])
def test_the_service_tier_is_echoed(own, tier):
    usage = {"input_tokens": 1, "output_tokens": 1, "service_tier": own}
    response = decode(make_body(usage=usage))
    assert response.service_tier == tier
    assert encode(response)["usage"]["service_tier"] == own


CITATION = {
    "type": "web_search_result_location",
    "url": "https://a.example/x",
    "title": "X",
    "cited_text": "c",
    "encrypted_index": "",
}

ROUND_TRIPS = {
    "text": (Text(text="hi"),),
    "cited text": (
        Text(
            text="cited",
            citations=({"url": "https://a.example/x", "title": "X", "start": 0, "end": 5, "text": "c"},),
        ),
    ),
    "thinking": (
        Reasoning(text="hm", signature=Signature("EqQB", Format.CLAUDE)),
        Reasoning(redacted=Signature("EmwK", Format.CLAUDE)),
        Text(text="a"),
        Reasoning(text="again", signature=Signature("EqQC", Format.CLAUDE)),
    ),
    "calls": (
        Text(text="a"),
        ToolCall(id="t1", name="f", arguments='{"b":123456789012345678901234567890,"a":"/<é>"}'),
        ToolCall(id="t2", name="f", arguments="{}"),
        Text(text="b"),
    ),
    "server tools": (
        Unknown(
            raw={"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
            format=Format.CLAUDE,
            activity=Activity(kind="web_search", text="q"),
        ),
    ),
    "nothing": (),
}


@pytest.mark.parametrize("parts", ROUND_TRIPS.values(), ids=ROUND_TRIPS.keys())
def test_decoding_what_was_encoded_gives_the_same_parts(parts):
    assert decode(encode(make_response(*parts))).candidates[0].parts == parts


def test_only_citations_with_a_url_are_neutral():
    inside = {
        "type": "char_location",
        "cited_text": "c",
        "document_index": 0,
        "start_char_index": 0,
        "end_char_index": 1,
    }
    body = make_body({"type": "text", "text": "ab", "citations": [inside, CITATION]})
    (text,) = decode(body).candidates[0].parts
    assert [citation["url"] for citation in text.citations] == ["https://a.example/x"]
    assert encode(decode(body))["content"][0]["citations"] == [CITATION]


def test_blank_text_makes_no_block_and_order_is_kept():
    parts = (Text(text=""), Reasoning(), RefusalText(text=""), ToolCall(id="t", name="f"), Text(text="end"))
    assert [block["type"] for block in encode(make_response(*parts))["content"]] == ["tool_use", "text"]


def test_a_refusal_is_text_and_a_stop_reason():
    sent = encode(make_response(RefusalText(text="No.")))
    assert sent["content"] == [{"type": "text", "text": "No."}]
    assert sent["stop_reason"] == "refusal"


def test_a_blocked_prompt_is_an_empty_answer_with_a_reason():
    sent = encode(Response(id="x", model="g", candidates=(), block_reason="SAFETY"))
    assert (sent["id"], sent["content"], sent["stop_reason"]) == ("msg_5eed", [], "refusal")
    assert "SAFETY" in sent["stop_details"]["explanation"]
    assert encode(Response(id="x", model="g", candidates=()))["stop_reason"] == "end_turn"


MARKDOWN = {
    "![image](data:image/png;base64,iVBO)": Media(kind="image", mime="image/png", data="iVBO"),
    "![cat](https://a.example/c.png)": Media(kind="image", url="https://a.example/c.png", title="cat"),
    "[audio](file_1)": Media(kind="audio", file_id="file_1"),
    "note": Media(kind="document", text="note"),
}


@pytest.mark.parametrize(("text", "media"), MARKDOWN.items())
def test_generated_media_become_markdown(text, media):
    assert encode(make_response(media))["content"] == [{"type": "text", "text": text}]


def test_activity_of_other_vendors_is_left_out():
    foreign = Unknown(raw={"type": "web_search_call"}, format=Format.RESPONSES)
    assert encode(make_response(foreign, Text(text="a")))["content"] == [{"type": "text", "text": "a"}]


def test_a_call_without_an_id_gets_one_and_odd_arguments_an_object():
    parts = (
        ToolCall(id="", name="f", arguments="[1]"),
        ToolCall(id="", name="f", kind="custom", arguments="x"),
    )
    first, second = encode(make_response(*parts))["content"]
    assert first["id"] != second["id"]
    assert (first["input"], second["input"]) == ({"input": [1]}, {"input": "x"})


def test_names_and_custom_calls_come_back_as_the_client_knows_them():
    request = make_request(tools=(Tool(name="run.sql", kind="custom"), Tool(name="a.b")))
    context = make_context(request, NameMap({"run.sql": "run_sql", "a.b": "a_b"}))
    body = make_body(
        {"type": "tool_use", "id": "1", "name": "run_sql", "input": {"input": "SELECT 1"}},
        {"type": "tool_use", "id": "2", "name": "a_b", "input": {"x": 1}},
        {"type": "tool_use", "id": "3", "name": "run_sql", "input": {"query": "odd"}},
        {"type": "tool_use", "id": "4", "name": "a_b", "input": None},
    )
    assert decode(body, context).candidates[0].parts == (
        ToolCall(id="1", name="run.sql", kind="custom", arguments="SELECT 1"),
        ToolCall(id="2", name="a.b", arguments='{"x":1}'),
        ToolCall(id="3", name="run.sql", kind="custom", arguments='{"query":"odd"}'),
        ToolCall(id="4", name="a.b", arguments="{}"),
    )


def test_unknown_fields_of_the_message_reach_only_their_own_format():
    response = decode(make_body(container={"id": "c", "expires_at": "2026-01-01T00:00:00Z"}))
    assert encode(response)["container"]["id"] == "c"
    assert response.model == "claude-x"
    assert encode(response)["model"] == "fast"


NO_MESSAGE = {
    "list": [],
    "no content": {"id": "x"},
    "content": {"content": "text"},
    "block": {"content": ["text"]},
    "call without name": {"content": [{"type": "tool_use", "id": "t", "input": {}}]},
    "error": {"type": "error", "error": {"type": "api_error", "message": "boom"}},
}


@pytest.mark.parametrize("body", NO_MESSAGE.values(), ids=NO_MESSAGE.keys())
def test_what_is_no_message_is_a_protocol_error(body):
    with pytest.raises(UpstreamProtocolError):
        decode(body)


def test_citations_that_are_no_citations_are_passed_by():
    body = make_body({"type": "text", "text": "a", "citations": ["x", {"type": "odd"}]})
    assert decode(body).candidates[0].parts == (Text(text="a"),)
    uncited = Text(text="a", citations=({"title": "no address"},))
    assert encode(make_response(uncited))["content"] == [{"type": "text", "text": "a"}]
