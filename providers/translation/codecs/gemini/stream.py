"""``streamGenerateContent?alt=sse``, both ways: a sequence of ``GenerateContentResponse`` chunks.

Facts: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent. Text parts are
deltas, a ``functionCall`` is whole, usage is cumulative, the end of the body ends the stream. The official
SDK takes any line but ``data: {json}`` for raw JSON, so no comments and no terminator are written.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from providers.errors import UpstreamProtocolError
from providers.translation.codec import AnswerContext
from providers.translation.codecs.gemini.activity import query_of, result_of_code
from providers.translation.codecs.gemini.errors import encode_error, error_of
from providers.translation.codecs.gemini.fields import Fields, merge_missing
from providers.translation.codecs.gemini.framing import CONTENT_TYPE, ArrayWriter
from providers.translation.codecs.gemini.grounding import decode_grounding, encode_grounding
from providers.translation.codecs.gemini.outcome import (
    UNSPECIFIED,
    blocked_stop,
    decode_logprobs,
    decode_stop,
    decode_usage,
    encode_logprobs,
    encode_stop,
    encode_usage,
    is_limit,
    is_whole,
)
from providers.translation.codecs.gemini.response import (
    PartReader,
    encode_part,
    shows_thoughts,
    signed,
)
from providers.translation.json_text import dump_bytes
from providers.translation.model import (
    ArgumentsDelta,
    AudioDelta,
    CitationDelta,
    End,
    ErrorInfo,
    Event,
    Heartbeat,
    Json,
    Media,
    Part,
    PartStart,
    PartStop,
    Reasoning,
    ReasoningDelta,
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
    UnknownEvent,
    Usage,
    UsageUpdate,
)
from providers.translation.sse import SseEvent, frame
from providers.values import Format


class _Line:
    """One candidate as it grows. At most one part is open; a signed one takes no more text."""

    def __init__(self, context: AnswerContext, index: int) -> None:
        self.index = index
        self.reader = PartReader(context, index)
        self.parts = 0
        self.open: Literal["text", "reasoning", "audio"] | None = None
        self.mime: str | None = None
        """Of the audio that is open."""
        self.is_signed = False
        self.texts: dict[int, list[str]] = {}
        self.logprobs: Json = None
        self.reason: str | None = None
        self.message: str | None = None
        self.block: Stop | None = None

    def add(self, part: Part) -> list[Event]:
        if isinstance(part, Text | Reasoning):
            return self._words(part)
        if isinstance(part, Media) and part.kind == "audio" and part.data:
            return self._sound(part, part.data)
        events = self.close()
        i = self._next()
        skeleton = part
        if isinstance(part, ToolCall):
            skeleton = msgspec.structs.replace(part, arguments="")
        events.append(PartStart(candidate=self.index, i=i, part=skeleton))
        if isinstance(part, ToolCall):
            events.append(ArgumentsDelta(candidate=self.index, i=i, text=part.arguments))
        events.append(PartStop(candidate=self.index, i=i))
        return events

    def _sound(self, part: Media, data: str) -> list[Event]:
        """Sound comes in pieces, each a part of its own on the wire."""
        events: list[Event] = []
        if self.open != "audio" or self.mime != part.mime:
            events += self.close()
            self.open, self.mime = "audio", part.mime
            skeleton = msgspec.structs.replace(part, data="")
            events.append(PartStart(candidate=self.index, i=self._next(), part=skeleton))
        events.append(AudioDelta(candidate=self.index, i=self.parts - 1, data=data))
        return events

    def _words(self, part: Text | Reasoning) -> list[Event]:
        events: list[Event] = []
        kind: Literal["text", "reasoning"] = "text" if isinstance(part, Text) else "reasoning"
        if self.open != kind or self.is_signed:
            events += self.close()
            self.open, i = kind, self._next()
            skeleton = msgspec.structs.replace(part, text="", signature=None)
            events.append(PartStart(candidate=self.index, i=i, part=skeleton))
            if kind == "text":
                self.texts[i] = []
        i = self.parts - 1
        if part.text and kind == "text":
            self.texts[i].append(part.text)
            logprobs, self.logprobs = self.logprobs, None
            events.append(TextDelta(candidate=self.index, i=i, text=part.text, logprobs=logprobs))
        elif part.text:
            events.append(ReasoningDelta(candidate=self.index, i=i, text=part.text))
        if part.signature is not None:
            events.append(SignatureDelta(candidate=self.index, i=i, signature=part.signature))
            self.is_signed = True
        return events

    def cite(self, metadata: Fields) -> list[Event]:
        """Citations of the text that is still open; grounding comes with its last chunk. A text that
        was closed before cannot take any more."""
        texts = {i: "".join(said) for i, said in self.texts.items()}
        located, _ = decode_grounding(metadata, texts, lambda wire: (wire, 0))
        return [
            CitationDelta(candidate=self.index, i=i, citation=citation)
            for i, citation in located
            if self.open == "text" and i == self.parts - 1
        ]

    def close(self) -> list[Event]:
        if self.open is None:
            return []
        self.open, self.is_signed = None, False
        return [PartStop(candidate=self.index, i=self.parts - 1)]

    def stop(self) -> Stop | None:
        if self.reason is None:
            return self.block
        return decode_stop(self.reason, self.message, has_calls=self.reader.calls > 0)

    def _next(self) -> int:
        self.parts += 1
        return self.parts - 1


class Decoder:
    """Frames of one upstream stream to neutral events.

    Stop reasons are held until the upstream closes: some models repeat STOP in every chunk, and a call may
    come before or after the reason that it changes.
    """

    def __init__(self, context: AnswerContext) -> None:
        self._context = context
        self._lines: dict[int, _Line] = {}
        self._has_started = False
        self._has_failed = False
        self._id = ""
        self._counts: dict[str, Json] = {}

    def feed(self, frame: SseEvent) -> list[Event]:
        data = frame.data.strip()
        if self._has_failed or data == "[DONE]":
            return []
        if not data:
            return [Heartbeat()]
        try:
            value = msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise UpstreamProtocolError("the upstream sent a stream frame that is not JSON") from error
        events: list[Event] = []
        for chunk in value if isinstance(value, list) else [value]:
            info = error_of(chunk)
            if info is not None:
                self._has_failed = True
                return [*events, StreamError(info=info)]
            events += self._chunk(Fields(chunk, "", UpstreamProtocolError))
        return events

    def close(self) -> list[Event]:
        if self._has_failed:
            return []
        stops = {index: stop for index, line in self._lines.items() if (stop := line.stop()) is not None}
        if not stops:
            raise UpstreamProtocolError("the upstream's stream ended before the answer did")
        events: list[Event] = []
        for index, line in self._lines.items():
            events += line.close()
            if index in stops:
                events.append(Stopped(candidate=index, stop=stops[index]))
        return [*events, End()]

    def _chunk(self, chunk: Fields) -> list[Event]:
        events: list[Event] = []
        self._id = chunk.text("responseId") or self._id
        model = chunk.text("modelVersion")
        if not self._has_started:
            self._has_started = True
            events.append(Start(id=self._id or self._context.seed, model=model or self._context.model))
        for position, candidate in enumerate(chunk.objects("candidates")):
            events += self._candidate(candidate, position)
        feedback = chunk.object("promptFeedback")
        reason = None if feedback is None else feedback.text("blockReason")
        if feedback is not None and reason and not any(line.parts for line in self._lines.values()):
            self._line(0).block = blocked_stop(reason, feedback.text("blockReasonMessage"))
        return events + self._count(chunk.raw_object("usageMetadata"))

    def _count(self, counts: dict[str, Json] | None) -> list[Event]:
        """Counts are merged as Google names them: a total is a sum, and its addends may come apart."""
        if not counts:
            return []
        before = dict(self._counts)
        self._counts |= counts
        usage = decode_usage(Fields(self._counts, "usageMetadata", UpstreamProtocolError))
        return [UsageUpdate(usage=usage)] if usage is not None and self._counts != before else []

    def _candidate(self, candidate: Fields, position: int) -> list[Event]:
        index = candidate.integer("index")
        line = self._line(position if index is None else index)
        line.logprobs = decode_logprobs(candidate.object("logprobsResult")) or line.logprobs
        events: list[Event] = []
        content = candidate.object("content")
        for wire in content.objects("parts") if content else []:
            part = line.reader.read(wire, self._id)
            if part is not None:
                events += line.add(part)
        if (grounding := candidate.object("groundingMetadata")) is not None:
            events += line.cite(grounding)
        reason = candidate.text("finishReason")
        if reason not in UNSPECIFIED:
            line.reason = reason
        line.message = candidate.text("finishMessage") or line.message
        return events

    def _line(self, index: int) -> _Line:
        if index not in self._lines:
            self._lines[index] = _Line(self._context, index)
        return self._lines[index]


class _Out:
    """One candidate on its way to the client: open parts, and what waits for the last chunk."""

    def __init__(self) -> None:
        self.parts: dict[int, Part] = {}
        self.arguments: dict[int, list[str]] = {}
        self.signatures: dict[int, Signature] = {}
        self.texts: dict[int, list[str]] = {}
        self.citations: list[tuple[int, dict[str, Json]]] = []
        self.queries: list[str] = []
        self.shown: dict[int, int] = {}
        """The place of a part among those that the client saw."""
        self.stop: Stop | None = None


class Encoder:
    """Neutral events to the chunks of one client stream, as events or as the elements of an array.

    Arguments are gathered until their call is complete, because a ``functionCall`` is never sent in
    pieces. Finish reasons, usage and citations go out with the last chunk.
    """

    def __init__(self, context: AnswerContext) -> None:
        self._context = context
        self._array = ArrayWriter() if context.is_array else None
        self.content_type = CONTENT_TYPE if context.is_array else "text/event-stream"
        self._id = context.seed
        self._outs: dict[int, _Out] = {}
        self._usage: Usage | None = None

    def encode(self, event: Event) -> bytes:
        match event:
            case PartStart():
                return self._start(event)
            case TextDelta():
                out = self._out(event.candidate)
                if event.i in out.texts:
                    out.texts[event.i].append(event.text)
                if not event.text:
                    return b""
                beside = encode_logprobs(event.logprobs) if event.logprobs else None
                return self._chunk(event.candidate, {"text": event.text}, beside, event.i)
            case ReasoningDelta():
                if not event.text or not shows_thoughts(self._context):
                    return b""
                return self._chunk(event.candidate, {"text": event.text, "thought": True}, i=event.i)
            case SignatureDelta():
                return self._sign(event)
            case ArgumentsDelta():
                self._out(event.candidate).arguments.setdefault(event.i, []).append(event.text)
            case AudioDelta():
                return self._audio(event)
            case CitationDelta():
                self._out(event.candidate).citations.append((event.i, event.citation))
            case PartStop():
                return self._finish_call(event.candidate, event.i)
            case _:
                return self._other(event)
        return b""

    def error(self, info: ErrorInfo) -> bytes:
        return self._framed(encode_error(info)) + self._closing()

    def _framed(self, chunk: dict[str, Json]) -> bytes:
        text = dump_bytes(chunk)
        return frame(text) if self._array is None else self._array.element(text)

    def _closing(self) -> bytes:
        return b"" if self._array is None else self._array.close()

    def _other(self, event: Event) -> bytes:
        match event:
            case Start():
                self._id = event.id or self._id
                self._use(event.usage)
            case UsageUpdate():
                self._use(event.usage)
            case Stopped():
                self._out(event.candidate).stop = event.stop
            case StreamError():
                return self.error(event.info)
            case UnknownEvent(format=Format.GEMINI):
                return self._framed(event.raw)
            case End():
                return self._end()
        return b""

    def _start(self, event: PartStart) -> bytes:
        out, part = self._out(event.candidate), event.part
        out.parts[event.i] = part
        if isinstance(part, ToolCall):
            if part.arguments:
                out.arguments[event.i] = [part.arguments]
            return b""
        if isinstance(part, Text):
            out.texts[event.i] = [part.text]
        if (query := query_of(part)) is not None:
            out.queries.append(query)
        encoded = encode_part(part, self._context)
        if encoded is None:
            return b""
        merge_missing(encoded, part.ext.get(Format.GEMINI, {}))
        if (result := result_of_code(part, self._context)) is not None:
            return self._chunk(event.candidate, encoded, i=event.i) + self._chunk(event.candidate, result)
        words = self._words(event.candidate, part.transcript) if isinstance(part, Media) else b""
        return self._chunk(event.candidate, encoded, i=event.i) + words

    def _audio(self, event: AudioDelta) -> bytes:
        part = self._out(event.candidate).parts.get(event.i)
        out = b""
        if event.data and isinstance(part, Media):
            encoded = encode_part(msgspec.structs.replace(part, data=event.data), self._context)
            out = self._chunk(event.candidate, encoded, i=event.i) if encoded is not None else b""
        return out + self._words(event.candidate, event.transcript)

    def _words(self, candidate: int, text: str | None) -> bytes:
        return self._chunk(candidate, {"text": text}) if text else b""

    def _sign(self, event: SignatureDelta) -> bytes:
        out = self._out(event.candidate)
        match out.parts.get(event.i):
            case ToolCall():
                out.signatures[event.i] = event.signature
                return b""
            case Reasoning():
                part: dict[str, Json] = {"text": "", "thought": True, **signed(event.signature)}
            case _:
                part = {"text": "", **signed(event.signature)}
        return self._chunk(event.candidate, part, i=event.i)

    def _finish_call(self, candidate: int, i: int, *, at_end: bool = False) -> bytes:
        """The whole call. One with broken arguments waits for the stop reason, which may explain it."""
        out = self._out(candidate)
        part = out.parts.get(i)
        if not isinstance(part, ToolCall):
            return b""
        call = msgspec.structs.replace(
            part, arguments="".join(out.arguments.get(i, ())), signature=out.signatures.get(i, part.signature)
        )
        if not is_whole(call) and (not at_end or is_limit(out.stop)):
            return b""
        del out.parts[i]
        encoded = encode_part(call, self._context) or {}
        merge_missing(encoded, part.ext.get(Format.GEMINI, {}))
        return self._chunk(candidate, encoded, i=i)

    def _end(self) -> bytes:
        frames = b""
        for index, out in self._outs.items():
            for i in sorted(out.parts):
                frames += self._finish_call(index, i, at_end=True)
        candidates: list[Json] = []
        for index, out in self._outs.items() or [(0, _Out())]:
            stop = out.stop or Stop(StopKind.END)
            body: dict[str, Json] = {"content": {"role": "model", "parts": [{"text": ""}]}}
            body |= {**encode_stop(stop), "index": index}
            texts = {i: "".join(out.texts.get(i, ())) for i, _ in out.citations}
            cited = [(out.shown.get(i, 0), texts[i], citation) for i, citation in out.citations]
            if grounding := encode_grounding(cited, out.queries):
                body["groundingMetadata"] = grounding
            candidates.append(body)
        return frames + self._frame(candidates, self._usage) + self._closing()

    def _use(self, usage: Usage | None) -> None:
        if usage is not None:
            self._usage = usage if self._usage is None else self._usage.merged(usage)

    def _out(self, candidate: int) -> _Out:
        return self._outs.setdefault(candidate, _Out())

    def _chunk(
        self,
        candidate: int,
        part: dict[str, Json],
        beside: dict[str, Json] | None = None,
        i: int | None = None,
    ) -> bytes:
        """A chunk with one part; ``i`` is its place in the answer."""
        if i is not None:
            shown = self._out(candidate).shown
            shown.setdefault(i, len(shown))
        body: dict[str, Json] = {"content": {"role": "model", "parts": [part]}, "index": candidate}
        return self._frame([{**body, **(beside or {})}])

    def _frame(self, candidates: list[Json], usage: Usage | None = None) -> bytes:
        chunk: dict[str, Json] = {"candidates": candidates}
        if usage is not None:
            chunk["usageMetadata"] = encode_usage(usage)
        chunk |= {"modelVersion": self._context.model, "responseId": self._id}
        return self._framed(chunk)
