"""docs/protocols/<format>.md against the codecs: what a target drops, and the README's matrix of the pairs.

A request that uses whatever its format publishes is translated to every other format; the names that the
header ``x-cliproxy-dropped`` would show must be those of the page's table, no more and no fewer.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from providers.adapters.registry import adapter_for
from providers.translation.codec import Capabilities
from providers.translation.passthrough import UrlParts
from providers.translation.registry import CODECS, PASSTHROUGHS
from providers.values import Format
from routing.proxy.endpoints import POSTS, gemini_endpoint

REPOSITORY = Path(__file__).resolve().parents[2]
FORMATS = (Format.OPENAI, Format.RESPONSES, Format.CLAUDE, Format.GEMINI)
PAIRS = [(source, target) for target in FORMATS for source in FORMATS if source is not target]
PNG = "iVBORw0KGgo="
IMAGE = f"data:image/png;base64,{PNG}"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
EVERYTHING: dict[Format, dict[str, Any]] = {
    Format.OPENAI: {
        "model": "m",
        "messages": [
            {"role": "system", "content": "S"},
            {
                "role": "user",
                "name": "ann",
                "content": [
                    {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}},
                    {"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}},
                ],
            },
            {
                "role": "assistant",
                "content": "x",
                "reasoning_content": "t",
                "x_new": 1,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "r"},
            {"role": "user", "content": "go"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}},
            {"type": "custom", "custom": {"name": "g"}},
        ],
        "web_search_options": {
            "search_context_size": "low",
            "user_location": {"type": "approximate", "approximate": {"city": "X"}},
        },
        "parallel_tool_calls": False,
        "temperature": 0.5,
        "top_p": 0.9,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.1,
        "seed": 1,
        "logit_bias": {"1": 1},
        "logprobs": True,
        "top_logprobs": 2,
        "stop": ["a", "b"],
        "n": 1,
        "user": "u",
        "metadata": {"k": "v"},
        "store": True,
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "verbosity": "low",
        "reasoning_effort": "high",
        "prediction": {"type": "content", "content": "x"},
        "x_new": 1,
        "max_completion_tokens": 10,
        "prompt_cache_retention": "24h",
        "moderation": None,
    },
    Format.RESPONSES: {
        "model": "m",
        "instructions": "S",
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Hi"},
                    {"type": "input_image", "image_url": IMAGE, "detail": "low"},
                ],
            },
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "t"}],
                "encrypted_content": "abc",
            },
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [
                    {
                        "type": "output_text",
                        "text": "x",
                        "annotations": [
                            {
                                "type": "url_citation",
                                "url": "https://a",
                                "title": "A",
                                "start_index": 0,
                                "end_index": 1,
                            }
                        ],
                    }
                ],
            },
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "r"},
            {"role": "user", "content": "go"},
        ],
        "tools": [
            {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True},
            {"type": "custom", "name": "g"},
            {"type": "web_search", "search_context_size": "low"},
            {"type": "file_search", "vector_store_ids": ["v"]},
            {"type": "code_interpreter", "container": {"type": "auto"}},
            {"type": "image_generation"},
            {"type": "mcp", "server_label": "s", "server_url": "https://s"},
        ],
        "parallel_tool_calls": False,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_logprobs": 2,
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
        "user": "u",
        "metadata": {"k": "v"},
        "store": False,
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "text": {"verbosity": "low"},
        "reasoning": {"effort": "high", "summary": "auto"},
        "truncation": "auto",
        "x_new": 1,
        "max_output_tokens": 99,
        "max_tool_calls": 2,
    },
    Format.CLAUDE: {
        "model": "m",
        "max_tokens": 5000,
        "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Hi"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": PNG},
                        "cache_control": {"type": "ephemeral"},
                    },
                    {
                        "type": "document",
                        "source": {"type": "text", "media_type": "text/plain", "data": "D"},
                        "title": "T",
                        "citations": {"enabled": True},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "t", "signature": "c2ln"},
                    {"type": "redacted_thinking", "data": "xx"},
                    {
                        "type": "text",
                        "text": "x",
                        "citations": [
                            {
                                "type": "web_search_result_location",
                                "url": "https://a",
                                "title": "A",
                                "encrypted_index": "e",
                                "cited_text": "x",
                            }
                        ],
                    },
                    {
                        "type": "server_tool_use",
                        "id": "srvtoolu_1",
                        "name": "web_search",
                        "input": {"query": "q"},
                    },
                    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                    {"type": "tool_use", "id": "c1", "name": "f", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "r", "is_error": True}],
            },
        ],
        "tools": [
            {"name": "f", "input_schema": SCHEMA, "strict": True, "cache_control": {"type": "ephemeral"}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3, "blocked_domains": ["b"]},
            {"type": "code_execution_20250825", "name": "code_execution"},
            {"type": "web_fetch_20250910", "name": "web_fetch"},
            {"type": "bash_20250124", "name": "bash"},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 4,
        "stop_sequences": ["a"],
        "metadata": {"user_id": "u"},
        "service_tier": "auto",
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "x_new": 1,
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    },
    Format.GEMINI: {
        "model": "m",
        "systemInstruction": {"parts": [{"text": "S"}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "Hi"},
                    {
                        "inlineData": {"mimeType": "image/png", "data": PNG},
                        "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"},
                    },
                ],
            },
            {
                "role": "model",
                "parts": [
                    {"text": "t", "thought": True},
                    {"text": "x", "thoughtSignature": "c2ln"},
                    {"functionCall": {"id": "c1", "name": "f", "args": {}}, "thoughtSignature": "c2ln"},
                ],
            },
            {
                "role": "user",
                "parts": [{"functionResponse": {"id": "c1", "name": "f", "response": {"output": "r"}}}],
            },
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "f",
                        "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
                        "response": {"type": "STRING"},
                        "behavior": "BLOCKING",
                    }
                ]
            },
            {"googleSearch": {}},
            {"codeExecution": {}},
            {"urlContext": {}},
        ],
        "generationConfig": {
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 4,
            "seed": 1,
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.1,
            "stopSequences": ["a"],
            "candidateCount": 1,
            "responseLogprobs": True,
            "logprobs": 2,
            "maxOutputTokens": 99,
            "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 2048},
            "speechConfig": {"languageCode": "de"},
            "mediaResolution": "MEDIA_RESOLUTION_LOW",
        },
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "labels": {"a": "b"},
        "serviceTier": "flex",
        "x_new": 1,
    },
}


def page(format_: Format) -> str:
    return (REPOSITORY / "docs" / "protocols" / f"{format_}.md").read_text(encoding="utf-8")


def told(target: Format, source: Format) -> set[str]:
    """What the page of ``target`` says that it drops of a request in ``source``."""
    _, found, section = page(target).partition("## What is dropped, by the client's format\n")
    assert found, f"{target}.md has no table of what is dropped"
    for line in section.partition("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == f"`{source}`":
            return set(re.findall(r"`([^`]+)`", cells[1]))
    raise AssertionError(f"{target}.md does not say what it drops of {source}")


def dropped(source: Format, target: Format) -> set[str]:
    request = CODECS[source].decode_request(copy.deepcopy(EVERYTHING[source]))
    encoded = CODECS[target].encode_request(request, "up", Capabilities())
    return {re.sub(r"\[\d+\]", "", name) for name in encoded.dropped}


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=lambda format_: format_.value)
def test_the_page_tells_what_the_codec_drops(source, target):
    found = dropped(source, target)
    row = f"| `{source}` | {', '.join(f'`{name}`' for name in sorted(found))} |"
    assert told(target, source) == found, f"{target}.md should have this row:\n{row}"


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.value)
def test_a_page_names_its_sources_and_its_modules(format_):
    text = page(format_)
    assert re.search(r"^Sources?: ", text, re.MULTILINE)
    assert f"`providers/translation/codecs/{format_}/`" in text
    folder = REPOSITORY / "providers" / "translation" / "codecs" / format_
    named = re.findall(r"`(\w+\.py)`", text)
    there = {module.name for module in folder.glob("*.py")} | {
        module.name for module in folder.parent.parent.glob("*.py")
    }
    assert set(named) <= there, "the page names a module that is gone"


# --- the matrix ----------------------------------------------------------------------------------


def matrix() -> dict[str, dict[str, str]]:
    """{client path: {upstream format: word}} of the README."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    head, *lines = text[text.index("| client ↓, upstream → |") :].partition("\n\n")[0].splitlines()
    columns = [cell.strip().partition(" ")[0] for cell in head.strip("|").split("|")][1:]
    rows = {}
    for line in lines[1:]:
        first, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        for path in re.findall(r"`([^`]+)`", first):
            rows[path] = dict(zip(columns, [cell.partition(" ")[0] for cell in cells], strict=True))
    return rows


def test_the_readme_tells_of_every_pair():
    rows = matrix()
    spoken = {}
    for path, row in rows.items():
        endpoint = POSTS.get(path) or gemini_endpoint(path.replace("{m}", "m"), "")
        assert endpoint is not None, path
        spoken[path] = endpoint.dialect
        assert row == {
            format_.value: "passes" if format_ is endpoint.dialect else "translated" for format_ in FORMATS
        }
    assert set(spoken.values()) == set(FORMATS)


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.value)
def test_equal_formats_pass_unread(format_):
    """ "passes" means that the bytes go up as they came, but for the model's name."""
    adapter = {"openai": "openai-compatibility", "responses": "codex"}.get(format_.value, format_.value)
    assert adapter_for(adapter).speaks is format_
    url = UrlParts(model="m", stream=False) if format_ is Format.GEMINI else None
    raw = b'{"model" : "m", "x_new": 1.50, "messages":[]}'
    parsed = PASSTHROUGHS[format_].parse(raw, url)
    assert parsed.raw == raw
