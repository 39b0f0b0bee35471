"""Answers: the official OpenAI SDK through a real gateway to aimock as OpenAI, Anthropic and Gemini."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import openai
import pytest

from tests.integration.conftest import FORMATS, UPSTREAM_MODELS, Aimock

pytestmark = pytest.mark.parametrize("upstream", FORMATS)

PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40).decode()
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather in a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "get_time",
            "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}},
        },
    },
]


def asking(upstream: str, text: str) -> dict[str, Any]:
    return {"model": f"{upstream}-model", "messages": [{"role": "user", "content": text}]}


def model_names(upstream: str) -> set[str]:
    """What ``model`` in an answer may say: the name asked for; a passthrough may leave the upstream's."""
    return {f"{upstream}-model"} | ({UPSTREAM_MODELS["openai"]} if upstream == "openai" else set())


def streamed(sdk: openai.OpenAI, **request: Any) -> list[Any]:
    with sdk.chat.completions.create(**request, stream=True) as stream:
        return list(stream)


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def tool_calls_of(chunks: list[Any]) -> list[dict[str, Any]]:
    """Put streamed calls together by index, as every client does."""
    calls: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for piece in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            call = calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
            call["id"] += piece.id or ""
            call["name"] += piece.function.name or ""
            call["arguments"] += piece.function.arguments or ""
    assert list(calls) == list(range(len(calls)))
    return list(calls.values())


def finish_of(chunks: list[Any]) -> list[str]:
    return [
        chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason
    ]


def test_a_text_arrives_whole_with_its_usage_under_the_name_that_was_asked_for(sdk, upstream):
    answer = sdk.chat.completions.create(**asking(upstream, "say hello"))
    assert answer.choices[0].message.content == "Hello from the far side, dear caller."
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model in model_names(upstream)
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (
        11,
        7,
        18,
    )


def test_a_stream_says_the_same_as_the_whole_answer(sdk, upstream):
    chunks = streamed(sdk, **asking(upstream, "say hello"))
    assert text_of(chunks) == "Hello from the far side, dear caller."
    assert finish_of(chunks) == ["stop"]
    assert len({chunk.model for chunk in chunks}) == 1
    assert chunks[0].model in model_names(upstream)
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"


def test_usage_comes_in_a_last_chunk_when_asked_for(sdk, upstream):
    chunks = streamed(sdk, **asking(upstream, "say hello"), stream_options={"include_usage": True})
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert [(usage.prompt_tokens, usage.completion_tokens) for usage in usages] == [(11, 7)]
    assert chunks[-1].usage == usages[0]
    assert chunks[-1].choices == []


def test_usage_stays_away_when_not_asked_for(sdk, upstream):
    assert not [chunk for chunk in streamed(sdk, **asking(upstream, "say hello")) if chunk.usage]


def test_no_character_is_lost_or_split(sdk, upstream):
    expected = "Grüße, 世界 — naïve café 🎉👩‍🚀"
    assert sdk.chat.completions.create(**asking(upstream, "unicode")).choices[0].message.content == expected
    assert text_of(streamed(sdk, **asking(upstream, "unicode"))) == expected


def test_system_and_developer_messages_reach_the_upstream_as_instructions(sdk, upstream):
    request = asking(upstream, "who are you")
    request["messages"] = [
        {"role": "system", "content": "You are Ada."},
        {"role": "system", "content": [{"type": "text", "text": "Answer briefly."}]},
        *request["messages"],
    ]
    assert sdk.chat.completions.create(**request).choices[0].message.content == "I am Ada."


