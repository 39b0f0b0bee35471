"""Chat Completions streams, written: the grammar, as the official SDK reads it."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from openai._streaming import SSEDecoder
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from providers.translation.accumulate import Accumulator
from providers.translation.codecs.openai.codec import CODEC
from providers.translation.model import (
    ArgumentsDelta,
    CitationDelta,
    End,
    ErrorInfo,
    Event,
    Heartbeat,
    Media,
    Part,
    PartStart,
    PartStop,
    Reasoning,
    ReasoningDelta,
    RefusalText,
    Signature,
    SignatureDelta,
    Start,
    Stop,
    StopKind,
    Stopped,
    StreamError,
    Text,
    TextDelta,
    ToolCall,
    Usage,
    UsageUpdate,
)
from providers.values import Format
from tests.unit.providers.translation.codecs.openai.cast import context, custom_request, legacy_request

START = Start(id="chatcmpl-9", model="up", created=7)
USAGE = UsageUpdate(usage=Usage(input_total=3, cache_read=1, output_total=2, reasoning=1, total=5))
END = [Stopped(stop=Stop(StopKind.END)), USAGE, End()]
TEXT_AND_END = [PartStart(i=0, part=Text(text="")), TextDelta(i=0, text="a"), *END]
CALLS = [
    PartStart(i=0, part=ToolCall(id="a", name="f")),
    PartStart(i=1, part=ToolCall(id="b", name="g")),
    ArgumentsDelta(i=1, text='{"y":'),
    ArgumentsDelta(i=0, text='{"x":1}'),
    ArgumentsDelta(i=1, text="2}"),
    PartStart(i=2, part=ToolCall(id="c", name="h")),
    PartStop(i=0),
    PartStop(i=1),
    PartStop(i=2),
    Stopped(stop=Stop(StopKind.TOOL_CALLS)),
    USAGE,
    End(),
]
TEXT = [
    PartStart(i=0, part=Text(text="")),
    TextDelta(i=0, text="Hé"),
    TextDelta(i=0, text='"llo'),
    PartStop(i=0),
]
THOUGHTS = [
    PartStart(i=0, part=Reasoning()),
    ReasoningDelta(i=0, text="one"),
    PartStop(i=0),
    PartStart(i=1, part=Reasoning()),
    ReasoningDelta(i=1, text="two"),
    PartStop(i=1),
    PartStart(i=2, part=Text(text="")),
    TextDelta(i=2, text="Hi"),
    PartStop(i=2),
]
REFUSAL = [PartStart(i=0, part=RefusalText(text="")), TextDelta(i=0, text="No"), PartStop(i=0)]
IMAGE = [PartStart(i=0, part=Media(kind="image", mime="image/png", data="AAAA")), PartStop(i=0)]


def written(*events, **changes) -> bytes:
    encoder = CODEC.stream_encoder(context(**changes))
    return b"".join(encoder.encode(event) for event in events)


def data_of(raw: bytes) -> list:
    """Parsed frames by the SDK's own reader; ``[DONE]`` stays text."""
    texts = [event.data for event in SSEDecoder().iter_bytes(iter([raw]))]
    return [text if text == "[DONE]" else json.loads(text) for text in texts]


def chunks_of(raw: bytes, *, strict: bool = True) -> list:
    found = [item for item in data_of(raw) if item != "[DONE]"]
    for item in found:
        if strict:
            ChatCompletionChunk.model_validate(item)
    return found


def deltas_of(raw: bytes, **options) -> list[dict]:
    return [item["choices"][0]["delta"] for item in chunks_of(raw, **options) if item["choices"]]


@pytest.mark.parametrize(
    "body", [[*TEXT, *END], CALLS, [*THOUGHTS, *END], [*REFUSAL, *END], END, [*IMAGE, *END]]
)
def test_the_grammar_holds(body):
    frames = data_of(written(START, *body))
    assert frames[-1] == "[DONE]"
    *chunks, usage = frames[:-1]
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == 5
    assert {(item["id"], item["created"], item["model"]) for item in frames[:-1]} == {
        ("chatcmpl-9", 7, "fast")
    }
    assert all(item["usage"] is None for item in chunks)
    choices = [item["choices"][0] for item in chunks]
    assert choices[0]["delta"]["role"] == "assistant"
    assert all("role" not in choice["delta"] for choice in choices[1:])
    assert [choice["finish_reason"] is None for choice in choices] == [True] * (len(choices) - 1) + [False]
    chunks_of(written(START, *body))


