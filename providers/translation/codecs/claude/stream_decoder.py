"""Anthropic's message stream, decoded: upstream frames in, neutral events out.

What moves the state is the table ``_NEXT``; an event that it does not allow is the upstream's fault. Pings
and errors are allowed anywhere, events of unknown types are passed by. Grammar:
https://docs.anthropic.com/en/docs/build-with-claude/streaming (read 2025) and the SDK's event types.
"""

from __future__ import annotations

from enum import Enum, auto

import msgspec

from providers.errors import UpstreamProtocolError
from providers.translation.codec import AnswerContext
from providers.translation.codecs.claude import activity, answer_tool, citations, outcome
from providers.translation.codecs.claude.errors import error_info
from providers.translation.codecs.claude.response import call_skeleton, signature_of, unwrap_custom
from providers.translation.json_text import dumps
from providers.translation.model import (
    ArgumentsDelta,
    CitationDelta,
    End,
    Event,
    Heartbeat,
    Json,
    PartStart,
    PartStop,
    Reasoning,
    ReasoningDelta,
    SignatureDelta,
    Start,
    Stop,
    StopKind,
    Stopped,
    StreamError,
    Text,
    TextDelta,
    ToolCall,
    Unknown,
    UnknownEvent,
    UsageUpdate,
)
from providers.translation.sse import SseEvent
from providers.values import Format


class _State(Enum):
    START = auto()
    OPEN = auto()
    IN_BLOCK = auto()
    CLOSING = auto()
    DONE = auto()


_NEXT = {
    _State.START: {"message_start": _State.OPEN},
    _State.OPEN: {"content_block_start": _State.IN_BLOCK, "message_delta": _State.CLOSING},
    _State.IN_BLOCK: {"content_block_delta": _State.IN_BLOCK, "content_block_stop": _State.OPEN},
    _State.CLOSING: {"message_delta": _State.CLOSING, "message_stop": _State.DONE},
    _State.DONE: {},
}
"""What may follow what (pings and errors aside)."""

_KNOWN = frozenset(kind for row in _NEXT.values() for kind in row)

_DELTAS = {
    "text": frozenset({"text_delta", "citations_delta"}),
    "thinking": frozenset({"thinking_delta", "signature_delta"}),
    "tool_use": frozenset({"input_json_delta"}),
}
"""Which deltas fit which block."""

_KNOWN_DELTAS = frozenset().union(*_DELTAS.values())


class _Block:
    """The content block that is open."""

    __slots__ = (
        "arguments", "citations", "i", "index", "is_answer", "is_wrapped", "kind", "length", "raw",
        "signature", "skeleton",
    )  # fmt: skip

    def __init__(self, i: int, index: Json, raw: dict[str, Json]) -> None:
        self.i = i
        self.index = index
        self.raw = raw
        self.kind = _text_or_none(raw.get("type")) or ""
        self.length = 0
        self.citations: list[Json] = []
        self.arguments: list[str] = []
        self.signature = _text_or_none(raw.get("signature")) or ""
        self.skeleton: ToolCall | None = None
        self.is_answer = False
        self.is_wrapped = False


