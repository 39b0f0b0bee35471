"""Neutral events, encoded as a Responses stream; also the maker of whole answers (``response``).

Grammar: ``created``, ``in_progress``, the items with their events, one terminal event with the complete
answer. Every event carries a sequence number, every item event its output index. Items may interleave, so
parallel calls go out as they come. ``output_item.done`` of the item that ended last waits for what comes
next: only then it is known whether the limit cut it.

Hot path: hundreds of deltas per stream, so the constant head of a delta is built once as bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from providers.translation.audio import Sound
from providers.translation.codec import AnswerContext
from providers.translation.codecs.openai.outcome import failure_of
from providers.translation.codecs.responses import carrier, outcome
from providers.translation.codecs.responses.envelope import envelope
from providers.translation.codecs.responses.errors import error_fields, response_error
from providers.translation.codecs.responses.live_items import (
    CallItem,
    Item,
    MessageItem,
    ReasoningItem,
    TextContent,
    WholeItem,
)
from providers.translation.codecs.responses.tools import ClientTools
from providers.translation.json_text import dump_bytes
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
    Stopped,
    StreamError,
    Text,
    TextDelta,
    ToolCall,
    Unknown,
    UnknownEvent,
    Usage,
    UsageUpdate,
)
from providers.translation.sse import frame
from providers.values import Format

Block = dict[str, Json]

HEARTBEAT = b": keep-alive\n\n"


class _Open:
    """A neutral part that is not over. Its item, or the content in a message, exists from its first word."""

    __slots__ = ("call", "citations", "content", "part", "reasoning", "signature", "wrapped")

    def __init__(self, part: Part) -> None:
        self.part = part
        self.content: TextContent | None = None
        self.reasoning: ReasoningItem | None = None
        self.call: CallItem | None = None
        self.citations: list[Block] = []
        self.signature: Signature | None = None
        self.wrapped: list[str] | None = None
        """Argument text of a free-form call that must be unwrapped, which needs all of it."""


class Encoder:
    """One stream to one client. Nothing follows the terminal event."""

    content_type = "text/event-stream"

    def __init__(self, context: AnswerContext, *, service_tier: str | None = None) -> None:
        self._context = context
        self._tier = service_tier
        self._client = ClientTools(context.request)
        self.response: Block = {}
        """The answer: in progress at first, complete after the last event."""
        self.failure: ErrorInfo | None = None
        self._sequence = 0
        self._items: list[Item] = []
        self._message: MessageItem | None = None
        """The message that further text joins."""
        self._held: Item | None = None
        """The item that ended last and is not done yet."""
        self._open: dict[int, _Open] = {}
        self._sounds: dict[int, Sound] = {}
        """Audio that is not over: an output has no place for it but a text, which needs all of it."""
        self._call_states: list[tuple[str, Signature]] = []
        self._usage: Usage | None = None
        self._stop: Stop | None = None
        self._has_refusal = False
        self._closed = False
        self._handlers: dict[type[Event], Callable[[Any], bytes]] = {
            TextDelta: self._text_delta,
            ReasoningDelta: self._reasoning_delta,
            ArgumentsDelta: self._arguments_delta,
            PartStart: self._part_start,
            PartStop: self._part_stop,
            SignatureDelta: self._signature_delta,
            CitationDelta: self._citation,
            AudioDelta: self._audio_delta,
            Stopped: self._stopped,
            UnknownEvent: self._unknown_event,
        }

    def encode(self, event: Event) -> bytes:
        if self._closed:
            return b""
        handler = self._handlers.get(type(event))
        if handler is not None:
            # A response is one answer; of several alternatives the first is shown.
            return self._begin() + handler(event) if event.candidate == 0 else b""
        match event:
            case Start():
                self._add_usage(event.usage)
                self._tier = event.service_tier or self._tier
                return self._begin(event)
            case UsageUpdate():
                self._add_usage(event.usage)
                self._tier = event.service_tier or self._tier
            case Heartbeat():
                return HEARTBEAT
            case StreamError():
                return self.error(event.info)
            case End():
                return self._begin() + self._finish()
        return b""

    def error(self, info: ErrorInfo) -> bytes:
        """The ``error`` event and the failed answer: clients act on the one or on the other."""
        out = self._begin()
        self._closed = True
        self.failure = info
        out += self._event("error", **error_fields(info))
        output = [item.final or item.block("incomplete") for item in self._items]
        self.response = {**self.response, "status": "failed", "error": response_error(info), "output": output}
        return out + self._event("response.failed", response=self.response)

    # --- the course of the stream

    def _begin(self, start: Start | None = None) -> bytes:
        if self.response:
            return b""
        self.response = envelope(
            self._context,
            upstream_id=start.id if start is not None else None,
            created=start.created if start is not None else None,
            service_tier=self._tier,
        )
        out = self._event("response.created", response=self.response)
        return out + self._event("response.in_progress", response=self.response)

    def _add_usage(self, usage: Usage | None) -> None:
        if usage is not None:
            self._usage = usage if self._usage is None else self._usage.merged(usage)

    def _stopped(self, event: Stopped) -> bytes:
        self._stop = event.stop
        return b""

    def _finish(self) -> bytes:
        stop = self._stop
        out = b""
        for i in [*self._open, *self._sounds]:
            out += self._part_stop(PartStop(i=i))
        failure = failure_of(stop, has_content=bool(self._items))
        if failure is not None:
            return out + self.error(failure)
        has_refusal = self._has_refusal
        if not self._items and stop is not None and outcome.is_filtered(stop):
            out += self._part_start(PartStart(i=-1, part=RefusalText(text=outcome.block_text(stop))))
            out += self._close_part(-1)
        out += self._end_last("incomplete" if outcome.is_cut(stop) else "completed")
        for call_id, signature in self._call_states:
            out += self._state_item(carrier.wrap(signature, carrier.call_place(call_id)))
        out += self._release()
        status, reason = outcome.encode_status(stop, has_refusal=has_refusal)
        self._closed = True
        self.response = {
            **self.response,
            "status": status,
            "incomplete_details": {"reason": reason} if reason is not None else None,
            "completed_at": self._context.now if status == "completed" else None,
            "output": [item.final for item in self._items],
            "usage": outcome.encode_usage(self._usage),
        }
        if self._tier is not None:
            self.response["service_tier"] = self._tier
        return out + self._event(f"response.{status}", response=self.response)

    # --- items

    def _add(self, item: Item) -> bytes:
        out = self._release()
        self._items.append(item)
        return out + self._event("response.output_item.added", output_index=item.index, item=item.skeleton())

    def _hold(self, item: Item) -> bytes:
        out = self._release()
        self._held = item
        return out

    def _release(self, status: str = "completed") -> bytes:
        item, self._held = self._held, None
        if item is None:
            return b""
        item.final = item.block(status)
        return self._event("response.output_item.done", output_index=item.index, item=item.final)

    def _end_message(self) -> bytes:
        message, self._message = self._message, None
        return self._hold(message) if message is not None else b""

    def _end_last(self, status: str) -> bytes:
        """An open message is the last item of the output (any other would have ended it), else the held
        one is; that is the one that a limit cut."""
        return self._end_message() + self._release(status)

    def _state_item(self, state: str) -> bytes:
        """A reasoning item that says nothing and carries opaque state."""
        out = self._end_message()
        item = ReasoningItem(len(self._items), self._context, None)
        item.state = state
        return out + self._add(item) + self._hold(item)

    # --- parts

    def _part_start(self, event: PartStart) -> bytes:
        part, i = event.part, event.i
        out = self._close_part(i) if i in self._open else b""
        entry = self._open[i] = _Open(part)
        match part:
            case Text():
                entry.citations.extend(part.citations)
                entry.signature = part.signature
                return out + (self._text_delta(TextDelta(i=i, text=part.text)) if part.text else b"")
            case RefusalText():
                return out + (self._text_delta(TextDelta(i=i, text=part.text)) if part.text else b"")
            case Reasoning():
                return out + self._reasoning_start(entry, part, i)
            case ToolCall():
                return out + self._call_start(entry, part, i)
            case Media(kind="audio"):
                del self._open[i]
                self._sounds[i] = Sound(part)
                return out
            case Media() | Unknown():
                del self._open[i]
                return out + self._whole(part, i)
        return out

    def _audio_delta(self, event: AudioDelta) -> bytes:
        if event.i in self._sounds:
            self._sounds[event.i].add(event)
        return b""

    def _whole(self, part: Media | Unknown, i: int) -> bytes:
        told = part.activity if isinstance(part, Unknown) and part.format is not Format.RESPONSES else None
        if told is not None and told.is_result:
            if isinstance(self._held, WholeItem):
                self._held.add_result(told)
            return b""
        item = WholeItem.of(part, len(self._items), self._context)
        if item is None:
            words = as_markdown(part) if isinstance(part, Media) else ""
            return self._part_start(PartStart(i=i, part=Text(text=words))) + self._close_part(i)
        out = self._end_message() + self._add(item)
        for name in item.progress:
            out += self._event(name, output_index=item.index, item_id=item.id)
        return out + self._hold(item)

    def _part_stop(self, event: PartStop) -> bytes:
        if (sound := self._sounds.pop(event.i, None)) is not None:
            return self._whole(sound.whole(), event.i)
        return self._close_part(event.i)

    def _close_part(self, i: int) -> bytes:
        entry = self._open.pop(i, None)
        if entry is None:
            return b""
        match entry.part:
            case Reasoning():
                return self._reasoning_stop(entry, entry.part)
            case ToolCall():
                return self._call_stop(entry, entry.part)
        return self._text_stop(entry)

    def _signature_delta(self, event: SignatureDelta) -> bytes:
        entry = self._open.get(event.i)
        if entry is not None:
            entry.signature = event.signature
        return b""

    # --- texts

    def _text_delta(self, event: TextDelta) -> bytes:
        entry = self._open.get(event.i)
        if entry is None:
            entry = self._open[event.i] = _Open(Text(text=""))
        elif not isinstance(entry.part, Text | RefusalText):
            return b""
        content, out = entry.content, b""
        logprobs = outcome.encode_logprobs(event.logprobs) if event.logprobs else []
        if content is None:
            if not event.text:
                return b""
            out, content = self._text_start(entry)
        content.texts.append(event.text)
        content.logprobs.extend(logprobs)
        if not event.text:
            return out
        tail = b"}\n\n"
        if not content.is_refusal:
            tail = b',"logprobs":' + dump_bytes(logprobs) + tail
        return out + self._delta(content.head, event.text, tail)

    def _text_start(self, entry: _Open) -> tuple[bytes, TextContent]:
        message, out = self._message, b""
        if message is None:
            message = MessageItem(len(self._items), self._context)
            phase = entry.part.ext.get(Format.RESPONSES, {}).get("phase")
            message.phase = phase if isinstance(phase, str) else None
            out = self._add(message)
            self._message = message
        is_refusal = isinstance(entry.part, RefusalText)
        self._has_refusal = self._has_refusal or is_refusal
        content = entry.content = message.new_content(is_refusal=is_refusal)
        out += self._event("response.content_part.added", **content.address, part=content.skeleton())
        return out, content

    def _citation(self, event: CitationDelta) -> bytes:
        entry = self._open.get(event.i)
        if entry is not None:
            # Sent when the text is complete: one without a span covers all of it.
            entry.citations.append(event.citation)
        return b""

    def _text_stop(self, entry: _Open) -> bytes:
        content, out = entry.content, b""
        if content is not None:
            length = sum(map(len, content.texts))
            found = (outcome.encode_citation(citation, length) for citation in entry.citations)
            for annotation in found:
                if annotation is not None:
                    out += self._event(
                        "response.output_text.annotation.added",
                        **content.address,
                        annotation_index=len(content.annotations),
                        annotation=annotation,
                    )
                    content.annotations.append(annotation)
            out += self._text_done(content)
        if entry.signature is not None:
            out += self._state_item(carrier.wrap(entry.signature, carrier.LAST))
        return out

    def _text_done(self, content: TextContent) -> bytes:
        part = content.block()
        if content.is_refusal:
            out = self._event("response.refusal.done", **content.address, refusal=part["refusal"])
        else:
            said = {"text": part["text"], "logprobs": part["logprobs"]}
            out = self._event("response.output_text.done", **content.address, **said)
        return out + self._event("response.content_part.done", **content.address, part=part)

    # --- reasoning

    def _reasoning_start(self, entry: _Open, part: Reasoning, i: int) -> bytes:
        entry.signature = part.signature
        return self._reasoning_delta(ReasoningDelta(i=i, text=part.text)) if part.text else b""

    def _reasoning_delta(self, event: ReasoningDelta) -> bytes:
        entry = self._open.get(event.i)
        if not event.text:
            return b""
        if entry is None:
            entry = self._open[event.i] = _Open(Reasoning())
        elif not isinstance(entry.part, Reasoning):
            return b""
        out = b""
        item = entry.reasoning
        if item is None:
            out, item = self._new_reasoning(entry)
            out += self._event(
                "response.reasoning_summary_part.added",
                **item.address,
                part={"type": "summary_text", "text": ""},
            )
        item.texts.append(event.text)
        return out + self._delta(item.head, event.text, b"}\n\n")

    def _new_reasoning(self, entry: _Open) -> tuple[bytes, ReasoningItem]:
        known = entry.part.item_id if isinstance(entry.part, Reasoning) else None
        out = self._end_message()
        item = entry.reasoning = ReasoningItem(len(self._items), self._context, known)
        return out + self._add(item), item

    def _reasoning_stop(self, entry: _Open, part: Reasoning) -> bytes:
        state = None
        if part.redacted is not None:
            state = carrier.wrap(part.redacted, carrier.REDACTED)
        elif entry.signature is not None:
            state = carrier.wrap(entry.signature)
        item, out = entry.reasoning, b""
        if item is None:
            if state is None:
                return b""
            out, item = self._new_reasoning(entry)
        item.state = state
        if item.texts:
            text = "".join(item.texts)
            out += self._event("response.reasoning_summary_text.done", **item.address, text=text)
            out += self._event(
                "response.reasoning_summary_part.done",
                **item.address,
                part={"type": "summary_text", "text": text},
            )
        return out + self._hold(item)

    # --- calls

    def _call_start(self, entry: _Open, part: ToolCall, i: int) -> bytes:
        is_custom = part.kind == "custom" or part.name in self._client.customs
        spelled = self._client.spelled(part.name)
        call_id = part.id or f"call_{self._context.seed}_{i}"
        out = self._end_message()
        item = CallItem(len(self._items), self._context, call_id, spelled, part.item_id, is_custom=is_custom)
        entry.call, entry.signature = item, part.signature
        if is_custom and part.kind != "custom":
            entry.wrapped = []
        out += self._add(item)
        if part.arguments:
            out += self._arguments_delta(ArgumentsDelta(i=i, text=part.arguments))
        return out

    def _arguments_delta(self, event: ArgumentsDelta) -> bytes:
        entry = self._open.get(event.i)
        if entry is None or entry.call is None or not event.text:
            return b""
        if entry.wrapped is not None:
            entry.wrapped.append(event.text)
            return b""
        entry.call.texts.append(event.text)
        return self._delta(entry.call.head, event.text, b"}\n\n")

    def _call_stop(self, entry: _Open, part: ToolCall) -> bytes:
        item, out = entry.call, b""
        if item is None:
            return b""
        if entry.wrapped is not None:
            text = unwrapped(msgspec.structs.replace(part, arguments="".join(entry.wrapped)))
            item.texts = [text]
            out += self._delta(item.head, text, b"}\n\n") if text else b""
        elif not item.is_custom and not "".join(item.texts).strip():
            item.texts.append("{}")  # no arguments are an empty object
            out += self._delta(item.head, "{}", b"}\n\n")
        out += self._event(f"response.{item.event}.done", **item.address, **item.said())
        if entry.signature is not None:
            self._call_states.append((item.call_id, entry.signature))
        return out + self._hold(item)

    def _unknown_event(self, event: UnknownEvent) -> bytes:
        kind = event.raw.get("type")
        if event.format is not Format.RESPONSES or not isinstance(kind, str):
            return b""
        rest = {key: value for key, value in event.raw.items() if key not in ("type", "sequence_number")}
        return self._event(kind, **rest)

    # --- frames

    def _event(self, kind: str, /, **fields: Json) -> bytes:
        number, self._sequence = self._sequence, self._sequence + 1
        return frame(dump_bytes({"type": kind, "sequence_number": number, **fields}), kind)

    def _delta(self, head: bytes, text: str, tail: bytes) -> bytes:
        number, self._sequence = self._sequence, self._sequence + 1
        return head + b"%d" % number + b',"delta":' + dump_bytes(text) + tail


def unwrapped(call: ToolCall) -> str:
    """The text of a free-form call that went through a format which only knows objects."""
    value = call.value().get("input", "")
    return value if isinstance(value, str) else dump_bytes(value).decode()