@pytest.mark.parametrize(
    "body",
    [[*TEXT, *END], CALLS, [*THOUGHTS, *END], [*REFUSAL, Stopped(stop=Stop(StopKind.REFUSAL)), End()], END],
)
def test_the_sdk_accumulates_the_same_answer_as_the_whole_one(body):
    state = ChatCompletionStreamState()
    for item in chunks_of(written(START, *body)):
        state.handle_chunk(ChatCompletionChunk.model_validate(item))
    accumulator = Accumulator()
    for event in [START, *body]:
        accumulator.add(event)
    whole = CODEC.encode_response(accumulator.response(context()), context())
    streamed: dict[str, Any] = state.get_final_completion().to_dict()
    got, want = streamed["choices"][0], whole["choices"][0]
    for key in ("content", "refusal", "reasoning_content"):
        assert got["message"].get(key) == want["message"].get(key), key
    assert got["finish_reason"] == want["finish_reason"]
    assert streamed.get("usage") == whole.get("usage")
    for call in got["message"].get("tool_calls") or []:
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    assert (got["message"].get("tool_calls") or []) == want["message"].get("tool_calls", [])


def test_without_usage_asked_for_there_is_none():
    raw = written(START, *TEXT, *END, include_usage=False)
    assert b"usage" not in raw
    assert raw.endswith(b"data: [DONE]\n\n")


def test_the_role_waits_for_the_first_content():
    encoder = CODEC.stream_encoder(context())
    assert encoder.encode(START) == b""
    assert encoder.encode(PartStart(i=0, part=Text(text=""))) == b""
    assert encoder.encode(TextDelta(i=0, text="x")).count(b"data: ") == 2


def test_a_call_without_arguments_gets_an_empty_object_once():
    raw = written(START, PartStart(i=0, part=ToolCall(id="a", name="f")), PartStop(i=0), *END)
    texts = [
        delta["tool_calls"][0]["function"]["arguments"] for delta in deltas_of(raw) if "tool_calls" in delta
    ]
    assert texts == ["", "{}"]


def test_calls_are_numbered_densely_per_choice():
    raw = written(START, *TEXT, PartStart(i=5, part=ToolCall(id="a", name="f")), PartStop(i=5), *END)
    found = [delta["tool_calls"][0]["index"] for delta in deltas_of(raw) if "tool_calls" in delta]
    assert found == [0, 0]


def test_each_choice_has_its_own_role_and_finish():
    raw = written(
        START,
        TextDelta(candidate=1, i=0, text="b"),
        TextDelta(candidate=0, i=0, text="a"),
        Stopped(candidate=0, stop=Stop(StopKind.END)),
        Stopped(candidate=1, stop=Stop(StopKind.LENGTH)),
        End(),
    )
    choices = [item["choices"][0] for item in chunks_of(raw) if item["choices"]]
    assert [c["index"] for c in choices if "role" in c["delta"]] == [1, 0]
    assert [(c["index"], c["finish_reason"]) for c in choices if c["finish_reason"]] == [
        (0, "stop"),
        (1, "length"),
    ]


def test_a_missing_stop_is_made_up_at_the_end():
    assert chunks_of(written(START, *TEXT, End()))[-1]["choices"][0]["finish_reason"] == "stop"


def test_an_answer_without_anything_is_still_one():
    chunks = chunks_of(written(START, End()))
    assert [item["choices"][0]["finish_reason"] for item in chunks] == [None, "stop"]


def test_a_stop_is_sent_once():
    raw = written(START, *TEXT, Stopped(stop=Stop(StopKind.END)), Stopped(stop=Stop(StopKind.LENGTH)), End())
    assert raw.count(b'"finish_reason":"') == 1


def test_a_blocked_answer_says_why():
    raw = written(START, Stopped(stop=Stop(StopKind.CONTENT_FILTER, detail="SAFETY")), End())
    assert "SAFETY" in deltas_of(raw)[1]["refusal"]
    assert chunks_of(raw)[-1]["choices"][0]["finish_reason"] == "content_filter"


