from __future__ import annotations

import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.codecs.responses.codec import CODEC
from providers.translation.model import (
    Candidate,
    Media,
    Reasoning,
    RefusalText,
    Response,
    Signature,
    Stop,
    StopKind,
    Text,
    ToolCall,
    Usage,
)
from providers.translation.names import NameMap
from providers.values import Format
from tests.unit.providers.translation.codecs.responses.wire import (
    PNG,
    answer,
    call_item,
    check_answer,
    decode_request,
    make_context,
    message_item,
    reasoning_item,
)


def decode(body, **context):
    return CODEC.decode_response(body, make_context(**context))


def encode(*parts, stop=StopKind.END, context=None, **fields) -> dict:
    candidate = Candidate(parts=parts, stop=Stop(stop))
    response = Response(id="up-1", model="up", candidates=(candidate,), **fields)
    return check_answer(CODEC.encode_response(response, context or make_context()))


# --- decoding


def test_a_whole_answer_is_read():
    response = decode(answer(reasoning_item(), message_item(), call_item()))
    assert (response.id, response.model, response.created) == ("resp_1", "gpt-up", 1_699_999_999)
    assert response.candidates[0].parts == (
        Reasoning(
            text="Hm.", is_summary=True, signature=Signature("gAAA-state_", Format.RESPONSES), item_id="rs_1"
        ),
        Text(text="Hello"),
        ToolCall(id="call_1", name="look", arguments='{"q":1}', item_id="fc_1"),
    )
    assert response.candidates[0].stop == Stop(StopKind.TOOL_CALLS, detail="completed")
    assert response.usage == Usage(
        input_total=10, cache_read=4, cache_write=1, output_total=7, reasoning=3, total=17
    )


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, StopKind.END),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, StopKind.LENGTH),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            StopKind.CONTENT_FILTER,
        ),
        ({"status": "incomplete", "incomplete_details": None}, StopKind.OTHER),
        ({"status": "cancelled"}, StopKind.CANCELLED),
    ],
)
def test_the_status_becomes_a_stop(fields, kind):
    assert decode(answer(message_item(), **fields)).candidates[0].stop.kind is kind


def test_a_limit_stands_even_after_a_call():
    cut = answer(call_item(), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert decode(cut).candidates[0].stop.kind is StopKind.LENGTH


def test_a_refusal_part_is_a_refusal():
    item = {"id": "m", "type": "message", "content": [{"type": "refusal", "refusal": "No."}]}
    candidate = decode(answer(item)).candidates[0]
    assert candidate.parts == (RefusalText(text="No."),)
    assert candidate.stop.kind is StopKind.REFUSAL


def test_flat_annotations_become_citations():
    annotation = {"type": "url_citation", "start_index": 0, "end_index": 4, "title": "T", "url": "https://a"}
    other = {"type": "file_citation", "file_id": "f", "filename": "a", "index": 0}
    text = decode(answer(message_item(annotations=[annotation, other, None]))).candidates[0].parts[0]
    assert text.citations == ({"url": "https://a", "title": "T", "start": 0, "end": 4, "text": "Hell"},)


def test_an_image_is_read_with_its_type():
    item = {"id": "ig_1", "type": "image_generation_call", "result": PNG, "output_format": "webp"}
    assert decode(answer(item)).candidates[0].parts == (Media(kind="image", mime="image/webp", data=PNG),)


def test_names_are_restored_and_a_missing_call_id_is_made_up():
    names = NameMap({"a.b": "a_b"})
    item = {"type": "function_call", "name": "a_b", "arguments": {"q": 1}}
    call = decode(answer(item), names=names).candidates[0].parts[0]
    assert (call.name, call.id, call.arguments) == ("a.b", "call_5eed_0", '{"q":1}')


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (3, "not a JSON object"),
        ({}, "no output"),
        ({"error": {"message": "Boom", "type": "server_error"}}, "Boom"),
        ({"error": "Boom"}, "Boom"),
        (answer(status="failed", error={"code": "server_error", "message": "Boom"}), "Boom"),
        (answer(status="in_progress"), "not finished"),
        (answer(status="queued"), "not finished"),
        (answer({"type": "function_call", "arguments": "{}"}), "without a name"),
    ],
)
def test_what_is_no_answer_is_a_protocol_error(body, text):
    with pytest.raises(UpstreamProtocolError, match=text):
        decode(body)


def test_junk_in_the_output_is_passed_over():
    junk: list = [
        None,
        3,
        {"type": "message", "content": 3},
        {"type": "reasoning", "summary": [3, {"text": 4}]},
    ]
    assert decode(answer(*junk)).candidates[0].parts == ()


# --- encoding


