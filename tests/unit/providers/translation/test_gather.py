"""Streams put together as whole answers of their own format: nothing is lost or respelled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.translation.codecs.gemini.gather import Gatherer as GeminiGatherer
from providers.translation.codecs.responses.gather import Gatherer as ResponsesGatherer


def gemini(*chunks: dict[str, Any] | str) -> Any:
    gatherer = GeminiGatherer()
    for chunk in chunks:
        gatherer.add(chunk if isinstance(chunk, str) else json.dumps(chunk))
    return None if gatherer.body is None else json.loads(gatherer.body)


def candidate(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, **fields}]}


def test_texts_that_continue_each_other_are_one_part():
    body = gemini(
        candidate({"text": "Hm", "thought": True}),
        candidate({"text": "m", "thought": True}),
        candidate({"text": "Yes"}),
        candidate({"text": "", "thoughtSignature": "U0k="}),
        candidate({"text": "No"}),
        candidate({"functionCall": {"name": "f", "args": {}}, "new": 1}, finishReason="STOP"),
    )
    assert body["candidates"] == [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "Hmm", "thought": True},
                    {"text": "Yes", "thoughtSignature": "U0k="},
                    {"text": "No"},
                    {"functionCall": {"name": "f", "args": {}}, "new": 1},
                ],
            },
            "finishReason": "STOP",
        }
    ]


def test_the_last_word_counts_and_lists_in_shares_are_joined():
    body = gemini(
        {
            **candidate({"text": "a"}, logprobsResult={"chosenCandidates": [1]}),
            "usageMetadata": {"a": 1, "b": 1},
        },
        {**candidate({"text": "b"}, logprobsResult={"chosenCandidates": [2]}), "usageMetadata": {"b": 2}},
        candidate(finishReason="STOP", groundingMetadata={"new": True}),
    )
    assert body["usageMetadata"] == {"a": 1, "b": 2}
    assert body["candidates"][0]["logprobsResult"] == {"chosenCandidates": [1, 2]}
    assert body["candidates"][0]["groundingMetadata"] == {"new": True}


def test_numbers_keep_their_spelling():
    gatherer = GeminiGatherer()
    gatherer.add(
        '{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"n":1e5,"m":10.50}}}]}}],"x":1.0}'
    )
    assert gatherer.body is not None
    assert b'{"n":1e5,"m":10.50}' in gatherer.body
    assert b'"x":1.0' in gatherer.body


def test_alternatives_and_blocked_prompts():
    first, second = candidate({"text": "A"}, index=0), candidate({"text": "B"}, index=1)
    assert [one["index"] for one in gemini(second, first)["candidates"]] == [0, 1]
    assert gemini({"promptFeedback": {"blockReason": "SAFETY"}}) == {
        "promptFeedback": {"blockReason": "SAFETY"}
    }


@pytest.mark.parametrize(
    "chunk", ["{", "[]", '{"candidates":[7]}', '{"candidates":[{"content":{"parts":[7]}}]}', "x"]
)
def test_what_cannot_be_read_is_no_answer(chunk):
    assert gemini(candidate({"text": "a"}), chunk) is None
    assert gemini() is None


def test_a_response_is_the_one_of_its_last_event_byte_by_byte():
    gatherer = ResponsesGatherer()
    gatherer.add('{"type":"response.output_item.done","item":{"id":"x"}}')
    assert gatherer.body is None
    gatherer.add('{"type":"response.completed","response":{"n":1.0,"output":[{"new":1e3}]}}')
    assert gatherer.body == b'{"n":1.0,"output":[{"new":1e3}]}'


def test_a_response_without_output_has_the_items_that_came():
    gatherer = ResponsesGatherer()
    gatherer.add('{"type":"response.output_item.done","item":{"id":"x","n":1.0}}')
    gatherer.add('{"type":"response.incomplete","response":{"output":[]}}')
    assert gatherer.body == b'{"output":[{"id":"x","n":1.0}]}'
