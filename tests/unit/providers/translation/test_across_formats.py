"""What two vendors both know must arrive, spelled as the other one spells it: requests of one format, encoded
for another."""

from __future__ import annotations

from typing import Any

import pytest

from providers.translation.codec import Capabilities, Untranslatable
from providers.translation.registry import CODECS
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