def test_a_tool_is_called_and_its_result_is_answered(sdk, upstream):
    request = asking(upstream, "the weather") | {"tools": TOOLS, "tool_choice": "auto"}
    answer = sdk.chat.completions.create(**request).choices[0]
    assert answer.finish_reason == "tool_calls"
    (call,) = answer.message.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Oslo", "days": 2}
    request["messages"] += [
        answer.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "minus four"},
    ]
    assert sdk.chat.completions.create(**request).choices[0].message.content == "It is minus four in Oslo."


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_parallel_tool_calls_keep_their_order_and_their_arguments(sdk, upstream, stream):
    request = asking(upstream, "two tools") | {"tools": TOOLS}
    if stream:
        chunks = streamed(sdk, **request)
        calls = tool_calls_of(chunks)
        assert finish_of(chunks) == ["tool_calls"]
    else:
        answer = sdk.chat.completions.create(**request).choices[0]
        assert answer.finish_reason == "tool_calls"
        calls = [
            {"id": call.id, "name": call.function.name, "arguments": call.function.arguments}
            for call in answer.message.tool_calls
        ]
    assert [call["name"] for call in calls] == ["get_weather", "get_time"]
    assert [json.loads(call["arguments"]) for call in calls] == [{"city": "Oslo", "days": 1}, {"zone": "UTC"}]
    assert len({call["id"] for call in calls} - {""}) == 2


def test_results_of_parallel_tools_find_their_calls(sdk, upstream):
    request = asking(upstream, "two tools") | {"tools": TOOLS}
    message = sdk.chat.completions.create(**request).choices[0].message
    request["messages"].append(message.model_dump(exclude_none=True))
    for call, result in zip(message.tool_calls, ["cold", "noon"], strict=True):
        request["messages"].append({"role": "tool", "tool_call_id": call.id, "content": result})
    assert sdk.chat.completions.create(**request).choices[0].message.content == "Cold, and noon."


def test_a_picture_reaches_the_upstream(sdk, upstream, aimock: Aimock):
    request = asking(upstream, "")
    request["messages"][0]["content"] = [
        {"type": "text", "text": "what is in this picture"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
    ]
    before = len(aimock.journal())
    assert sdk.chat.completions.create(**request).choices[0].message.content == "One red pixel."
    (entry,) = aimock.journal()[before:]
    # aimock journals a picture only in OpenAI's format, but always the length of what it was sent.
    assert int(entry["headers"]["content-length"]) > len(PICTURE)


def test_reasoning_stays_apart_from_the_text(sdk, upstream):
    request = asking(upstream, "think about it") | {"reasoning_effort": "low"}
    message = sdk.chat.completions.create(**request).choices[0].message
    assert message.content == "Forty-two."
    chunks = streamed(sdk, **request)
    assert text_of(chunks) == "Forty-two."
    if upstream != "openai":  # aimock's gpt-4o does not reason
        assert message.reasoning_content == "Six times seven."
        thoughts = [
            getattr(chunk.choices[0].delta, "reasoning_content", None) for chunk in chunks if chunk.choices
        ]
        assert "".join(thought or "" for thought in thoughts) == "Six times seven."


def test_a_schema_is_asked_for_and_its_json_comes_back(sdk, upstream):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    answer = sdk.chat.completions.create(
        **asking(upstream, "as json"),
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "person", "strict": True, "schema": schema},
        },
    )
    assert json.loads(answer.choices[0].message.content or "") == {"name": "Ada", "age": 36}


def test_running_out_of_tokens_is_told(sdk, upstream):
    request = asking(upstream, "run out") | {"max_tokens": 5}
    assert sdk.chat.completions.create(**request).choices[0].finish_reason == "length"
    assert finish_of(streamed(sdk, **request)) == ["length"]


async def test_many_at_once_do_not_mix(async_sdk: openai.AsyncOpenAI, upstream):
    async def ask(number: int) -> str:
        text = "say hello" if number % 2 else "unicode"
        stream = await async_sdk.chat.completions.create(**asking(upstream, text), stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    answers = await asyncio.gather(*(ask(number) for number in range(24)))
    assert set(answers[1::2]) == {"Hello from the far side, dear caller."}
    assert set(answers[0::2]) == {"Grüße, 世界 — naïve café 🎉👩‍🚀"}


def test_the_answer_says_who_served_it(sdk, upstream):
    raw = sdk.chat.completions.with_raw_response.create(
        **asking(upstream, "say hello"), extra_headers={"x-request-id": "asked-by-me"}
    )
    assert raw.headers["x-request-id"] == "asked-by-me"
    assert raw.headers["x-cliproxy-attempts"] == "1"
    assert raw.headers["x-cliproxy-provider"]
    assert float(raw.headers["x-cliproxy-overhead-ms"]) >= 0
