"""The other formats' upstream streams and clients, through this codec: what one says the other can show."""

from __future__ import annotations

import msgspec
import pytest

from providers.translation.codec import AnswerContext, Capabilities
from providers.translation.codecs.responses.codec import CODEC
from providers.translation.json_text import dumps
from providers.translation.model import Event
from providers.translation.registry import CODECS
from providers.translation.sse import SseReader
from providers.values import Format
from tests.unit.providers.translation.codecs.responses.wire import (
    answer,
    call_item,
    collect,
    decode_request,
    decode_stream,
    encode_stream,
    make_context,
    message_item,
    reasoning_item,
    sdk_response,
    stream_of,
)

OTHERS = (Format.OPENAI, Format.CLAUDE, Format.GEMINI)


def _chunk(delta: dict, finish: str | None = None) -> dict:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def _call(index: int, **fields) -> dict:
    return {"tool_calls": [{"index": index, **fields}]}


UPSTREAMS: dict[Format, list[dict]] = {
    Format.OPENAI: [
        _chunk({"role": "assistant", "reasoning_content": "Hm."}),
        _chunk({"content": "On it."}),
        _chunk(_call(0, id="c0", type="function", function={"name": "f", "arguments": '{"a"'})),
        _chunk(_call(1, id="c1", type="function", function={"name": "g", "arguments": ""})),
        _chunk(_call(0, function={"arguments": ":1}"})),
        _chunk({}, "tool_calls"),
        {
            **_chunk({}),
            "choices": [],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        },
    ],
    Format.CLAUDE: [
        {"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "signature_delta", "signature": "c2ln"},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "On it."}},
        {"type": "content_block_stop", "index": 1},
        {
            "type": "content_block_start",
            "index": 2,
            "content_block": {"type": "tool_use", "id": "c0", "name": "f", "input": {}},
        },
        {
            "type": "content_block_delta",
            "index": 2,
            "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'},
        },
        {"type": "content_block_stop", "index": 2},
        {
            "type": "content_block_start",
            "index": 3,
            "content_block": {"type": "tool_use", "id": "c1", "name": "g", "input": {}},
        },
        {"type": "content_block_stop", "index": 3},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ],
    Format.GEMINI: [
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hm.", "thought": True}]}}]},
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "On it."}]}}]},
        {
            "candidates": [
                {
                    "content": {
                        "role": "model",
                        "parts": [
                            {
                                "functionCall": {"id": "c0", "name": "f", "args": {"a": 1}},
                                "thoughtSignature": "Z2Vt",
                            },
                            {"functionCall": {"id": "c1", "name": "g", "args": {}}},
                        ],
                    },
                    "finishReason": "STOP",
                }
            ],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
        },
    ],
}


def _events(source: Format, context: AnswerContext) -> list[Event]:
    lines = [
        (f"event: {one['type']}\n" if "type" in one else "") + f"data: {dumps(one)}\n\n"
        for one in UPSTREAMS[source]
    ]
    if source is Format.OPENAI:
        lines.append("data: [DONE]\n\n")
    reader, decoder = SseReader(), CODECS[source].stream_decoder(context)
    frames = reader.feed("".join(lines).encode()) + reader.close()
    return [event for frame in frames for event in decoder.feed(frame)] + decoder.close()


@pytest.mark.parametrize("source", OTHERS)
def test_an_upstream_of_another_format_gives_a_valid_stream_equal_to_the_whole_answer(source):
    context = make_context()
    events = _events(source, context)
    body = sdk_response(encode_stream(events, context))
    items = [item for item in body["output"] if item["type"] != "reasoning"]
    assert [item["type"] for item in items] == ["message", "function_call", "function_call"]
    assert items[0]["content"][0]["text"] == "On it."
    assert [(item["name"], msgspec.json.decode(item["arguments"])) for item in items[1:]] == [
        ("f", {"a": 1}),
        ("g", {}),
    ]
    assert body["output"][0]["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert (body["usage"]["input_tokens"], body["usage"]["output_tokens"]) == (3, 2)
    assert CODEC.encode_response(collect(events, context), context) == body


@pytest.mark.parametrize("source", [Format.CLAUDE, Format.GEMINI])
def test_signed_state_goes_back_to_its_upstream_in_the_next_request(source):
    context = make_context()
    output = sdk_response(encode_stream(_events(source, context), context))["output"]
    results = [{"type": "function_call_output", "call_id": f"c{n}", "output": "ok"} for n in (0, 1)]
    request = decode_request(
        tools=[{"type": "function", "name": name} for name in "fg"],
        input=[{"role": "user", "content": "Go"}, *output, *results],
    )
    signature = {Format.CLAUDE: '"signature":"c2ln"', Format.GEMINI: '"thoughtSignature":"Z2Vt"'}
    for target in OTHERS:
        body = dumps(CODECS[target].encode_request(request, "up", Capabilities()).body)
        assert (signature[source] in body) is (target is source)
        assert "cliproxy" not in body


@pytest.mark.parametrize("target", OTHERS)
def test_clients_of_other_formats_can_show_what_this_upstream_says(target):
    whole = answer(reasoning_item(), message_item(), call_item(), call_item("go", "{}", n=2))
    context = make_context()
    encoder = CODECS[target].stream_encoder(context)
    stream = b"".join(encoder.encode(event) for event in decode_stream(stream_of(whole), context=context))
    reader, decoder = SseReader(), CODECS[target].stream_decoder(context)
    frames = reader.feed(stream) + reader.close()
    back = collect([event for frame in frames for event in decoder.feed(frame)] + decoder.close(), context)
    texts = [part.text for part in back.candidates[0].parts if type(part).__name__ == "Text" and part.text]
    calls = [
        (part.name, part.value()) for part in back.candidates[0].parts if type(part).__name__ == "ToolCall"
    ]
    assert texts == ["Hello"]
    assert calls == [("look", {"q": 1}), ("go", {})]
    assert CODECS[target].encode_response(CODEC.decode_response(whole, context), context)


FULL = {
    "instructions": "Be brief.",
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "See"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="},
            ],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {"type": "function_call", "call_id": "c1", "name": "read", "namespace": "fs", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "*** x"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "two"},
        {"role": "developer", "content": "Now."},
        {"role": "user", "content": "Go"},
    ],
    "tools": [
        {
            "type": "namespace",
            "name": "fs",
            "description": "Files",
            "tools": [{"type": "function", "name": "read"}],
        },
        {
            "type": "custom",
            "name": "patch",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
        },
        {"type": "web_search"},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "store": False,
    "stream": True,
    "prompt_cache_key": "k",
    "text": {"verbosity": "low"},
}


@pytest.mark.parametrize("target", OTHERS)
def test_a_request_of_codex_reaches_every_upstream_with_all_that_it_says(target):
    body = dumps(CODECS[target].encode_request(decode_request(**FULL), "up", Capabilities()).body)
    for said in (
        "Be brief.",
        "See",
        "iVBORw0KGgo=",
        "fs__read",
        "patch",
        "*** x",
        "one",
        "two",
        "Now.",
        "Go",
    ):
        assert body.count(said) >= 1, said
    assert "gAAA" not in body
    assert "responses" not in body


@pytest.mark.parametrize("source", OTHERS)
def test_an_error_of_another_upstream_ends_the_stream_in_this_formats_form(source):
    info = CODECS[source].decode_error(529, b'{"error":{"message":"Busy"}}')
    stream = CODEC.stream_encoder(make_context()).error(info)
    assert b"event: error\n" in stream
    assert b"event: response.failed\n" in stream
