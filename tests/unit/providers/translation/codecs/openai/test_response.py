"""Whole Chat Completions answers, both ways."""

from __future__ import annotations

import pytest
from openai.types.chat import ChatCompletion

from providers.errors import UpstreamProtocolError
from providers.translation.codecs.openai.codec import CODEC
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
from tests.unit.providers.translation.codecs.openai.cast import context, custom_request, legacy_request

USAGE = Usage(
    input_total=10,
    cache_read=4,
    cache_write=2,
    output_total=7,
    reasoning=3,
    audio_in=1,
    audio_out=1,
    total=17,
)
CITED = {"url": "https://x.example", "title": "X", "start": 0, "end": 2, "text": "Hi"}
LOGPROBS = [{"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}]


def answer(message=None, finish="stop", **extra):
    choice = {
        "index": 0,
        "message": message or {"role": "assistant", "content": "Hi"},
        "finish_reason": finish,
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 5,
        "model": "up",
        "choices": [choice],
        **extra,
    }


def read(*args, ctx=None, **extra) -> Response:
    return CODEC.decode_response(answer(*args, **extra), ctx or context())


def response(*parts, stop=StopKind.END, **fields) -> Response:
    candidate = Candidate(parts=parts, stop=Stop(stop, detail=fields.pop("detail", None)))
    return Response(id="chatcmpl-1", model="fast", created=5, candidates=(candidate,), **fields)


def write(neutral: Response, **changes) -> dict:
    body = CODEC.encode_response(neutral, context(**changes))
    ChatCompletion.model_validate(body, strict=True)
    return body


@pytest.mark.parametrize(
    "neutral",
    [
        response(Text(text="Hi"), detail="stop", usage=USAGE),
        response(Text(text="Hi", citations=(CITED,)), detail="stop", service_tier="flex"),
        response(Reasoning(text="hmm"), Text(text="Hi"), stop=StopKind.LENGTH, detail="length"),
        response(
            ToolCall(id="a", name="f", arguments='{"a": 1}'),
            ToolCall(id="b", name="sh", arguments="ls", kind="custom"),
            stop=StopKind.TOOL_CALLS,
            detail="tool_calls",
        ),
        response(
            ToolCall(id="a", name="f", arguments="{}", signature=Signature("c2ln", Format.GEMINI)),
            stop=StopKind.TOOL_CALLS,
            detail="tool_calls",
        ),
        response(RefusalText(text="No"), stop=StopKind.REFUSAL, detail="stop"),
        response(Text(text="par"), stop=StopKind.CONTENT_FILTER, detail="content_filter"),
        response(Text(text="a"), Media(kind="image", mime="image/png", data="AAAA"), detail="stop"),
        Response(
            id="chatcmpl-x",
            model="fast",
            created=5,
            candidates=tuple(
                Candidate(
                    index=i, parts=(Text(text=str(i)),), stop=Stop(StopKind.END, "stop"), logprobs=LOGPROBS
                )
                for i in range(2)
            ),
            ext={Format.OPENAI: {"system_fingerprint": "fp"}},
        ),
    ],
)
def test_decoding_what_was_encoded_gives_the_same_answer(neutral):
    assert CODEC.decode_response(write(neutral), context()) == neutral


@pytest.mark.parametrize(
    ("message", "finish", "kind"),
    [
        ({"content": "x"}, "stop", StopKind.END),
        ({"content": "x"}, None, StopKind.END),
        ({"content": "x"}, "", StopKind.END),
        ({"content": "x"}, "eos_token", StopKind.END),
        ({"content": "x"}, "length", StopKind.LENGTH),
        ({"content": "x"}, "MAX_TOKENS", StopKind.LENGTH),
        ({"content": "x"}, "content_filter", StopKind.CONTENT_FILTER),
        ({"content": "x"}, "something", StopKind.OTHER),
        ({"content": "x"}, "tool_calls", StopKind.END),
        ({"refusal": "x"}, "stop", StopKind.REFUSAL),
        ({"tool_calls": [{"id": "a", "function": {"name": "f"}}]}, "stop", StopKind.TOOL_CALLS),
        ({"tool_calls": [{"id": "a", "function": {"name": "f"}}]}, None, StopKind.TOOL_CALLS),
        ({"tool_calls": [{"id": "a", "function": {"name": "f"}}]}, "length", StopKind.LENGTH),
        ({"function_call": {"name": "f"}}, "function_call", StopKind.TOOL_CALLS),
    ],
)
def test_the_reason_to_stop_is_read_with_its_precedence(message, finish, kind):
    stop = read(message, finish).candidates[0].stop
    assert stop is not None
    assert stop.kind is kind


@pytest.mark.parametrize(
    ("parts", "stop", "finish"),
    [
        ((Text(text="x"),), StopKind.END, "stop"),
        ((Text(text="x"),), StopKind.STOP_SEQUENCE, "stop"),
        ((Text(text="x"),), StopKind.CONTEXT_WINDOW, "length"),
        ((Text(text="x"),), StopKind.PAUSE, "stop"),
        ((Text(text="x"),), StopKind.OTHER, "stop"),
        ((Text(text="x"),), StopKind.MALFORMED_CALL, "stop"),
        ((Text(text="x"),), StopKind.REFUSAL, "content_filter"),
        ((Text(text="x"),), StopKind.TOOL_CALLS, "stop"),
        ((ToolCall(id="a", name="f"),), StopKind.END, "tool_calls"),
        ((ToolCall(id="a", name="f"),), StopKind.LENGTH, "length"),
        ((), StopKind.LENGTH, "length"),
    ],
)
def test_the_finish_reason_is_always_a_published_one(parts, stop, finish):
    assert write(response(*parts, stop=stop))["choices"][0]["finish_reason"] == finish


def test_the_client_sees_the_model_that_it_asked_for():
    assert write(response(Text(text="x")), model="alias")["model"] == "alias"


def test_vendor_habits_are_read():
    neutral = read(
        {
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            "reasoning": "hmm",
            "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}],
        },
        usage={"prompt_tokens": 3, "completion_tokens": 4, "prompt_cache_hit_tokens": 2},
    )
    assert neutral.candidates[0].parts == (
        Reasoning(text="hmm"),
        Text(text="ab"),
        ToolCall(id="call_5eed_0_0", name="f", arguments='{"a":1}'),
    )
    assert neutral.usage == Usage(input_total=3, output_total=4, cache_read=2)


def test_names_are_restored():
    ctx = context(names=NameMap({"ns.tool": "ns_tool"}))
    neutral = read({"tool_calls": [{"id": "a", "function": {"name": "ns_tool"}}]}, ctx=ctx)
    assert neutral.candidates[0].parts == (ToolCall(id="a", name="ns.tool"),)


def test_content_is_null_beside_calls_and_empty_when_there_is_nothing():
    assert write(response(ToolCall(id="a", name="f")))["choices"][0]["message"]["content"] is None
    assert write(response())["choices"][0]["message"]["content"] == ""


def test_several_texts_and_thoughts_join_and_citations_shift():
    body = write(
        response(
            Reasoning(text="one"),
            Text(text="Hi "),
            Reasoning(text="two"),
            Text(text="there", citations=({"url": "https://x.example", "start": 0, "end": 5},)),
        )
    )
    message = body["choices"][0]["message"]
    assert message["content"] == "Hi there"
    assert message["reasoning_content"] == "one\n\ntwo"
    cited = message["annotations"][0]["url_citation"]
    assert (cited["start_index"], cited["end_index"]) == (3, 8)


def test_a_blocked_prompt_is_a_refusal_and_no_error():
    body = write(Response(id="", model="g", candidates=(), block_reason="SAFETY"))
    choice = body["choices"][0]
    assert choice["finish_reason"] == "content_filter"
    assert "SAFETY" in choice["message"]["refusal"]
    assert body["id"] == "chatcmpl-5eed"


def test_a_filtered_empty_candidate_says_why():
    candidate = Candidate(stop=Stop(StopKind.CONTENT_FILTER, detail="SAFETY", message="Too hot"))
    choice = write(Response(id="x", model="g", candidates=(candidate,)))["choices"][0]
    assert choice["message"]["refusal"] == "Too hot"
    assert choice["finish_reason"] == "content_filter"


def test_an_empty_failure_is_an_error():
    with pytest.raises(UpstreamProtocolError):
        write(response(stop=StopKind.MALFORMED_CALL))


def test_usage_is_left_out_when_unknown_and_summed_when_without_total():
    assert "usage" not in write(response(Text(text="x")))
    usage = write(response(Text(text="x"), usage=Usage(input_total=2, output_total=3)))["usage"]
    assert usage == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


def test_the_legacy_client_gets_a_function_call():
    body = write(response(ToolCall(id="a", name="f"), stop=StopKind.TOOL_CALLS), request=legacy_request())
    choice = body["choices"][0]
    assert choice["message"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert choice["finish_reason"] == "function_call"


def test_a_free_form_tool_gets_its_text_back_unwrapped():
    wrapped = ToolCall(id="a", name="shell", arguments='{"input":"ls -l"}')
    body = write(response(wrapped), request=custom_request())
    assert body["choices"][0]["message"]["tool_calls"] == [
        {"id": "a", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}}
    ]


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"choices": []},
        {"choices": [{}]},
        {"choices": ["x"]},
        {"error": {"message": "no", "code": 502}},
        {"choices": [{"message": {"tool_calls": [{"id": "a", "function": {}}]}}]},
        {"choices": [{"message": {"tool_calls": ["x"]}}]},
    ],
)
def test_what_is_no_answer_is_the_upstreams_fault(body):
    with pytest.raises(UpstreamProtocolError):
        CODEC.decode_response(body, context())


