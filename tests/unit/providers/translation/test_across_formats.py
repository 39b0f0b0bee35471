"""What two vendors both know must arrive, spelled as the other one spells it: requests of one format, encoded
for another."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import ContentBlock
from google.genai.types import GenerateContentResponse
from openai.types.responses import ResponseOutputItem
from pydantic import TypeAdapter

from providers.translation.codec import AnswerContext, Capabilities, Untranslatable
from providers.translation.names import IDENTITY
from providers.translation.passthrough import UrlParts
from providers.translation.registry import CODECS, PASSTHROUGHS
from providers.translation.sse import SseReader
from providers.translation.unfold import events_of
from providers.values import Format

OPENAI, RESPONSES, CLAUDE, GEMINI = Format.OPENAI, Format.RESPONSES, Format.CLAUDE, Format.GEMINI
PLACE = {"city": "Paris", "country": "FR"}
FLAT = {"type": "approximate", **PLACE}
NESTED = {"type": "approximate", "approximate": PLACE}
BARE: dict[Format, dict[str, Any]] = {
    OPENAI: {"messages": [{"role": "user", "content": "Hi"}]},
    RESPONSES: {"input": "Hi"},
    CLAUDE: {"max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]},
    GEMINI: {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
}


def translated(source, target, **fields):
    body = {"model": "m", **BARE[source], **fields}
    return CODECS[target].encode_request(CODECS[source].decode_request(body), "up", Capabilities())


# --- web search ----------------------------------------------------------------------------------

SEARCHES: dict[Format, dict[str, Any]] = {
    OPENAI: {"web_search_options": {"search_context_size": "low", "user_location": NESTED}},
    RESPONSES: {
        "tools": [
            {
                "type": "web_search",
                "search_context_size": "low",
                "user_location": FLAT,
                "filters": {"allowed_domains": ["a.example"]},
            }
        ]
    },
    CLAUDE: {
        "tools": [
            {
                "type": "web_search_20250305",
                "name": "web_search",
                "max_uses": 3,
                "user_location": FLAT,
                "allowed_domains": ["a.example"],
            }
        ]
    },
}


@pytest.mark.parametrize("source", SEARCHES)
@pytest.mark.parametrize("target", BARE)
def test_a_searchs_options_arrive_or_are_named(source, target):
    if source is target:
        return
    encoded = translated(source, target, **SEARCHES[source])
    lost = {name.partition(".")[2] for name in encoded.dropped}
    has_domains, has_uses, has_size = source is not OPENAI, source is CLAUDE, source is not CLAUDE
    if target is OPENAI:
        options = encoded.body["web_search_options"]
        assert options["user_location"] == NESTED
        assert options.get("search_context_size") == ("low" if has_size else None)
        assert lost == {"allowed_domains"} | ({"max_uses"} if has_uses else set())
    elif target is RESPONSES:
        (tool,) = encoded.body["tools"]
        assert (tool["type"], tool["user_location"]) == ("web_search", FLAT)
        assert tool.get("filters") == ({"allowed_domains": ["a.example"]} if has_domains else None)
        assert lost == ({"max_uses"} if has_uses else set())
    elif target is CLAUDE:
        (tool,) = encoded.body["tools"]
        assert (tool["type"], tool["user_location"]) == ("web_search_20250305", FLAT)
        assert tool.get("allowed_domains") == (["a.example"] if has_domains else None)
        assert lost == ({"size"} if has_size else set())
    else:
        assert encoded.body["tools"] == [{"googleSearch": {}}]
        assert {"location"} <= lost


def test_blocked_domains_are_named_where_only_allowed_ones_exist():
    tool = {"type": "web_search_20250305", "name": "web_search", "blocked_domains": ["b.example"]}
    encoded = translated(CLAUDE, RESPONSES, tools=[tool])
    assert encoded.body["tools"] == [{"type": "web_search"}]
    assert encoded.dropped == ("tools[0].blocked_domains",)


@pytest.mark.parametrize("value", [7, "x", None, [1], {"approximate": 7}, {"city": 7}])
def test_options_of_another_type_do_no_harm(value):
    tool = {"type": "web_search", "user_location": value, "filters": value, "search_context_size": value}
    translated(RESPONSES, CLAUDE, tools=[tool])


# --- what Chat Completions and Responses have in common --------------------------------------------

SHARED = {
    "safety_identifier": "s",
    "prompt_cache_retention": "24h",
    "prompt_cache_options": {"mode": "implicit"},
    "moderation": {"model": "x"},
}


@pytest.mark.parametrize(("source", "target"), [(OPENAI, RESPONSES), (RESPONSES, OPENAI)])
def test_openais_two_formats_share_fields(source, target):
    encoded = translated(source, target, **SHARED)
    assert {key: encoded.body.get(key) for key in SHARED} == SHARED
    assert encoded.dropped == ()


@pytest.mark.parametrize(("source", "target"), [(OPENAI, RESPONSES), (RESPONSES, OPENAI)])
def test_obfuscation_is_a_wish_about_streams(source, target):
    wish = {"stream_options": {"include_obfuscation": False}}
    streamed = translated(source, target, stream=True, **wish).body["stream_options"]
    assert streamed["include_obfuscation"] is False
    assert "stream_options" not in translated(source, target, **wish).body


@pytest.mark.parametrize("target", [CLAUDE, GEMINI])
def test_they_never_reach_another_vendor(target):
    encoded = translated(OPENAI, target, **SHARED)
    assert not SHARED.keys() & encoded.body.keys()
    assert set(SHARED) <= set(encoded.dropped)


# --- limits, files, documents ------------------------------------------------------------------------


def test_a_cache_warming_limit_of_zero_is_the_least_elsewhere():
    assert translated(CLAUDE, OPENAI, max_tokens=0).body["max_completion_tokens"] == 1
    assert translated(CLAUDE, GEMINI, max_tokens=0).body["generationConfig"]["maxOutputTokens"] == 1
    assert translated(CLAUDE, RESPONSES, max_tokens=0).body["max_output_tokens"] == 16


@pytest.mark.parametrize("target", [OPENAI, RESPONSES, CLAUDE])
@pytest.mark.parametrize(
    "uri", ["gs://bucket/a.png", "https://generativelanguage.googleapis.com/v1beta/files/abc"]
)
def test_a_file_that_google_holds_is_refused_elsewhere(target, uri):
    contents = [{"role": "user", "parts": [{"fileData": {"fileUri": uri, "mimeType": "image/png"}}]}]
    with pytest.raises(Untranslatable, match="held by Google"):
        translated(GEMINI, target, contents=contents)


@pytest.mark.parametrize(("target", "place"), [(OPENAI, "messages"), (RESPONSES, "input")])
def test_a_documents_title_becomes_a_file_name_with_an_ending(target, place):
    document = {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
        "title": "Annual report",
        "context": "ctx",
    }
    encoded = translated(CLAUDE, target, messages=[{"role": "user", "content": [document]}])
    (part,) = encoded.body[place][0]["content"]
    assert (part.get("file") or part)["filename"] == "Annual report.pdf"
    assert any(name.endswith(".context") for name in encoded.dropped)


# --- what a vendor's own tools did ------------------------------------------------------------------

SOURCE = {"type": "web_search_result", "url": "https://a.example", "title": "A", "encrypted_content": "E"}
ACTIVE: dict[Format, dict[str, Any]] = {
    CLAUDE: {
        "id": "msg_1",
        "stop_reason": "end_turn",
        "content": [
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [SOURCE]},
            {"type": "server_tool_use", "id": "srvtoolu_2", "name": "code_execution", "input": {"code": "1"}},
            {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_2", "content": {"stdout": "out"}},
            {"type": "text", "text": "done"},
        ],
    },
    RESPONSES: {
        "id": "resp_1",
        "status": "completed",
        "output": [
            {
                "type": "web_search_call",
                "id": "ws_1",
                "status": "completed",
                "action": {"type": "search", "query": "q", "sources": [{"url": "https://a.example"}]},
            },
            {
                "type": "code_interpreter_call",
                "id": "ci_1",
                "code": "1",
                "outputs": [{"type": "logs", "logs": "out"}],
            },
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]},
        ],
    },
    GEMINI: {
        "candidates": [
            {
                "content": {
                    "parts": [
                        {"executableCode": {"language": "PYTHON", "code": "1"}},
                        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "out"}},
                        {"text": "done"},
                    ]
                },
                "finishReason": "STOP",
            }
        ]
    },
}
CONTEXT = AnswerContext(model="m", now=1, seed="ab" * 16, names=IDENTITY, include_usage=True, stream=True)


def answered(source: Format, target: Format, *, streamed: bool) -> Any:
    response = CODECS[source].decode_response(ACTIVE[source], CONTEXT)
    if not streamed:
        return CODECS[target].encode_response(response, CONTEXT)
    encoder = CODECS[target].stream_encoder(CONTEXT)
    frames = b"".join(encoder.encode(event) for event in events_of(response))
    return [json.loads(event.data) for event in SseReader().feed(frames) if event.data != "[DONE]"]


@pytest.mark.parametrize("source", [CLAUDE, GEMINI])
def test_activities_are_items_of_a_response(source):
    body = answered(source, RESPONSES, streamed=False)
    for item in body["output"]:
        TypeAdapter(ResponseOutputItem).validate_python(item)
    items = {item["type"]: item for item in body["output"]}
    assert items["code_interpreter_call"]["code"] == "1"
    if source is CLAUDE:
        sources = [{"type": "url", "url": "https://a.example"}]
        assert items["web_search_call"]["action"] == {"type": "search", "query": "q", "sources": sources}
    assert items["code_interpreter_call"]["outputs"] == [{"type": "logs", "logs": "out"}]
    events = answered(source, RESPONSES, streamed=True)
    kinds = [event["type"] for event in events]
    assert kinds.count("response.code_interpreter_call.completed") == 1
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"]["output"] == body["output"]


@pytest.mark.parametrize("source", [RESPONSES, GEMINI])
def test_activities_are_blocks_of_a_message(source):
    content = answered(source, CLAUDE, streamed=False)["content"]
    for block in content:
        TypeAdapter(ContentBlock).validate_python(block)
    uses = {block["name"]: block for block in content if block["type"] == "server_tool_use"}
    results = {block["type"]: block for block in content if "tool_use_id" in block}
    ran = results["code_execution_tool_result"]
    assert (uses["code_execution"]["input"], ran["content"]["stdout"]) == ({"code": "1"}, "out")
    assert ran["tool_use_id"] == uses["code_execution"]["id"]
    if source is RESPONSES:
        (found,) = results["web_search_tool_result"]["content"]
        assert (uses["web_search"]["input"], found["url"]) == ({"query": "q"}, "https://a.example")
    blocks = [
        event["content_block"]
        for event in answered(source, CLAUDE, streamed=True)
        if event["type"] == "content_block_start" and event["content_block"]["type"] != "text"
    ]
    assert blocks == [block for block in content if block["type"] != "text"]


@pytest.mark.parametrize("source", ACTIVE)
@pytest.mark.parametrize("target", [OPENAI, GEMINI])
def test_elsewhere_the_text_stays_and_nothing_becomes_a_call(source, target):
    if source is target:
        return
    for streamed in (False, True):
        told = json.dumps(answered(source, target, streamed=streamed))
        assert "done" in told
        assert "tool_calls" not in told
        assert "functionCall" not in told


@pytest.mark.parametrize("source", [CLAUDE, RESPONSES])
def test_activities_are_parts_and_queries_of_a_gemini_answer(source):
    answer = answered(source, GEMINI, streamed=False)
    assert GenerateContentResponse.model_validate(answer)
    parts = answer["candidates"][0]["content"]["parts"]
    told = [part for part in parts if "text" not in part]
    assert [set(part) for part in told] == [{"executableCode"}, {"codeExecutionResult"}]
    assert (told[0]["executableCode"]["code"], told[1]["codeExecutionResult"]["output"]) == ("1", "out")
    assert answer["candidates"][0]["groundingMetadata"]["webSearchQueries"] == ["q"]
    chunks = answered(source, GEMINI, streamed=True)
    streamed = [part for one in chunks for part in one["candidates"][0]["content"]["parts"]]
    assert [part for part in streamed if "text" not in part] == told
    assert chunks[-1]["candidates"][0]["groundingMetadata"]["webSearchQueries"] == ["q"]
    contents = [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": parts}]
    for target in BARE:
        assert "cliproxy_code" not in json.dumps(translated(GEMINI, target, contents=contents).body)
    raw = json.dumps({"contents": contents}).encode()
    parsed = PASSTHROUGHS[GEMINI].parse(raw, UrlParts(model="m"))
    passed = PASSTHROUGHS[GEMINI].edited(parsed, "m", Capabilities())
    assert b"cliproxy_code" not in passed
    assert b"done" in passed


def test_what_this_gateway_told_goes_to_no_vendor():
    blocks = answered(RESPONSES, CLAUDE, streamed=False)["content"]
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": blocks},
        {"role": "user", "content": "Go on"},
    ]
    items = answered(CLAUDE, RESPONSES, streamed=False)["output"]
    for target in BARE:
        assert "srvtoolu" not in json.dumps(translated(CLAUDE, target, messages=messages).body)
        sent = translated(RESPONSES, target, input=[*items, {"role": "user", "content": "Go on"}])
        assert "_cliproxy_" not in json.dumps(sent.body)
    raw = json.dumps({"model": "m", "messages": messages}).encode()
    passed = PASSTHROUGHS[CLAUDE].edited(PASSTHROUGHS[CLAUDE].parse(raw), "m", Capabilities())
    assert b"srvtoolu" not in passed
    assert b"done" in passed
    raw = json.dumps({"model": "m", "input": items}).encode()
    passed = PASSTHROUGHS[RESPONSES].edited(PASSTHROUGHS[RESPONSES].parse(raw), "m", Capabilities())
    assert b"ws_cliproxy" not in passed
    assert b"ci_cliproxy" not in passed
    assert b"done" in passed


# --- cache marks -------------------------------------------------------------------------------------

BREAKPOINT = {"prompt_cache_breakpoint": {"mode": "explicit"}}
MARKED: dict[Format, dict[str, Any]] = {
    OPENAI: {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "s", **BREAKPOINT}]},
            {"role": "user", "content": [{"type": "text", "text": "a", **BREAKPOINT}]},
        ]
    },
    RESPONSES: {
        "input": [
            {"role": "system", "content": [{"type": "input_text", "text": "s", **BREAKPOINT}]},
            {"role": "user", "content": [{"type": "input_text", "text": "a", **BREAKPOINT}]},
        ]
    },
}


@pytest.mark.parametrize(("source", "target"), [(OPENAI, RESPONSES), (RESPONSES, OPENAI)])
def test_openais_cache_marks_stay_on_their_parts(source, target):
    encoded = translated(source, target, **MARKED[source])
    sent = encoded.body["messages" if target is OPENAI else "input"]
    assert [message["content"] for message in sent] == [
        message["content"] for message in MARKED[target]["messages" if target is OPENAI else "input"]
    ]
    assert encoded.dropped == ()


@pytest.mark.parametrize("source", MARKED)
def test_openais_cache_marks_become_anthropics(source):
    encoded = translated(source, CLAUDE, **MARKED[source])
    mark = {"cache_control": {"type": "ephemeral"}}
    assert encoded.body["system"] == [{"type": "text", "text": "s", **mark}]
    assert encoded.body["messages"][0]["content"] == [{"type": "text", "text": "a", **mark}]
    assert encoded.dropped == ()


@pytest.mark.parametrize("target", [OPENAI, RESPONSES, CLAUDE])
def test_settings_that_only_google_knows_are_named_one_by_one(target):
    config = {"temperature": 0.5, "mediaResolution": "MEDIA_RESOLUTION_LOW", "audioTimestamp": True}
    encoded = translated(GEMINI, target, generationConfig=config)
    assert encoded.body["temperature"] == 0.5
    assert set(encoded.dropped) == {"generationConfig.mediaResolution", "generationConfig.audioTimestamp"}
