"""Neutral events, encoded as Anthropic's message stream.

Grammar: ``message_start``, blocks with dense indexes of which one is open at a time, one ``message_delta``
with stop reason and usage together, one ``message_stop``. Official SDKs discard frames without an
``event:`` line. Other formats interleave parallel calls: what belongs to a part that is not at the head of
the queue waits until its turn.
"""

from __future__ import annotations

from collections import deque

from providers.translation.audio import Sound
from providers.translation.codec import AnswerContext
from providers.translation.codecs.claude import carrier, citations, outcome
from providers.translation.codecs.claude.activity import ActivityWriter
from providers.translation.codecs.claude.errors import encode_error
from providers.translation.codecs.claude.response import (
    call_id,
    carrier_block,
    hides_thinking,
    message_id,
)
from providers.translation.json_text import dump_bytes, dumps
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

_PartEvent = TextDelta | ReasoningDelta | SignatureDelta | ArgumentsDelta | CitationDelta | PartStop


class _Pending:
    """A part on its way out. At the head of the queue it is written, before that its events wait."""

    __slots__ = ("arguments", "is_live", "is_open", "part", "signature", "waiting")

    def __init__(self, part: Part) -> None:
        self.part = part
        self.is_open = False
        """Its block was started on the wire."""
        self.signature: Signature | None = None
        self.waiting: list[_PartEvent] = []
        self.arguments = ""
        """Argument text that is not on the wire yet."""
        self.is_live = False
        """Argument text goes out as it comes."""