def test_an_empty_failure_is_an_error_frame():
    frames = data_of(written(START, Stopped(stop=Stop(StopKind.MALFORMED_CALL)), End()))
    assert [list(frame) for frame in frames] == [["error"]]


def test_an_error_ends_the_stream_without_done():
    info = ErrorInfo(status=503, message="gone", code="overloaded")
    raw = written(START, *TEXT, StreamError(info=info), TextDelta(i=0, text="late"), End())
    last = data_of(raw)[-1]
    assert last == {"error": {"message": "gone", "type": "server_error", "param": None, "code": "overloaded"}}
    encoder = CODEC.stream_encoder(context())
    assert encoder.error(info).startswith(b'data: {"error":')
    assert encoder.encode(End()) == b""


def test_a_heartbeat_is_a_comment():
    assert data_of(written(Heartbeat())) == []
    assert written(Heartbeat()).startswith(b":")


def test_a_citation_counts_from_the_start_of_the_message():
    cited = {"url": "https://x.example", "title": "X", "start": 0, "end": 2}
    raw = written(
        START,
        *TEXT,
        PartStart(i=1, part=Text(text="")),
        TextDelta(i=1, text="ab"),
        CitationDelta(i=1, citation=cited),
        CitationDelta(i=1, citation={"title": "no address"}),
        *END,
    )
    (note,) = [delta["annotations"][0] for delta in deltas_of(raw) if "annotations" in delta]
    assert (note["url_citation"]["start_index"], note["url_citation"]["end_index"]) == (6, 8)


