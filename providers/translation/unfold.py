"""A whole answer as the neutral stream events that would have made it: the reverse of ``accumulate``.

For a client that asked for a stream while the upstream answers in one piece.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from providers.translation.model import (
    ArgumentsDelta,
    Candidate,
    CitationDelta,
    End,
    Event,
    Part,
    PartStart,
    PartStop,
    Reasoning,
    ReasoningDelta,
    RefusalText,
    Response,
    SignatureDelta,
    Start,
    Stop,
    StopKind,
    Stopped,
    Text,
    TextDelta,
    ToolCall,
    UsageUpdate,
)


def events_of(response: Response) -> Iterator[Event]:
    """Start, the parts of every candidate, usage and End. A part is one delta."""
    yield Start(
        id=response.id or None,
        model=response.model,
        created=response.created,
        usage=response.usage,
        service_tier=response.service_tier,
    )
    for candidate in response.candidates:
        for i, part in enumerate(candidate.parts):
            logprobs = candidate.logprobs if isinstance(part, Text) and i == _first_text(candidate) else None
            yield from _part(candidate.index, i, part, logprobs)
        if candidate.stop is not None:
            yield Stopped(candidate=candidate.index, stop=candidate.stop)
    if not response.candidates:
        yield Stopped(stop=Stop(StopKind.CONTENT_FILTER, detail=response.block_reason))
    if response.usage is not None:
        yield UsageUpdate(usage=response.usage)
    yield End()


def _first_text(candidate: Candidate) -> int:
    return next((i for i, part in enumerate(candidate.parts) if isinstance(part, Text)), -1)


def _part(candidate: int, i: int, part: Part, logprobs: object) -> Iterator[Event]:
    yield PartStart(candidate=candidate, i=i, part=_skeleton(part))
    if isinstance(part, Text | RefusalText) and part.text:
        yield TextDelta(candidate=candidate, i=i, text=part.text, logprobs=logprobs)
    elif isinstance(part, Reasoning) and part.text:
        yield ReasoningDelta(candidate=candidate, i=i, text=part.text)
    elif isinstance(part, ToolCall) and part.arguments:
        yield ArgumentsDelta(candidate=candidate, i=i, text=part.arguments)
    if isinstance(part, Text):
        for citation in part.citations:
            yield CitationDelta(candidate=candidate, i=i, citation=citation)
    if isinstance(part, Text | Reasoning) and part.signature is not None:
        yield SignatureDelta(candidate=candidate, i=i, signature=part.signature)
    yield PartStop(candidate=candidate, i=i)


def _skeleton(part: Part) -> Part:
    """The part without what its deltas bring."""
    if isinstance(part, Text):
        return msgspec.structs.replace(part, text="", citations=(), signature=None)
    if isinstance(part, RefusalText):
        return msgspec.structs.replace(part, text="")
    if isinstance(part, Reasoning):
        return msgspec.structs.replace(part, text="", signature=None)
    if isinstance(part, ToolCall):
        return msgspec.structs.replace(part, arguments="")
    return part
