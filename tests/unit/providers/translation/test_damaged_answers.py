"""Upstreams that send nonsense: whatever stands at whatever place of an answer is understood, or it is the
upstream's failure; never an exception of another kind. Each place of rich streams is tried."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from providers.errors import UpstreamError
from providers.translation.accumulate import Accumulator
from providers.translation.codec import AnswerContext
from providers.translation.model import End, StreamError
from providers.translation.names import IDENTITY
from providers.translation.registry import CODECS
from providers.translation.sse import SseEvent
from providers.values import Format

OPENAI, RESPONSES, CLAUDE, GEMINI = Format.OPENAI, Format.RESPONSES, Format.CLAUDE, Format.GEMINI
JUNK: tuple[Any, ...] = (None, True, 7, 1e30, "x", [], [7], [{}], {"a": 1})
TOKEN = {"token": "a", "logprob": -1, "bytes": [97], "top_logprobs": [{"token": "a", "logprob": -1}]}
TOKENS = {"content": [TOKEN]}
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
ANSWER = {"id": "resp_1", "created_at": 1, "model": "up", "status": "in_progress", "output": []}
CITED = {"type": "output_text", "text": "ab", "annotations": [{"url": "u"}]}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant"}


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
    return {"id": "c", "created": 1, "model": "up", "choices": [choice]}


STREAMS: dict[Format, list[dict[str, Any]]] = {
    OPENAI: [
        chunk({"role": "assistant", "reasoning_content": "hm"}),
        chunk(
            {"content": "a", "annotations": [{"url_citation": {"url": "u"}}]}, logprobs={"content": [TOKEN]}
        ),
        chunk({"tool_calls": [{"index": 0, "id": "i", "function": {"name": "f", "arguments": "{}"}}]}),
        chunk({"refusal": "no"}, "stop"),
        {"choices": [], "usage": USAGE},
    ],
    RESPONSES: [
        {"type": "response.created", "response": ANSWER},
        {"type": "response.output_item.added", "output_index": 0, "item": {**MESSAGE, "content": []}},
        {
            "type": "response.output_text.delta",
            "output_index": 0,
            "content_index": 0,
            "delta": "a",
            "logprobs": [TOKEN],
        },
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": {
                **MESSAGE,
                "content": [{"type": "output_text", "text": "ab", "annotations": [{"url": "u"}]}],
            },
        },
        {
            "type": "response.output_item.done",
            "output_index": 1,
            "item": {"type": "reasoning", "summary": [{"text": "t"}], "encrypted_content": "E"},
        },
        {
            "type": "response.output_item.done",
            "output_index": 2,
            "item": {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        },
        {
            "type": "response.completed",
            "response": {**ANSWER, "status": "completed", "usage": {"input_tokens": 1, "output_tokens": 2}},
        },
    ],
    CLAUDE: [
        {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "citations_delta", "citation": {"url": "u", "title": "t"}},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ],
    GEMINI: [
        {
            "candidates": [
                {
                    "index": 0,
                    "content": {
                        "role": "model",
                        "parts": [
                            {"text": "t", "thought": True, "thoughtSignature": "U0k="},
                            {"text": "a"},
                            {"functionCall": {"name": "f", "args": {"a": 1}}},
                        ],
                    },
                    "finishReason": "STOP",
                    "groundingMetadata": {
                        "groundingChunks": [{"web": {"uri": "u", "title": "t"}}],
                        "groundingSupports": [
                            {"segment": {"startIndex": 0, "endIndex": 1}, "groundingChunkIndices": [0]}
                        ],
                    },
                    "logprobsResult": {
                        "chosenCandidates": [{"token": "a", "logProbability": -1}],
                        "topCandidates": [{"candidates": [{"token": "a", "logProbability": -1}]}],
                    },
                }
            ],
            "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2},
            "responseId": "r",
        }
    ],
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in entries:
        yield from places(inner, (*path, key))


def damaged(stream: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for path in places(stream):
        if len(path) == 1:
            continue
        for junk in JUNK:
            copied = copy.deepcopy(stream)
            inner: Any = copied
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = junk
            yield copied


def play(source: Format, target: Format, stream: list[dict[str, Any]]) -> None:
    context = AnswerContext(model="m", now=1, seed="ab", names=IDENTITY, include_usage=True, stream=True)
    decoder = CODECS[source].stream_decoder(context)
    encoder, whole = CODECS[target].stream_encoder(context), Accumulator()
    events = [event for frame in stream for event in decoder.feed(SseEvent(None, json.dumps(frame)))]
    if not (events and isinstance(events[-1], End)):
        events += decoder.close()
    for event in events:
        if isinstance(event, StreamError):
            encoder.error(event.info)
            return
        encoder.encode(event)
        whole.add(event)
    CODECS[target].encode_response(whole.response(context), context)


@pytest.mark.parametrize("source", STREAMS)
def test_the_stream_itself_is_understood(source):
    for target in STREAMS:
        play(source, target, STREAMS[source])


@pytest.mark.parametrize("source", STREAMS)
def test_a_damaged_stream_is_understood_or_the_upstreams_failure(source):
    targets = list(STREAMS)
    for number, stream in enumerate(damaged(STREAMS[source])):
        with contextlib.suppress(UpstreamError):
            play(source, targets[number % len(targets)], stream)