def test_token_probabilities_travel_with_their_text():
    tokens = [{"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}]
    raw = written(START, PartStart(i=0, part=Text(text="")), TextDelta(i=0, text="a", logprobs=tokens), *END)
    assert chunks_of(raw)[1]["choices"][0]["logprobs"] == {"content": tokens, "refusal": None}


def test_images_reach_the_client_and_other_media_as_links():
    video = PartStart(i=9, part=Media(kind="video", url="https://a/v.mp4"))
    deltas = deltas_of(written(START, *IMAGE, video, *END))
    assert deltas[1]["images"][0]["image_url"]["url"] == "data:image/png;base64,AAAA"
    assert deltas[2] == {"content": "[video](https://a/v.mp4)"}


@pytest.mark.parametrize("is_early", [False, True])
def test_the_helpers_of_the_sdk_read_a_signed_call(is_early):
    signature = Signature("c2ln", Format.GEMINI)
    call = ToolCall(id="a", name="f", signature=signature if is_early else None)
    events = [PartStart(i=0, part=call), ArgumentsDelta(i=0, text="{}")]
    if not is_early:
        events.append(SignatureDelta(i=0, signature=signature))
    state = ChatCompletionStreamState()
    for one in chunks_of(written(START, *events, PartStop(i=0), *END)):
        state.handle_chunk(ChatCompletionChunk.model_validate(one))
    message: Any = state.get_final_completion().choices[0].message.to_dict()
    (found,) = message["tool_calls"]
    assert found["function"]["arguments"] == "{}"
    assert found["extra_content"] == {"google": {"thought_signature": "c2ln"}}


def test_the_tier_that_served_is_told_as_soon_as_it_is_known():
    early = chunks_of(written(Start(id="1", service_tier="flex"), *TEXT_AND_END))
    assert {one["service_tier"] for one in early} == {"flex"}
    late = UsageUpdate(usage=Usage(output_total=1), service_tier="flex")
    chunks = chunks_of(written(START, *TEXT_AND_END[:-1], late, End()))
    assert [one.get("service_tier") for one in chunks][-1] == "flex"


def test_only_a_google_signature_is_shown():
    def signed(issuer):
        signature = SignatureDelta(i=0, signature=Signature("c2ln", issuer))
        return written(START, PartStart(i=0, part=ToolCall(id="a", name="f")), signature, PartStop(i=0), *END)

    assert b'"thought_signature":"c2ln"' in signed(Format.GEMINI)
    assert b"c2ln" not in signed(Format.CLAUDE)


def test_a_skeleton_with_content_loses_nothing():
    raw = written(
        START,
        PartStart(i=0, part=Reasoning(text="hm")),
        PartStart(i=1, part=Text(text="Hi")),
        PartStart(i=2, part=RefusalText(text="No")),
        PartStart(
            i=3, part=ToolCall(id="a", name="f", arguments="{}", signature=Signature("s", Format.GEMINI))
        ),
        PartStop(i=3),
        *END,
    )
    text = raw.decode()
    for piece in ('"reasoning_content":"hm"', '"content":"Hi"', '"refusal":"No"', '"arguments":"{}"', '"s"'):
        assert text.count(piece) == 1, piece


def test_a_free_form_tool_gets_its_text_unwrapped():
    raw = written(
        START,
        PartStart(i=0, part=ToolCall(id="a", name="shell")),
        ArgumentsDelta(i=0, text='{"input":'),
        ArgumentsDelta(i=0, text='"ls"}'),
        PartStop(i=0),
        *END,
        request=custom_request(),
    )
    calls = [delta["tool_calls"][0] for delta in deltas_of(raw, strict=False) if "tool_calls" in delta]
    assert calls == [
        {"index": 0, "id": "a", "type": "custom", "custom": {"name": "shell", "input": ""}},
        {"index": 0, "custom": {"input": "ls"}},
    ]


def test_the_legacy_client_gets_function_call_deltas():
    raw = written(START, *CALLS, request=legacy_request())
    found = [delta["function_call"] for delta in deltas_of(raw) if "function_call" in delta]
    assert found == [{"name": "f", "arguments": ""}, {"arguments": '{"x":1}'}]
    assert chunks_of(raw)[-2]["choices"][0]["finish_reason"] == "function_call"
    assert b"tool_calls" not in raw


def any_events(dice: random.Random) -> list[Event]:
    """A stream in which everything comes between everything, for one or two choices."""
    events: list[Event] = [START]
    kinds: dict[tuple[int, int], type[Part]] = {}
    many = dice.choice([1, 1, 2])
    for _ in range(dice.randrange(5, 60)):
        candidate = dice.randrange(many)
        own = [place for place in kinds if place[0] == candidate]
        if not own or dice.random() < 0.15:
            place = candidate, len(own)
            part = dice.choice(
                [Text(text=""), Text(text="T"), RefusalText(text=""), Reasoning(), ToolCall(id="c", name="f")]
            )
            kinds[place] = type(part)
            events.append(PartStart(candidate=candidate, i=place[1], part=part))
            continue
        place = dice.choice(own[-2:])
        kind, text = kinds[place], dice.choice(["a", "", 'é"\n', "\u2028", "x" * 50])
        match kind:
            case _ if kind in (Text, RefusalText):
                logprobs = [{"token": "a", "logprob": -1.0}] if dice.random() < 0.1 else None
                delta = TextDelta(candidate=candidate, i=place[1], text=text, logprobs=logprobs)
                events += [delta] * dice.randrange(1, 4)
            case _ if kind is Reasoning:
                events.append(ReasoningDelta(candidate=candidate, i=place[1], text=text))
            case _:
                events.append(ArgumentsDelta(candidate=candidate, i=place[1], text=text))
        if dice.random() < 0.1:
            extra = [
                Heartbeat(candidate=candidate),
                PartStop(candidate=candidate, i=place[1]),
                UsageUpdate(usage=Usage(input_total=3), service_tier="flex"),
                CitationDelta(candidate=candidate, i=place[1], citation={"url": "https://a.example"}),
                Stopped(candidate=candidate, stop=Stop(StopKind.END)),
            ]
            events.append(dice.choice(extra))
    return [*events, dice.choice([End(), StreamError(info=ErrorInfo(status=500, message="x"))]), *TEXT]


@pytest.mark.parametrize("seed", range(60))
def test_a_text_that_goes_on_is_written_as_one_that_begins(seed):
    events = any_events(random.Random(seed))
    asked = context(include_usage=bool(seed % 2))
    running, beginning = CODEC.stream_encoder(asked), CODEC.stream_encoder(asked)
    for event in events:
        beginning._run = None
        assert running.encode(event) == beginning.encode(event), event
