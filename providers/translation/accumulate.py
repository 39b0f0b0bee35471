"""Neutral stream events, put together to a whole answer.

For a client that did not ask for a stream while the upstream only streams, and for accounting.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.errors import UpstreamProtocolError
from providers.translation.audio import Sound
from providers.translation.codec import AnswerContext
from providers.translation.model import (
    ArgumentsDelta,
    AudioDelta,
    Candidate,
    CitationDelta,
    End,
    ErrorInfo,
    Event,
    Json,
    Media,
    Part,
    PartStart,
    Reasoning,
    ReasoningDelta,
    RefusalText,
    Response,
    Signature,
    SignatureDelta,
    Start,
    Stop,
    Stopped,
    StreamError,
    Text,
    TextDelta,
    ToolCall,
    Usage,
    UsageUpdate,
)


class _PartBuilder:
    """A part and what its deltas add."""

    __slots__ = ("citations", "signature", "skeleton", "sound", "texts")

    def __init__(self, skeleton: Part) -> None:
        self.skeleton = skeleton
        self.texts: list[str] = []
        self.citations: list[dict[str, Json]] = []
        self.signature: Signature | None = None
        self.sound: Sound | None = None

    def hear(self, delta: AudioDelta) -> None:
        if self.sound is None:
            self.sound = Sound(self.skeleton if isinstance(self.skeleton, Media) else Media(kind="audio"))
        self.sound.add(delta)

    def build(self) -> Part:
        if self.sound is not None:
            return self.sound.whole()
        part, added = self.skeleton, "".join(self.texts)
        changes: dict[str, Any] = {}
        if isinstance(part, Text | RefusalText | Reasoning) and added:
            changes["text"] = part.text + added
        if isinstance(part, ToolCall) and added:
            changes["arguments"] = part.arguments + added
        if isinstance(part, Text) and self.citations:
            changes["citations"] = (*part.citations, *self.citations)
        if isinstance(part, Text | Reasoning | ToolCall) and self.signature is not None:
            changes["signature"] = self.signature
        return msgspec.structs.replace(part, **changes) if changes else part


class _CandidateBuilder:
    __slots__ = ("logprobs", "parts", "stop")

    def __init__(self) -> None:
        self.parts: dict[int, _PartBuilder] = {}
        self.logprobs: list[Json] = []
        self.stop: Stop | None = None

    def build(self, index: int) -> Candidate:
        return Candidate(
            index=index,
            parts=tuple(self.parts[i].build() for i in sorted(self.parts)),
            stop=self.stop,
            logprobs=self.logprobs or None,
        )


class Accumulator:
    """One stream's events in, one Response out."""

    def __init__(self) -> None:
        self._start = Start()
        self._candidates: dict[int, _CandidateBuilder] = {}
        self._usage: Usage | None = None
        self._tier: str | None = None
        self._error: ErrorInfo | None = None
        self._ended = False

    def add(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            part = self._part(event.candidate, event.i)
            part.texts.append(event.text)
            if event.logprobs:
                self._candidate(event.candidate).logprobs.extend(event.logprobs)
        elif isinstance(event, ReasoningDelta | ArgumentsDelta):
            self._part(event.candidate, event.i).texts.append(event.text)
        elif isinstance(event, PartStart):
            self._candidate(event.candidate).parts[event.i] = _PartBuilder(event.part)
        elif isinstance(event, CitationDelta):
            self._part(event.candidate, event.i).citations.append(event.citation)
        elif isinstance(event, AudioDelta):
            self._part(event.candidate, event.i).hear(event)
        elif isinstance(event, SignatureDelta):
            self._part(event.candidate, event.i).signature = event.signature
        else:
            self._add_outline(event)

    def _add_outline(self, event: Event) -> None:
        if isinstance(event, Start):
            self._start = event
            self._tier = event.service_tier or self._tier
            self._add_usage(event.usage)
        elif isinstance(event, UsageUpdate):
            self._tier = event.service_tier or self._tier
            self._add_usage(event.usage)
        elif isinstance(event, Stopped):
            self._candidate(event.candidate).stop = event.stop
        elif isinstance(event, StreamError):
            self._error = event.info
        elif isinstance(event, End):
            self._ended = True

    def response(self, context: AnswerContext) -> Response:
        """The whole answer. Raises UpstreamProtocolError when the stream reported an error or never ended."""
        if (info := self._error) is not None:
            raise UpstreamProtocolError(
                info.message,
                error_type=info.type,
                code=info.code,
                param=info.param,
                retry_after_s=info.retry_after_s,
            )
        if not self._ended:
            raise UpstreamProtocolError("the upstream's stream stopped before the answer was complete")
        return Response(
            id=self._start.id or "",
            model=self._start.model or context.model,
            candidates=tuple(self._candidates[index].build(index) for index in sorted(self._candidates)),
            usage=self._usage,
            created=self._start.created,
            service_tier=self._tier,
        )

    def _add_usage(self, usage: Usage | None) -> None:
        if usage is not None:
            self._usage = usage if self._usage is None else self._usage.merged(usage)

    def _candidate(self, index: int) -> _CandidateBuilder:
        builder = self._candidates.get(index)
        if builder is None:
            builder = self._candidates[index] = _CandidateBuilder()
        return builder

    def _part(self, candidate: int, i: int) -> _PartBuilder:
        try:
            return self._candidates[candidate].parts[i]
        except KeyError:
            raise UpstreamProtocolError(f"a delta came for part {i}, which never began") from None
