"""Structured output as a forced call that nobody sees: what is sent, and what comes back."""

from __future__ import annotations

import msgspec
import pytest

from providers.translation.codec import Capabilities
from providers.translation.codecs.claude.codec import CODEC
from providers.translation.model import OutputConfig, ReasoningConfig, StopKind, Text, Tool, ToolCall

from .wire import assistant, collect, decode, make_context, make_request, sse, user

OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
LIST = {"type": "array", "items": {"type": "string"}}
OLD = Capabilities(structured_output=False, thinking="budget")


def asked(schema=OBJECT, *turns, **fields):
    output = OutputConfig(kind="json_schema", schema=schema, description="A number.")
    return make_request(*turns, output=output, **fields)


def body(request, can=OLD):
    return CODEC.encode_request(request, "m", can).body


def test_the_schema_is_the_input_of_a_forced_tool():
    sent = body(asked())
    (tool,) = sent["tools"]
    assert (tool["name"], tool["input_schema"]) == ("structured_answer", OBJECT)
    assert tool["description"].endswith("A number.")
    assert sent["tool_choice"] == {
        "type": "tool",
        "name": "structured_answer",
        "disable_parallel_tool_use": True,
    }
    assert "output_config" not in sent
    assert "system" not in sent


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": (Tool(name="f"),)},
        {"reasoning": ReasoningConfig(mode="on", budget=2000)},
        {"turns": (user("q"), assistant("{"))},
    ],
    ids=["tools of the client", "thinking", "a prefill"],
)
def test_where_it_would_exclude_what_was_asked_for_the_schema_is_told_in_words(fields):
    turns = fields.pop("turns", ())
    sent = body(asked(OBJECT, *turns, **fields))
    assert "structured_answer" not in str(sent)
    assert "JSON Schema" in sent["system"][-1]["text"]


def test_models_with_structured_output_need_no_tool():
    assert "tools" not in body(asked(), Capabilities())


def answer(value, **fields):
    block = {"type": "tool_use", "id": "toolu_1", "name": "structured_answer", "input": value}
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [block],
        "stop_reason": "tool_use", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
        **fields,
    }  # fmt: skip


ANSWERS = pytest.mark.parametrize(
    ("schema", "value", "text"),
    [
        (OBJECT, {"a": 1}, '{"a":1}'),
        (OBJECT, {}, "{}"),
        (LIST, {"input": ["x", "é"]}, '["x","é"]'),
        ({"type": "string"}, {"input": "x"}, '"x"'),
        ({"type": "object", "properties": {"input": LIST}}, {"input": ["x"]}, '{"input":["x"]}'),
    ],
)


@ANSWERS
def test_its_input_is_the_text_of_the_answer_and_the_turn_is_over(schema, value, text):
    response = CODEC.decode_response(answer(value), make_context(asked(schema)))
    (candidate,) = response.candidates
    assert candidate.parts == (Text(text=text),)
    assert candidate.stop is not None
    assert candidate.stop.kind is StopKind.END


@ANSWERS
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_stream_says_the_same(schema, value, text, size):
    whole = msgspec.json.encode(value).decode()
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    block = {"type": "tool_use", "id": "toolu_1", "name": "structured_answer", "input": {}}
    stream = sse(
        {"type": "message_start", "message": {**answer({}), "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "input_json_delta", "partial_json": one},
            }
            for one in pieces
            if value
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    )
    context = make_context(asked(schema))
    (candidate,) = collect(decode([stream], context), context).candidates
    assert candidate.parts == (Text(text=text),)
    assert candidate.stop is not None
    assert candidate.stop.kind is StopKind.END


def test_an_answer_that_the_limit_cut_says_so():
    response = CODEC.decode_response(answer({"a": 1}, stop_reason="max_tokens"), make_context(asked()))
    stop = response.candidates[0].stop
    assert stop is not None
    assert stop.kind is StopKind.LENGTH


def test_a_tool_of_the_client_by_that_name_is_called():
    request = asked(tools=(Tool(name="structured_answer"),))
    (part,) = CODEC.decode_response(answer({"a": 1}), make_context(request)).candidates[0].parts
    assert isinstance(part, ToolCall)