def test_what_was_encoded_is_decoded_to_the_same():
    response = Response(
        id="resp_1",
        model="fast",
        created=5,
        candidates=(
            Candidate(
                parts=(
                    Reasoning(
                        text="Hm.",
                        is_summary=True,
                        signature=Signature("gAAA", Format.RESPONSES),
                        item_id="rs_1",
                    ),
                    Text(
                        text="Hello",
                        citations=(
                            {"url": "https://a", "title": "T", "start": 0, "end": 5, "text": "Hello"},
                        ),
                    ),
                    ToolCall(id="c1", name="f", arguments='{"q": 12345678901234567890}', item_id="fc_1"),
                    ToolCall(id="c2", name="p", arguments="raw", kind="custom", item_id="ctc_1"),
                    Media(kind="image", mime="image/png", data=PNG),
                ),
                stop=Stop(StopKind.TOOL_CALLS, detail="completed"),
            ),
        ),
        usage=Usage(input_total=3, cache_read=1, cache_write=0, output_total=4, reasoning=2, total=7),
        service_tier="flex",
    )
    body = check_answer(CODEC.encode_response(response, make_context()))
    assert decode(body) == response


def test_ids_that_this_gateway_made_up_are_not_taken_for_the_vendors():
    body = encode(Reasoning(text="Hm."), ToolCall(id="c1", name="f"))
    assert [part.item_id for part in decode(body).candidates[0].parts] == [None, None]


def test_order_and_types_of_items_follow_the_parts():
    body = encode(Reasoning(text="Hm."), Text(text="a"), ToolCall(id="c", name="f"), Text(text="b"))
    assert [item["type"] for item in body["output"]] == ["reasoning", "message", "function_call", "message"]
    assert len({item["id"] for item in body["output"]}) == 4


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        (StopKind.END, "completed", None),
        (StopKind.STOP_SEQUENCE, "completed", None),
        (StopKind.TOOL_CALLS, "completed", None),
        (StopKind.PAUSE, "completed", None),
        (StopKind.OTHER, "completed", None),
        (StopKind.MALFORMED_CALL, "completed", None),
        (StopKind.LENGTH, "incomplete", "max_output_tokens"),
        (StopKind.CONTEXT_WINDOW, "incomplete", "max_output_tokens"),
        (StopKind.CONTENT_FILTER, "incomplete", "content_filter"),
        (StopKind.REFUSAL, "incomplete", "content_filter"),
    ],
)
def test_a_stop_becomes_a_status_of_the_published_list(kind, status, reason):
    body = encode(Text(text="x"), stop=kind)
    assert body["status"] == status
    assert body["incomplete_details"] == ({"reason": reason} if reason else None)


def test_a_blocked_prompt_is_an_incomplete_answer():
    blocked = Response(id="", model="g", candidates=(), block_reason="SAFETY")
    body = check_answer(CODEC.encode_response(blocked, make_context()))
    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "content_filter"})
    assert "SAFETY" in body["output"][0]["content"][0]["refusal"]


def test_an_answer_that_failed_and_holds_nothing_is_a_protocol_error():
    with pytest.raises(UpstreamProtocolError, match="without an answer"):
        encode(stop=StopKind.ERROR)


def test_the_request_is_echoed():
    request = decode_request(
        instructions="Be brief.",
        tools=[{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}],
        tool_choice={"type": "function", "name": "f"},
        parallel_tool_calls=False,
        reasoning={"effort": "high", "summary": "detailed"},
        text={
            "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}},
            "verbosity": "low",
        },
        temperature=0.5,
        max_output_tokens=99,
        metadata={"a": "b"},
        safety_identifier="u",
        store=True,
        previous_response_id="resp_0",
        truncation="auto",
        service_tier="auto",
    )
    body = encode(Text(text="x"), context=make_context(request=request))
    assert body["instructions"] == "Be brief."
    assert body["tools"][0] == {
        "type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True,
    }  # fmt: skip
    assert body["tool_choice"] == {"type": "function", "name": "f"}
    assert body["parallel_tool_calls"] is False
    assert body["reasoning"] == {"effort": "high", "summary": "detailed"}
    assert body["text"]["format"]["name"] == "n"
    assert body["text"]["verbosity"] == "low"
    assert (body["temperature"], body["max_output_tokens"], body["metadata"]) == (0.5, 99, {"a": "b"})
    assert (body["safety_identifier"], body["user"], body["store"]) == ("u", None, True)
    assert (body["previous_response_id"], body["truncation"]) == ("resp_0", "auto")
    assert body["service_tier"] == "default"


def test_without_a_request_the_required_echoes_have_the_services_defaults():
    body = encode(Text(text="x"))
    assert (body["tools"], body["tool_choice"], body["parallel_tool_calls"]) == ([], "auto", True)
    assert body["usage"] is None


def test_media_that_an_output_cannot_show_are_links():
    body = encode(
        Media(kind="audio", data="AAAA", mime="audio/wav"), Media(kind="image", url="https://a/b.png")
    )
    (message,) = body["output"]
    assert [part["text"] for part in message["content"]] == [
        "[audio](data:audio/wav;base64,AAAA)",
        "![image](https://a/b.png)",
    ]


def test_an_image_in_a_data_url_is_shown():
    body = encode(Media(kind="image", url=f"data:image/png;base64,{PNG}"))
    assert body["output"][0]["result"] == PNG