class Decoder:
    """One stream. Frames after ``message_stop`` or an error are ignored: the answer is complete."""

    def __init__(self, context: AnswerContext) -> None:
        self._context = context
        self._state = _State.START
        self._failed = False
        self._block: _Block | None = None
        self._parts = 0
        self._usage: dict[str, Json] = {}
        self._has_calls = False
        self._has_answer = False
        self._stopped = False

    def feed(self, frame: SseEvent) -> list[Event]:
        """Events for one frame. Raises UpstreamProtocolError when the frame breaks the grammar."""
        block = self._block
        if block is not None and block.kind == "text" and '"text_delta"' in frame.data and not self._failed:
            try:
                event = _DELTA_EVENT.decode(frame.data)
            except msgspec.DecodeError:
                pass  # not just that: told below
            else:
                if event.index == block.index:
                    text = event.delta.text
                    block.length += len(text)
                    return [TextDelta(i=block.i, text=text)] if text else []
        if self._failed or self._state is _State.DONE or frame.data == "[DONE]":
            return []
        if not frame.data.strip():
            return [Heartbeat()]
        data = _parse(frame.data)
        kind = data.get("type") or frame.name
        if kind == "ping":
            return [Heartbeat()]
        if kind == "error" or (kind is None and "error" in data):
            self._failed = True
            return [StreamError(info=error_info(data))]
        if not isinstance(kind, str) or kind not in _KNOWN:
            return [UnknownEvent(raw=data, format=Format.CLAUDE)]
        follower = _NEXT[self._state].get(kind)
        if follower is None:
            raise UpstreamProtocolError(f"the upstream sent {kind} {self._where()}")
        self._state = follower
        return self._handle(kind, data)

    def close(self) -> list[Event]:
        """The upstream closed. Nothing but ``message_stop`` ends a message: a stream without it was cut,
        be it behind the stop reason."""
        if self._failed or self._state is _State.DONE:
            return []
        raise UpstreamProtocolError(f"the upstream's stream stopped {self._where()}")

    def _where(self) -> str:
        """For error messages."""
        if self._block is not None:
            return f"in content block {self._block.i}"
        return {
            _State.START: "before the message started",
            _State.OPEN: f"after {self._parts} content blocks, without a stop reason",
        }.get(self._state, "before message_stop")

    def _handle(self, kind: str, data: dict[str, Json]) -> list[Event]:
        match kind:
            case "message_start":
                return self._start(data)
            case "content_block_start":
                return self._open_block(data)
            case "content_block_delta":
                return self._delta(data)
            case "content_block_stop":
                return self._close_block(data)
            case "message_delta":
                return self._message_delta(data)
        return self._finish()

    # --- the message -----------------------------------------------------------------------

    def _start(self, data: dict[str, Json]) -> list[Event]:
        message = _mapping(data.get("message"), "message_start")
        self._usage = outcome.merge_raw_usage({}, message.get("usage"))
        return [
            Start(
                id=_text_or_none(message.get("id")),
                model=_text_or_none(message.get("model")),
                usage=outcome.decode_usage(self._usage or None),
                service_tier=outcome.decode_tier(self._usage),
            )
        ]

    def _message_delta(self, data: dict[str, Json]) -> list[Event]:
        events: list[Event] = []
        if isinstance(data.get("usage"), dict):
            self._usage = outcome.merge_raw_usage(self._usage, data["usage"])
            usage = outcome.decode_usage(self._usage)
            if usage is not None:
                events.append(UsageUpdate(usage=usage))
        delta = data.get("delta")
        stop = outcome.decode_stop(
            delta if isinstance(delta, dict) else {}, has_calls=self._has_calls, is_answer=self._has_answer
        )
        if stop is not None and not self._stopped:
            self._stopped = True
            events.append(Stopped(stop=stop))
        return events

    def _finish(self) -> list[Event]:
        if self._stopped:
            return [End()]
        kind = StopKind.TOOL_CALLS if self._has_calls else StopKind.END
        return [Stopped(stop=Stop(kind)), End()]

    # --- content blocks --------------------------------------------------------------------

    def _open_block(self, data: dict[str, Json]) -> list[Event]:
        raw = _mapping(data.get("content_block"), "content_block_start")
        block = self._block = _Block(self._parts, data.get("index"), raw)
        self._parts += 1
        match block.kind:
            case "text":
                return [PartStart(i=block.i, part=Text(text="")), *self._text(block, raw.get("text"))]
            case "thinking":
                return [PartStart(i=block.i, part=Reasoning()), *_thought(block, raw.get("thinking"))]
            case "redacted_thinking":
                return [PartStart(i=block.i, part=Reasoning(redacted=signature_of(raw.get("data"))))]
            case "tool_use" if answer_tool.is_answer(raw.get("name"), self._context):
                self._has_answer = block.is_answer = True
                block.is_wrapped = answer_tool.is_wrapped(self._context)
                return [PartStart(i=block.i, part=Text(text=""))]
            case "tool_use":
                self._has_calls = True
                block.skeleton = call_skeleton(raw, self._context)
                return [PartStart(i=block.i, part=block.skeleton)]
        return []  # a block that only this format knows is emitted whole, when it closes

    def _delta(self, data: dict[str, Json]) -> list[Event]:
        block = self._current(data)
        delta = _mapping(data.get("delta"), "content_block_delta")
        kind = delta.get("type")
        if not isinstance(kind, str) or kind not in _KNOWN_DELTAS:
            return [UnknownEvent(raw=data, format=Format.CLAUDE)]
        fitting = _DELTAS.get(block.kind, _KNOWN_DELTAS)
        if kind not in fitting:
            raise UpstreamProtocolError(f"the upstream sent {kind} {self._where()} of type {block.kind}")
        match kind:
            case "text_delta":
                return self._text(block, delta.get("text"))
            case "thinking_delta":
                return _thought(block, delta.get("thinking"))
            case "signature_delta":
                block.signature += _text_or_none(delta.get("signature")) or ""
            case "citations_delta":
                block.citations.append(delta.get("citation"))
            case "input_json_delta":
                return self._arguments(block, delta.get("partial_json"))
        return []

    def _text(self, block: _Block, text: Json) -> list[Event]:
        if not isinstance(text, str) or not text:
            return []
        block.length += len(text)
        return [TextDelta(i=block.i, text=text)]

    def _arguments(self, block: _Block, text: Json) -> list[Event]:
        if not isinstance(text, str) or not text:
            return []
        block.arguments.append(text)
        if block.is_answer and not block.is_wrapped:
            return [TextDelta(i=block.i, text=text)]
        if block.skeleton is None or block.skeleton.kind == "custom":
            return []  # needed whole: see _close_block
        return [ArgumentsDelta(i=block.i, text=text)]

    def _close_block(self, data: dict[str, Json]) -> list[Event]:
        block = self._current(data)
        self._block = None
        if block.kind not in ("text", "thinking", "redacted_thinking", "tool_use"):
            return [PartStart(i=block.i, part=_whole(block)), PartStop(i=block.i)]
        events: list[Event] = []
        # A citation covers its whole block, whose length is known only now.
        for citation in citations.decode(block.citations, block.length):
            events.append(CitationDelta(i=block.i, citation=citation))
        signature = signature_of(block.signature) if block.kind == "thinking" else None
        if signature is not None:
            events.append(SignatureDelta(i=block.i, signature=signature))
        if block.skeleton is not None:
            events += _last_arguments(block, block.skeleton)
        if block.is_answer:
            events += self._last_answer(block)
        return [*events, PartStop(i=block.i)]

    def _last_answer(self, block: _Block) -> list[Event]:
        """What of the answer was not sent on as it came: all of it where it was wrapped or came whole."""
        text = "".join(block.arguments)
        if text and not block.is_wrapped:
            return []
        value = _json_or_text(text) if text else block.raw.get("input")
        whole = value if isinstance(value, str) else answer_tool.text_of(value, self._context)
        return [TextDelta(i=block.i, text=whole)]

    def _current(self, data: dict[str, Json]) -> _Block:
        block = self._block
        if block is None:
            raise UpstreamProtocolError("the upstream sent a delta outside a content block")
        index = data.get("index")
        if index is not None and block.index is not None and index != block.index:
            raise UpstreamProtocolError(
                f"the upstream addressed content block {index} while {block.index} was open"
            )
        return block


