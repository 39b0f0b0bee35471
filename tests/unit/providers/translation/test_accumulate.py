"""Events put together to a whole answer."""

from __future__ import annotations

import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.accumulate import Accumulator
from providers.translation.codec import AnswerContext
from providers.translation.model import (
    ArgumentsDelta,
    Candidate,
    CitationDelta,
    End,
    ErrorInfo,
    Event,
    Heartbeat,
    Media,
    PartStart,
    PartStop,
    Reasoning,
    ReasoningDelta,
    Response,
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
from providers.translation.names import IDENTITY
from providers.values import Format

CONTEXT = AnswerContext(model="fast", now=1, seed="5eed", names=IDENTITY)
SIGNATURE = Signature("s", Format.CLAUDE)


def whole(*events: Event) -> Response:
    accumulator = Accumulator()
    for event in events:
        accumulator.add(event)
    return accumulator.response(CONTEXT)


def test_everything_a_stream_says_is_in_the_answer():
    citation = {"url": "https://x.example"}
    image = Media(kind="image", mime="image/png", data="AAAA")
    answer = whole(
        Start(id="x", model="up", created=5, usage=Usage(input_total=3, output_total=1)),
        PartStart(i=0, part=Reasoning()),
        ReasoningDelta(i=0, text="h"),
        ReasoningDelta(i=0, text="m"),
        SignatureDelta(i=0, signature=SIGNATURE),
        PartStop(i=0),
        PartStart(i=1, part=Text(text="")),
        TextDelta(i=1, text="a", logprobs=[{"token": "a"}]),
        TextDelta(i=1, text="b"),
        CitationDelta(i=1, citation=citation),
        Heartbeat(),
        PartStart(i=2, part=ToolCall(id="c", name="f")),
        ArgumentsDelta(i=2, text="{}"),
        PartStart(i=3, part=image),
        PartStart(candidate=1, i=0, part=Text(text="other")),
        Stopped(candidate=1, stop=Stop(StopKind.LENGTH)),
        Stopped(stop=Stop(StopKind.TOOL_CALLS)),
        UsageUpdate(usage=Usage(output_total=9)),
        End(),
    )
    assert answer == Response(
        id="x",
        model="up",
        created=5,
        usage=Usage(input_total=3, output_total=9),
        candidates=(
            Candidate(
                parts=(
                    Reasoning(text="hm", signature=SIGNATURE),
                    Text(text="ab", citations=(citation,)),
                    ToolCall(id="c", name="f", arguments="{}"),
                    image,
                ),
                stop=Stop(StopKind.TOOL_CALLS),
                logprobs=[{"token": "a"}],
            ),
            Candidate(index=1, parts=(Text(text="other"),), stop=Stop(StopKind.LENGTH)),
        ),
    )


def test_an_upstream_that_tells_no_name_gets_the_clients():
    answer = whole(Start(), End())
    assert (answer.id, answer.model, answer.candidates) == ("", "fast", ())


def test_a_stream_without_an_end_is_no_answer():
    with pytest.raises(UpstreamProtocolError):
        whole(Start(), PartStart(i=0, part=Text(text="")), TextDelta(i=0, text="a"))


def test_a_reported_error_is_raised_with_its_words():
    info = ErrorInfo(status=429, message="slow down", type="rate_limit_error", code="rate", retry_after_s=3)
    with pytest.raises(UpstreamProtocolError) as caught:
        whole(Start(), StreamError(info=info))
    error = caught.value
    assert (error.message, error.code, error.error_type, error.retry_after_s) == (
        "slow down",
        "rate",
        "rate_limit_error",
        3,
    )


def test_a_delta_for_a_part_that_never_began_is_an_error():
    with pytest.raises(UpstreamProtocolError):
        whole(TextDelta(i=0, text="a"))
