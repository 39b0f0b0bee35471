"""A whole answer as events, and back again."""

from __future__ import annotations

from providers.translation.accumulate import Accumulator
from providers.translation.codec import AnswerContext
from providers.translation.model import (
    Candidate,
    Media,
    Reasoning,
    RefusalText,
    Response,
    Signature,
    Stop,
    StopKind,
    Stopped,
    Text,
    ToolCall,
    Usage,
)
from providers.translation.names import IDENTITY
from providers.translation.unfold import events_of
from providers.values import Format

CONTEXT = AnswerContext(model="m", now=0, seed="s", names=IDENTITY)


def test_unfolding_and_accumulating_changes_nothing():
    signature = Signature("sig", Format.CLAUDE)
    parts = (
        Reasoning(text="hm", signature=signature),
        Reasoning(redacted=signature),
        Text(text="Hello", citations=({"url": "u"},)),
        RefusalText(text="no"),
        ToolCall(id="a", name="f", arguments='{"x":1}', signature=signature),
        ToolCall(id="b", name="g"),
        Media(kind="image", mime="image/png", data="aGk="),
    )
    answer = Response(
        id="1",
        model="up",
        candidates=(
            Candidate(parts=parts, stop=Stop(StopKind.TOOL_CALLS), logprobs=[{"token": "Hello"}]),
            Candidate(index=1, parts=(Text(text="Hi"),), stop=Stop(StopKind.END)),
        ),
        usage=Usage(input_total=3, output_total=4),
        created=7,
    )
    whole = Accumulator()
    for event in events_of(answer):
        whole.add(event)
    assert whole.response(CONTEXT) == answer


def test_a_blocked_prompt_is_a_stop():
    events = list(events_of(Response(id="1", model="m", candidates=(), block_reason="SAFETY")))
    (stopped,) = [event for event in events if isinstance(event, Stopped)]
    assert stopped.stop == Stop(StopKind.CONTENT_FILTER, detail="SAFETY")