def test_an_audio_answer_goes_through():
    audio = {"id": "audio_1", "data": "AAAA", "expires_at": 9, "transcript": "Hi"}
    neutral = read({"role": "assistant", "content": None, "audio": audio})
    assert write(neutral)["choices"][0]["message"]["audio"] == audio


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"prompt_tokens": 3.0, "cached_tokens": 2}, Usage(input_total=3, cache_read=2)),
        ({"prompt_tokens": "3", "completion_tokens": True, "total_tokens": -1}, None),
        ({}, None),
        ("x", None),
        ({"prompt_tokens": 1, "prompt_tokens_details": None}, Usage(input_total=1)),
    ],
)
def test_odd_usage_is_read_as_far_as_it_makes_sense(raw, expected):
    assert read(usage=raw).usage == expected


def test_a_cache_write_split_by_age_is_added_up():
    usage = Usage(input_total=9, output_total=1, cache_write_5m=2, cache_write_1h=3)
    assert write(response(Text(text="x"), usage=usage))["usage"]["prompt_tokens_details"] == {
        "cache_write_tokens": 5
    }


def test_flat_and_broken_annotations_and_images_are_survived():
    flat = {"type": "url_citation", "url": "https://x.example", "start_index": 0, "end_index": 2}
    images = [7, {"image_url": "https://x.example/i.png"}, {"image_url": {"url": "data:image/png;base64,@"}}]
    message = {"content": "Hi!", "annotations": [flat, {"type": "url_citation"}, 7], "images": images}
    text, image = read(message).candidates[0].parts
    assert text == Text(
        text="Hi!",
        citations=({"url": "https://x.example", "title": None, "start": 0, "end": 2, "text": "Hi"},),
    )
    assert image == Media(kind="image", url="https://x.example/i.png")


def test_citations_without_a_span_cover_their_text_and_without_an_address_go():
    body = write(response(Text(text="Hi!", citations=({"url": "https://x.example"}, {"title": "t"}))))
    (note,) = body["choices"][0]["message"]["annotations"]
    assert (note["url_citation"]["start_index"], note["url_citation"]["end_index"]) == (0, 3)