class Encoder:
    """One stream to one client. Nothing follows ``message_stop`` or an error."""

    content_type = "text/event-stream"

    def __init__(self, context: AnswerContext) -> None:
        self._context = context
        self._started = False
        self._finished = False
        self._queue: deque[int] = deque()
        self._pending: dict[int, _Pending] = {}
        self._index = -1
        self._usage = Usage()
        self._stop: Stop | None = None
        self._has_calls = False
        self._has_refusal = False
        self._activities = ActivityWriter(context)
        self._sounds: dict[int, Sound] = {}
        """Audio that is not over: it becomes one text, which needs all of it."""

    def encode(self, event: Event) -> bytes:
        if self._finished:
            return b""
        match event:
            case Heartbeat():
                return _event("ping", {}) if self._started else b": ping\n\n"
            case StreamError():
                return self.error(event.info)
            case UsageUpdate():
                self._usage = self._usage.merged(event.usage)
                return b""
            case End():
                return self._start(Start()) + self._finish()
        if event.candidate != 0:
            return b""  # a message is one answer
        match event:
            case Start():
                return self._start(event)
            case Stopped():
                self._stop = event.stop
                return b""
            case UnknownEvent() if event.format is not Format.CLAUDE:
                return b""
        return self._start(Start()) + self._content(event)

    def error(self, info: ErrorInfo) -> bytes:
        """The error event; the stream is over after it."""
        self._finished = True
        return frame(dump_bytes(encode_error(info)), "error")

    # --- the message -----------------------------------------------------------------------

    def _start(self, event: Start) -> bytes:
        if event.usage is not None:
            self._usage = event.usage.merged(self._usage)
        if self._started:
            return b""
        self._started = True
        usage = outcome.encode_usage(self._usage)
        if tier := outcome.encode_tier(event.service_tier):
            usage["service_tier"] = tier
        message: dict[str, Json] = {
            "id": message_id(event.id, self._context),
            "type": "message",
            "role": "assistant",
            "model": self._context.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        return _event("message_start", {"message": message})

    def _finish(self) -> bytes:
        self._finished = True
        out = b""
        while self._queue:
            out += self._close_head()
        failure = outcome.failure_of(self._stop, has_content=self._index >= 0)
        if failure is not None:
            return out + self.error(failure)
        stop = outcome.encode_stop(self._stop, has_calls=self._has_calls, has_refusal=self._has_refusal)
        usage = outcome.encode_usage(self._usage)
        usage.pop("cache_creation", None)  # the type of this event's usage has no such field
        out += _event("message_delta", {"delta": stop, "usage": usage})
        return out + _event("message_stop", {})

    # --- the queue of parts ----------------------------------------------------------------

    def _content(self, event: Event) -> bytes:
        match event:
            case PartStart(part=Media(kind="audio") as part):
                self._sounds[event.i] = Sound(part)
                return b""
            case PartStart():
                return self._enqueue(event.i, event.part)
            case AudioDelta():
                if event.i in self._sounds:
                    self._sounds[event.i].add(event)
                return b""
            case PartStop() if event.i in self._sounds:
                return self._enqueue(event.i, self._sounds.pop(event.i).whole()) + self._part_event(event)
            case UnknownEvent():
                kind = event.raw.get("type")
                return frame(dump_bytes(event.raw), kind) if isinstance(kind, str) else b""
            case (
                TextDelta()
                | ReasoningDelta()
                | SignatureDelta()
                | ArgumentsDelta()
                | CitationDelta()
                | PartStop()
            ):
                return self._part_event(event)
        return b""

    def _enqueue(self, i: int, part: Part) -> bytes:
        self._has_calls = self._has_calls or isinstance(part, ToolCall)
        self._has_refusal = self._has_refusal or isinstance(part, RefusalText)
        out = b""
        if self._queue and not isinstance(self._pending[self._queue[0]].part, ToolCall):
            # Text and thinking need no end from the upstream; holding the rest back would delay it.
            out = self._close_head()
        self._pending[i] = _Pending(part)
        self._queue.append(i)
        if self._queue[0] == i:
            out += self._begin(i)
        return out

    def _part_event(self, event: _PartEvent) -> bytes:
        pending = self._pending.get(event.i)
        if pending is None:
            return b""
        if event.i not in self._queue:
            # Its block was closed for another part. What still comes opens a new block of that kind.
            if isinstance(event, PartStop | CitationDelta | ArgumentsDelta):
                return b""
            skeleton = Reasoning() if isinstance(pending.part, Reasoning) else Text(text="")
            return self._enqueue(event.i, skeleton) + self._part_event(event)
        if self._queue[0] != event.i:
            pending.waiting.append(event)
            return b""
        return self._close_head() if isinstance(event, PartStop) else self._write(event.i, pending, event)

    def _close_head(self) -> bytes:
        """Finish the first part, then write those behind it as far as they have come."""
        out, is_over = b"", True
        while self._queue and is_over:
            first = self._queue.popleft()
            out += self._end(first, self._pending[first])
            if self._queue:
                written, is_over = self._catch_up(self._queue[0])
                out += written
        return out

    def _catch_up(self, i: int) -> tuple[bytes, bool]:
        """Write the part that has become the head, and say whether it is over already."""
        pending = self._pending[i]
        out = self._begin(i)
        events, pending.waiting = pending.waiting, []
        for event in events:
            if isinstance(event, PartStop):
                return out, True
            out += self._write(i, pending, event)
        return out, len(self._queue) > 1 and not isinstance(pending.part, ToolCall)

    # --- one part --------------------------------------------------------------------------

    def _begin(self, i: int) -> bytes:
        """What the skeleton already says. Text and thinking open with their first word, calls with
        their first argument (a signature may come in between)."""
        pending = self._pending[i]
        match pending.part:
            case Text() as part:
                out = self._write(i, pending, TextDelta(i=i, text=part.text))
                for citation in part.citations:
                    out += self._write(i, pending, CitationDelta(i=i, citation=citation))
                pending.signature = part.signature
                return out
            case RefusalText() as part:
                return self._write(i, pending, TextDelta(i=i, text=part.text))
            case Reasoning() as part if part.redacted is not None:
                data = carrier.wrap(part.redacted)
                return self._whole({"type": "redacted_thinking", "data": data})
            case Reasoning() as part:
                pending.signature = part.signature
                return self._write(i, pending, ReasoningDelta(i=i, text=part.text))
            case ToolCall() as part:
                pending.signature = part.signature
                return self._write(i, pending, ArgumentsDelta(i=i, text=part.arguments))
            case Media() as part:
                return self._write(i, pending, TextDelta(i=i, text=as_markdown(part)))
            case Unknown() as part if part.format is Format.CLAUDE:
                return self._whole(part.raw)
            case Unknown() as part if part.activity is not None:
                return b"".join(self._whole(block) for block in self._activities.blocks(part.activity))
        return b""

    def _write(self, i: int, pending: _Pending, event: _PartEvent) -> bytes:
        match event:
            case TextDelta() if event.text:
                out = self._open(pending, {"type": "text", "text": ""})
                return out + self._delta("text_delta", text=event.text)
            case ReasoningDelta() if event.text and not hides_thinking(self._context):
                out = self._open(pending, {"type": "thinking", "thinking": "", "signature": ""})
                return out + self._delta("thinking_delta", thinking=event.text)
            case ArgumentsDelta() if event.text and isinstance(pending.part, ToolCall):
                return self._arguments(i, pending, pending.part, event.text)
            case CitationDelta() if pending.is_open:
                citation = citations.encode(event.citation)
                return self._delta("citations_delta", citation=citation) if citation else b""
            case SignatureDelta():
                pending.signature = event.signature
        return b""

    def _end(self, i: int, pending: _Pending) -> bytes:
        part, out = pending.part, b""
        if isinstance(part, Reasoning):
            if part.redacted is None and (pending.is_open or pending.signature is not None):
                out = self._open(pending, {"type": "thinking", "thinking": "", "signature": ""})
                out += self._delta("signature_delta", signature=carrier.wrap(pending.signature))
                out += self._stop_block()
            return out
        if isinstance(part, ToolCall):
            out = self._open_call(i, pending, part) + self._last_arguments(pending, part)
        if pending.is_open:
            out += self._stop_block()
        if pending.signature is not None:
            out += self._whole(carrier_block(pending.signature, carrier.Place.LAST))
        return out

    # --- tool calls ------------------------------------------------------------------------

    def _open_call(self, i: int, pending: _Pending, part: ToolCall) -> bytes:
        if pending.is_open:
            return b""
        out = b""
        if pending.signature is not None:
            out = self._whole(carrier_block(pending.signature, carrier.Place.NEXT))
            pending.signature = None
        block = {"type": "tool_use", "id": call_id(part, i, self._context), "name": part.name, "input": {}}
        return out + self._open(pending, block)

    def _arguments(self, i: int, pending: _Pending, part: ToolCall, text: str) -> bytes:
        """An object goes out as it comes. Free text is escaped into ``{"input": "…"}`` on the way;
        anything else is no object and must be wrapped, which needs all of it."""
        out = self._open_call(i, pending, part)
        if part.kind == "custom":
            head = "" if pending.is_live else '{"input":"'
            pending.is_live = True
            return out + self._delta("input_json_delta", partial_json=head + dumps(text)[1:-1])
        if not pending.is_live:
            pending.arguments += text
            if not pending.arguments.lstrip().startswith("{"):
                return out
            text, pending.arguments, pending.is_live = pending.arguments, "", True
        return out + self._delta("input_json_delta", partial_json=text)

    def _last_arguments(self, pending: _Pending, part: ToolCall) -> bytes:
        if part.kind == "custom":
            return self._delta("input_json_delta", partial_json='"}' if pending.is_live else '{"input":""}')
        if not pending.arguments.strip():
            return b""
        value = ToolCall(id=part.id, name=part.name, arguments=pending.arguments).value()
        return self._delta("input_json_delta", partial_json=dumps(value))

    # --- frames ----------------------------------------------------------------------------

    def _open(self, pending: _Pending, block: dict[str, Json]) -> bytes:
        if pending.is_open:
            return b""
        pending.is_open = True
        self._index += 1
        return _event("content_block_start", {"index": self._index, "content_block": block})

    def _whole(self, block: dict[str, Json]) -> bytes:
        """A block without deltas of its own. Thinking's signature needs one: accumulators read it there."""
        self._index += 1
        signature = block.get("signature") if block.get("type") == "thinking" else None
        start = block | {"signature": ""} if signature else block
        out = _event("content_block_start", {"index": self._index, "content_block": start})
        if signature:
            out += self._delta("signature_delta", signature=signature)
        return out + self._stop_block()

    def _delta(self, kind: str, **fields: Json) -> bytes:
        return _event("content_block_delta", {"index": self._index, "delta": {"type": kind, **fields}})

    def _stop_block(self) -> bytes:
        return _event("content_block_stop", {"index": self._index})


def _event(name: str, fields: dict[str, Json]) -> bytes:
    return frame(dump_bytes({"type": name, **fields}), name)