class _TextDelta(msgspec.Struct, tag_field="type", tag="text_delta"):
    text: str


class _DeltaEvent(msgspec.Struct, tag_field="type", tag="content_block_delta"):
    """Nearly all that a stream consists of, so it has a decoder of its own."""

    index: int
    delta: _TextDelta


_DELTA_EVENT = msgspec.json.Decoder(_DeltaEvent)


def _thought(block: _Block, text: Json) -> list[Event]:
    return [ReasoningDelta(i=block.i, text=text)] if isinstance(text, str) and text else []


def _last_arguments(block: _Block, skeleton: ToolCall) -> list[Event]:
    """What the deltas did not say: everything for a custom tool, ``{}`` or the whole input else."""
    raw = block.raw.get("input")
    text = "".join(block.arguments)
    if skeleton.kind != "custom":
        return [] if text.strip() else [ArgumentsDelta(i=block.i, text=dumps(raw or {}))]
    free_text = unwrap_custom(_json_or_text(text) if text.strip() else raw or {})
    return [ArgumentsDelta(i=block.i, text=free_text)] if free_text else []


def _whole(block: _Block) -> Unknown:
    """A block of this format alone, with the input that its deltas spelled."""
    raw = dict(block.raw)
    text = "".join(block.arguments)
    if text.strip():
        raw["input"] = _json_or_text(text)
    return Unknown(raw=raw, format=Format.CLAUDE, activity=activity.read(raw))


def _json_or_text(text: str) -> Json:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _parse(text: str) -> dict[str, Json]:
    try:
        data = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UpstreamProtocolError("the upstream sent an event that is not JSON") from error
    return _mapping(data, "an event")


def _mapping(value: Json, where: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise UpstreamProtocolError(f"the upstream sent {where} without its object")
    return value


def _text_or_none(value: Json) -> str | None:
    return value if isinstance(value, str) else None
