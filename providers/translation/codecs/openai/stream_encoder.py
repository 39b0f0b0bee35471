"""Chat Completions streams, encoded: neutral events in, ``data:`` frames for the client out.

The grammar: per choice a first chunk with the role, deltas, one chunk with the finish reason; then, when
the client asked, one chunk with no choices and the usage; then ``[DONE]``. The role chunk waits for the
first content, so that an upstream that fails at once can still be answered with a proper HTTP error.

Hot path: hundreds of events per stream, so the constant head and tail of a chunk are built once as bytes
and only the changing value is serialised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from providers.translation.audio import Cutter
from providers.translation.codec import AnswerContext
from providers.translation.codecs.openai.errors import encode_error
from providers.translation.codecs.openai.outcome import (
    audio_id,
    block_text,
    encode_citation,
    encode_image,
    encode_stop,
    encode_usage,
    failure_of,
)
from providers.translation.codecs.openai.response import answer_id, unwrapped_input
from providers.translation.codecs.openai.tools import custom_names, is_legacy
from providers.translation.json_text import dump_bytes, to_json
from providers.translation.media import as_markdown
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
from providers.translation.sse import frame
from providers.values import Format

HEARTBEAT = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"


class _Call:
    """An open call. ``wrapped`` holds the text of a free-form call until it can be unwrapped."""

    __slots__ = ("call", "has_text", "index", "wrapped")

    def __init__(self, call: ToolCall, index: int, *, is_wrapped: bool) -> None:
        self.call = call
        self.index = index
        self.has_text = False
        self.wrapped: list[str] | None = [] if is_wrapped else None


class _Choice:
    """What of one choice has been sent."""

    __slots__ = (
        "calls",
        "expires",
        "finished",
        "head",
        "images",
        "length",
        "parts",
        "sent_bare",
        "sent_text",
        "sound",
        "thoughts",
    )

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.parts: dict[int, bytes | _Call] = {}
        """Per part: the opening of its delta object for text, or its call."""
        self.calls = 0
        self.images = 0
        self.thoughts = 0
        self.length = 0
        self.sent_text = False
        self.sent_bare = False
        """Calls, a refusal, an image or audio went out: content may stay null."""
        self.finished = False
        self.expires = False
        self.sound: Cutter | None = None
        """A message has one audio; a second part of it goes on where the first ended."""


class _Run:
    """A text that goes on: what stands before and behind each piece of it. Nearly all of a stream is this."""

    __slots__ = ("candidate", "choice", "opening", "part", "tail")

    def __init__(self, begun: TextDelta, choice: _Choice, opening: bytes, tail: bytes) -> None:
        self.candidate = begun.candidate
        self.part = begun.i
        self.choice = choice
        self.opening = opening
        self.tail = tail


class Encoder:
    """One stream to a client."""

    content_type = "text/event-stream"

    def __init__(self, context: AnswerContext) -> None:
        self._context = context
        self._id: str | None = None
        self._tier: str | None = None
        self._created = context.now
        self._head = b""
        self._tail = b"}\n\n"
        self._plain_tail = b""
        self._choices: dict[int, _Choice] = {}
        self._bases: dict[tuple[int, int], int] = {}
        self._usage: Usage | None = None
        self._closed = False
        self._run: _Run | None = None
        self._legacy = is_legacy(context.request)
        self._customs = custom_names(context.request)

    def encode(self, event: Event) -> bytes:
        run = self._run
        if (
            run is not None
            and type(event) is TextDelta
            and event.i == run.part
            and event.candidate == run.candidate
            and event.logprobs is None
        ):
            text = event.text
            run.choice.length += len(text)
            return run.opening + to_json(text) + run.tail
        if self._closed:
            return b""
        handler = _HANDLERS.get(type(event))
        return handler(self, event) if handler is not None else b""

    def error(self, info: ErrorInfo) -> bytes:
        """No ``[DONE]`` follows: clients must not take the answer for complete."""
        self._close()
        return frame(dump_bytes(encode_error(info)))

    # --- the frame

    def _begin(self) -> None:
        context = self._context
        self._head = (
            b'data: {"id":'
            + dump_bytes(answer_id(self._id, context))
            + b',"object":"chat.completion.chunk","created":'
            + dump_bytes(self._created)
            + b',"model":'
            + dump_bytes(context.model)
            + (b',"service_tier":' + dump_bytes(self._tier) if self._tier is not None else b"")
            + b',"choices":['
        )
        self._tail = b'],"usage":null}\n\n' if context.include_usage else b"]}\n\n"
        self._plain_tail = b',"finish_reason":null}' + self._tail

    def _open(self, candidate: int, *, content: bytes = b"null") -> tuple[_Choice, bytes]:
        """The choice, and its role chunk when this is the first that is sent of it."""
        choice = self._choices.get(candidate)
        if choice is not None:
            return choice, b""
        if not self._head:
            self._begin()
        head = self._head + b'{"index":' + dump_bytes(candidate) + b',"delta":'
        choice = self._choices[candidate] = _Choice(head)
        return choice, head + b'{"role":"assistant","content":' + content + b"}" + self._plain_tail

    def _chunk(self, choice: _Choice, delta: Json) -> bytes:
        return choice.head + dump_bytes(delta) + self._plain_tail

    # --- deltas

    def _text_delta(self, event: TextDelta) -> bytes:
        choice, lead = self._choices.get(event.candidate), b""
        if choice is None:
            choice, lead = self._open(event.candidate, content=b'""')
        opening = choice.parts.get(event.i)
        if not isinstance(opening, bytes):
            opening = b'{"content":'
        text = event.text
        if opening == b'{"refusal":':
            choice.sent_bare = True
        else:
            choice.sent_text = True
            choice.length += len(text)
            self._run = _Run(event, choice, choice.head + opening, b"}" + self._plain_tail)
        body = lead + choice.head + opening + dump_bytes(text)
        if event.logprobs is None:
            return body + b"}" + self._plain_tail
        tokens = dump_bytes({"content": event.logprobs, "refusal": None})
        return body + b'},"logprobs":' + tokens + self._plain_tail

    def _reasoning_delta(self, event: ReasoningDelta) -> bytes:
        if not event.text:
            return b""
        choice, lead = self._open(event.candidate)
        text = event.text
        if choice.parts.get(event.i) is None:
            if choice.thoughts:
                text = "\n\n" + text
            choice.thoughts += 1
            choice.parts[event.i] = b'{"reasoning_content":'
        return lead + choice.head + b'{"reasoning_content":' + dump_bytes(text) + b"}" + self._plain_tail

    def _arguments_delta(self, event: ArgumentsDelta) -> bytes:
        choice, lead = self._open(event.candidate)
        call = choice.parts.get(event.i)
        if not isinstance(call, _Call) or not event.text:
            return lead
        if call.wrapped is not None:
            call.wrapped.append(event.text)
            return lead
        call.has_text = True
        return lead + self._call_text(choice, call, event.text)

    def _call_text(self, choice: _Choice, call: _Call, text: str) -> bytes:
        if self._legacy:
            return self._chunk(choice, {"function_call": {"arguments": text}}) if call.index == 0 else b""
        opening = b'{"tool_calls":[{"index":' + dump_bytes(call.index)
        if call.call.kind == "custom" or call.wrapped is not None:
            opening += b',"custom":{"input":'
        else:
            opening += b',"function":{"arguments":'
        return choice.head + opening + dump_bytes(text) + b"}}]}" + self._plain_tail

    # --- parts

    def _part_start(self, event: PartStart) -> bytes:
        part = event.part
        self._run = None
        if isinstance(part, ToolCall):
            return self._call_start(event, part)
        if isinstance(part, Media):
            return self._audio(event, part) if part.kind == "audio" else self._image(event, part)
        if isinstance(part, Text):
            known = self._choices.get(event.candidate)
            self._bases[event.candidate, event.i] = known.length if known is not None else 0
            if part.text:
                return self._text_delta(TextDelta(candidate=event.candidate, i=event.i, text=part.text))
        elif isinstance(part, RefusalText):
            choice, lead = self._open(event.candidate)
            choice.parts[event.i] = b'{"refusal":'
            if part.text:
                lead += self._text_delta(TextDelta(candidate=event.candidate, i=event.i, text=part.text))
            return lead
        elif isinstance(part, Reasoning) and part.text:
            return self._reasoning_delta(ReasoningDelta(candidate=event.candidate, i=event.i, text=part.text))
        return b""

    def _call_start(self, event: PartStart, part: ToolCall) -> bytes:
        choice, lead = self._open(event.candidate)
        is_wrapped = part.kind != "custom" and part.name in self._customs
        call = _Call(part, choice.calls, is_wrapped=is_wrapped)
        choice.parts[event.i] = call
        choice.calls += 1
        choice.sent_bare = True
        if self._legacy:
            delta: Json = {"function_call": {"name": part.name, "arguments": ""}}
            lead += self._chunk(choice, delta) if call.index == 0 else b""
        else:
            kind, field = (
                ("custom", "input") if part.kind == "custom" or is_wrapped else ("function", "arguments")
            )
            item = {"index": call.index, "id": part.id, "type": kind, kind: {"name": part.name, field: ""}}
            lead += self._chunk(choice, {"tool_calls": [item | _signed(part.signature)]})
        if part.arguments:
            lead += self._arguments_delta(
                ArgumentsDelta(candidate=event.candidate, i=event.i, text=part.arguments)
            )
        return lead

    def _part_stop(self, event: PartStop) -> bytes:
        choice = self._choices.get(event.candidate)
        call = choice.parts.get(event.i) if choice is not None else None
        if choice is None or not isinstance(call, _Call):
            return b""
        return self._call_stop(choice, call)

    def _call_stop(self, choice: _Choice, call: _Call) -> bytes:
        """A call without arguments still needs an object; free-form text is sent now, unwrapped."""
        if call.has_text or call.call.kind == "custom":
            return b""
        call.has_text = True
        if call.wrapped is None:
            return self._call_text(choice, call, "{}")
        whole = ToolCall(id=call.call.id, name=call.call.name, arguments="".join(call.wrapped))
        return self._call_text(choice, call, unwrapped_input(whole))

    def _image(self, event: PartStart, part: Media) -> bytes:
        choice, lead = self._open(event.candidate)
        image = encode_image(part, choice.images)
        if image is None:
            words = as_markdown(part)
            return lead + self._text_delta(TextDelta(candidate=event.candidate, i=event.i, text=words))
        choice.images += 1
        return lead + self._chunk(choice, {"images": [image]})

    def _citation(self, event: CitationDelta) -> bytes:
        choice, lead = self._open(event.candidate)
        base = self._bases.get((event.candidate, event.i), 0)
        annotation = encode_citation(event.citation, base, choice.length - base)
        if annotation is None:
            return lead
        return lead + self._chunk(choice, {"annotations": [annotation]})

    def _signature_delta(self, event: SignatureDelta) -> bytes:
        choice = self._choices.get(event.candidate)
        call = choice.parts.get(event.i) if choice is not None else None
        if choice is None or not isinstance(call, _Call):
            return b""
        return self._signature(choice, call, event.signature)

    def _signature(self, choice: _Choice, call: _Call, signature: Signature) -> bytes:
        """Behind the call's first fragment. The SDKs' helpers want each fragment to have its object."""
        extra = _signed(signature)
        if not extra or self._legacy:
            return b""
        is_custom = call.call.kind == "custom" or call.wrapped is not None
        said: Json = {"custom": {"input": ""}} if is_custom else {"function": {"arguments": ""}}
        return self._chunk(choice, {"tool_calls": [{"index": call.index, **said, **extra}]})

    # --- audio

    def _audio(self, event: PartStart, part: Media) -> bytes:
        choice, lead = self._open(event.candidate)
        choice.sent_bare = True
        if choice.sound is None:
            choice.sound = Cutter()
            lead += self._chunk(choice, {"audio": {"id": audio_id(part, self._context), "transcript": ""}})
        said = AudioDelta(
            candidate=event.candidate,
            i=event.i,
            data=part.data or "",
            transcript=part.transcript or "",
            expires_at=part.expires_at,
        )
        return lead + self._audio_delta(said)

    def _audio_delta(self, event: AudioDelta) -> bytes:
        choice, lead = self._open(event.candidate)
        if choice.sound is None:
            return lead
        said = {
            "data": choice.sound.feed(event.data) if event.data else None,
            "transcript": event.transcript,
            "expires_at": event.expires_at,
        }
        choice.expires = choice.expires or event.expires_at is not None
        said = {name: value for name, value in said.items() if value}
        return lead + self._chunk(choice, {"audio": said}) if said else lead

    def _last_audio(self, choice: _Choice, sound: Cutter) -> bytes:
        rest = sound.close()
        said: Json = {"data": rest} if rest else {}
        if not choice.expires:
            said["expires_at"] = self._context.now  # as ``encode_audio`` says of it
        return self._chunk(choice, {"audio": said}) if said else b""

    # --- the course of the stream

    def _start(self, event: Start) -> bytes:
        self._id = event.id
        self._tier = event.service_tier
        self._created = event.created or self._created
        if event.usage is not None:
            self._add_usage(event.usage)
        return b""

    def _usage_update(self, event: UsageUpdate) -> bytes:
        if event.service_tier is not None and event.service_tier != self._tier:
            self._tier = event.service_tier  # known only now: the chunks still to come tell it
            if self._head:
                self._begin()
        self._add_usage(event.usage)
        return b""

    def _add_usage(self, usage: Usage) -> None:
        self._usage = usage if self._usage is None else self._usage.merged(usage)

    def _heartbeat(self, _: Heartbeat) -> bytes:
        return HEARTBEAT

    def _stream_error(self, event: StreamError) -> bytes:
        return self.error(event.info)

    def _stopped(self, event: Stopped) -> bytes:
        return self._finish(event.candidate, event.stop)

    def _finish(self, candidate: int, stop: Stop | None) -> bytes:
        known = self._choices.get(candidate)
        if known is not None and known.finished:
            return b""
        failure = failure_of(stop, has_content=known is not None)
        if failure is not None:
            return self.error(failure)
        choice, out = self._open(candidate)
        choice.finished = True
        if choice.sound is not None:
            out += self._last_audio(choice, choice.sound)
        for part in choice.parts.values():
            if isinstance(part, _Call):
                out += self._call_stop(choice, part)
        has_refusal = b'{"refusal":' in choice.parts.values()
        if known is None and stop is not None and stop.kind in (StopKind.CONTENT_FILTER, StopKind.REFUSAL):
            choice.sent_bare = True
            out += self._chunk(choice, {"refusal": block_text(stop.detail, stop.message)})
        reason = encode_stop(stop, has_calls=choice.calls > 0, has_refusal=has_refusal)
        if self._legacy and reason == "tool_calls":
            reason = "function_call"
        delta = b"{}" if choice.sent_text or choice.sent_bare else b'{"content":""}'
        return out + choice.head + delta + b',"finish_reason":' + dump_bytes(reason) + b"}" + self._tail

    def _end(self, _: End) -> bytes:
        out = b""
        for candidate in list(self._choices) or [0]:
            out += self._finish(candidate, None)
        if self._context.include_usage and self._usage is not None:
            out += self._head + b'],"usage":' + dump_bytes(encode_usage(self._usage)) + b"}\n\n"
        self._close()
        return out + DONE

    def _close(self) -> None:
        self._closed, self._run = True, None


def _signed(signature: Signature | None) -> dict[str, Json]:
    """In the place of Google's own shim, for clients that echo it; no other issuer has one."""
    if signature is None or signature.issuer is not Format.GEMINI:
        return {}
    return {"extra_content": {"google": {"thought_signature": signature.value}}}


_HANDLERS: dict[type[Event], Callable[[Encoder, Any], bytes]] = {
    TextDelta: Encoder._text_delta,
    ReasoningDelta: Encoder._reasoning_delta,
    ArgumentsDelta: Encoder._arguments_delta,
    PartStart: Encoder._part_start,
    PartStop: Encoder._part_stop,
    Start: Encoder._start,
    CitationDelta: Encoder._citation,
    SignatureDelta: Encoder._signature_delta,
    UsageUpdate: Encoder._usage_update,
    Stopped: Encoder._stopped,
    Heartbeat: Encoder._heartbeat,
    StreamError: Encoder._stream_error,
    End: Encoder._end,
    AudioDelta: Encoder._audio_delta,
}
"""Not a table of each encoder's own: bound methods would tie it into a circle."""
