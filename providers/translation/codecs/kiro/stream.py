"""Kiro's events, decoded: text, thoughts and calls as they come, usage and the stop reason at the end.

The stream has no terminator: its end is the end of the body, which the transport proves complete. What must
not be missing by then: an answer at all, and the end of every call. Events:
docs/protocols/kiro.md#what-comes-back.
"""

from __future__ import annotations

import json

import msgspec

from providers.errors import UpstreamProtocolError
from providers.translation import names
from providers.translation.codec import AnswerContext
from providers.translation.codecs.kiro import usage as counts
from providers.translation.codecs.kiro.errors import error_of_event, fields_of
from providers.translation.codecs.kiro.framing import EXCEPTION
from providers.translation.codecs.kiro.inline import Called, InlineReader, Piece
from providers.translation.codecs.kiro.model_ids import model_id
from providers.translation.codecs.kiro.thinking import wants_thinking
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
from providers.translation.sse import SseEvent
from providers.values import Format

_USAGE = frozenset({"messageMetadataEvent", "metadataEvent", "usageEvent", "metricsEvent"})
_KNOWN = _USAGE | {
    "assistantResponseEvent",
    "toolUseEvent",
    "reasoningContentEvent",
    "contextUsageEvent",
    "supplementaryWebLinksEvent",
    "messageStopEvent",
    "error",
    "exception",
}
_ERRORS = frozenset({"error", "exception"})

_STOPS = {
    "end_turn": StopKind.END,
    "stop": StopKind.END,
    "stop_sequence": StopKind.STOP_SEQUENCE,
    "max_tokens": StopKind.LENGTH,
    "length": StopKind.LENGTH,
    "tool_use": StopKind.TOOL_CALLS,
    "tool_calls": StopKind.TOOL_CALLS,
    "content_filtered": StopKind.CONTENT_FILTER,
    "content_filter": StopKind.CONTENT_FILTER,
    "guardrail_intervened": StopKind.CONTENT_FILTER,
    "refusal": StopKind.CONTENT_FILTER,
    "model_context_window_exceeded": StopKind.CONTEXT_WINDOW,
}


class _Call:
    """A call whose arguments are still coming."""

    __slots__ = ("arguments", "i")

    def __init__(self, i: int) -> None:
        self.i = i
        self.arguments: list[str] = []


class Decoder:
    """One stream. See ``StreamDecoder``."""

    def __init__(self, context: AnswerContext) -> None:
        request = context.request
        self._context = context
        self._inline = InlineReader(
            thinks=request is not None
            and wants_thinking(request, model_id(context.upstream_model or context.model)),
            tools=frozenset(
                context.names.mangle(tool.name) for tool in request.tools if tool.kind == "function"
            )
            if request is not None
            else frozenset(),
        )
        self._has_started = False
        self._has_failed = False
        self._is_answered = False
        self._parts = 0
        self._open: tuple[int, bool] | None = None
        """The text or thought that is under way: its number, and whether it is a thought."""
        self._calls: dict[str, _Call] = {}
        self._finished_calls: set[str] = set()
        self._has_calls = False
        self._was_cut_short = False
        self._stop: str | None = None
        self._usage: Usage | None = None
        self._filled: float | None = None
        self._written = 0

    def feed(self, frame: SseEvent) -> list[Event]:
        if self._has_failed:
            return []
        name, payload = _read(frame)
        if _is_error(name):
            self._has_failed = True
            return [StreamError(info=error_of_event(name, payload), raw=fields_of(name, payload))]
        events: list[Event] = []
        if not self._has_started:
            self._has_started = True
            events.append(Start())
        match name:
            case "assistantResponseEvent":
                self._response(payload, events)
            case "toolUseEvent":
                self._tool_use(payload, events)
            case "reasoningContentEvent":
                self._reasoning(payload, events)
            case "supplementaryWebLinksEvent":
                self._links(payload, events)
            case "messageStopEvent":
                self._note_stop(payload)
                self._is_answered = True
        if name in _USAGE and (said := counts.reported(payload)) is not None:
            self._usage = said if self._usage is None else self._usage.merged(said)
        if name in _USAGE or name == "contextUsageEvent":
            filled = counts.percentage(payload)
            self._filled = self._filled if filled is None else filled
        return events or [Heartbeat()]

    def close(self) -> list[Event]:
        """The body is complete. Raises UpstreamProtocolError when the answer is not."""
        if self._has_failed:
            return []
        if self._calls:
            raise UpstreamProtocolError("the upstream's stream ended inside a tool call")
        if not self._is_answered:
            raise UpstreamProtocolError("the upstream's stream ended without an answer")
        events: list[Event] = []
        self._pieces(self._inline.close(), events)
        self._shut(events)
        usage = counts.completed(self._usage, self._filled, self._context.request, self._written)
        return [*events, UsageUpdate(usage=usage), Stopped(stop=self._stopped()), End()]

    # --- text and thoughts -----------------------------------------------------------------

    def _response(self, payload: dict[str, Json], events: list[Event]) -> None:
        self._is_answered = True
        self._note_stop(payload)
        content = payload.get("content")
        if isinstance(content, str) and content:
            self._pieces(self._inline.feed(content), events)
        calls = payload.get("toolUses")
        for call in calls if isinstance(calls, list) else []:
            if isinstance(call, dict):
                self._tool_use({**call, "stop": True}, events)

    def _pieces(self, pieces: list[Piece], events: list[Event]) -> None:
        for piece in pieces:
            if isinstance(piece, Called):
                identity = f"toolu_{self._context.seed[:16]}_{self._parts}"
                whole = {"toolUseId": identity, "name": piece.name, "input": piece.arguments, "stop": True}
                self._tool_use(whole, events)
            elif piece.text:
                self._say(piece.text, events, is_thought=piece.is_thought)

    def _say(self, text: str, events: list[Event], *, is_thought: bool) -> int:
        if self._open is None or self._open[1] is not is_thought:
            self._shut(events)
            skeleton = Reasoning() if is_thought else Text(text="")
            self._open = (self._part(skeleton, events), is_thought)
        i = self._open[0]
        self._written += len(text)
        if text:
            events.append(ReasoningDelta(i=i, text=text) if is_thought else TextDelta(i=i, text=text))
        return i

    def _reasoning(self, payload: dict[str, Json], events: list[Event]) -> None:
        self._is_answered = True
        text, signature = payload.get("text"), payload.get("signature")
        redacted = payload.get("redactedContent")
        if isinstance(redacted, str) and redacted:
            self._shut(events)
            state = Signature(redacted, Format.KIRO)
            events.append(PartStop(i=self._part(Reasoning(redacted=state), events)))
        if isinstance(text, str) and text:
            self._say(text, events, is_thought=True)
        if isinstance(signature, str) and signature:
            i = self._say("", events, is_thought=True)
            events.append(SignatureDelta(i=i, signature=Signature(signature, Format.KIRO)))
            self._shut(events)

    def _links(self, payload: dict[str, Json], events: list[Event]) -> None:
        links = payload.get("supplementaryWebLinks")
        for link in links if isinstance(links, list) else []:
            if isinstance(link, dict) and isinstance(url := link.get("url"), str) and self._open:
                title = link.get("title")
                citation = {"url": url, "title": title if isinstance(title, str) else ""}
                if not self._open[1]:
                    events.append(CitationDelta(i=self._open[0], citation=citation))

    # --- calls -----------------------------------------------------------------------------

    def _tool_use(self, payload: dict[str, Json], events: list[Event]) -> None:
        self._is_answered = True
        identity, name = payload.get("toolUseId"), payload.get("name")
        if not isinstance(identity, str) or not identity or identity in self._finished_calls:
            return
        call = self._calls.get(identity)
        if call is None:
            if not isinstance(name, str) or not name:
                raise UpstreamProtocolError("the upstream sent a tool call without a name")
            self._pieces(self._inline.close(), events)
            self._shut(events)
            self._has_calls = True
            skeleton = ToolCall(id=names.tool_id(identity), name=self._context.names.restore(name))
            call = self._calls[identity] = _Call(self._part(skeleton, events))
        fragment = payload.get("input")
        if isinstance(fragment, dict | list) and fragment:
            fragment = dumps(fragment)
        if isinstance(fragment, str) and fragment:
            call.arguments.append(fragment)
            self._written += len(fragment)
            events.append(ArgumentsDelta(i=call.i, text=fragment))
        if payload.get("stop") is True:
            del self._calls[identity]
            self._finished_calls.add(identity)
            self._finish_call(call, events)

    def _finish_call(self, call: _Call, events: list[Event]) -> None:
        text = "".join(call.arguments)
        if not text.strip():
            events.append(ArgumentsDelta(i=call.i, text="{}"))
        elif not _is_json(text) and (rest := missing_end(text)):
            # The model ran out of room inside its arguments: readable, but said to be cut short.
            self._was_cut_short = True
            events.append(ArgumentsDelta(i=call.i, text=rest))
        events.append(PartStop(i=call.i))

    # --- the outline -----------------------------------------------------------------------

    def _part(self, skeleton: Text | Reasoning | ToolCall, events: list[Event]) -> int:
        i = self._parts
        self._parts += 1
        events.append(PartStart(i=i, part=skeleton))
        return i

    def _shut(self, events: list[Event]) -> None:
        if self._open is not None:
            events.append(PartStop(i=self._open[0]))
            self._open = None

    def _note_stop(self, payload: dict[str, Json]) -> None:
        reason = payload.get("stopReason")
        if isinstance(reason, str) and reason:
            self._stop = reason

    def _stopped(self) -> Stop:
        if self._was_cut_short:
            return Stop(StopKind.LENGTH, self._stop)
        if self._stop is None:
            return Stop(StopKind.TOOL_CALLS if self._has_calls else StopKind.END)
        kind = _STOPS.get(self._stop.lower(), StopKind.OTHER)
        if self._has_calls and kind is StopKind.END:
            kind = StopKind.TOOL_CALLS
        return Stop(kind, self._stop)


def missing_end(text: str) -> str:
    """What closes the strings and brackets that ``text`` leaves open; "" where that makes no JSON."""
    closing: list[str] = []
    in_text = is_escaped = False
    for character in text:
        if in_text:
            if is_escaped:
                is_escaped = False
            elif character == "\\":
                is_escaped = True
            elif character == '"':
                in_text = False
        elif character == '"':
            in_text = True
        elif character in "{[":
            closing.append("}" if character == "{" else "]")
        elif character in "}]" and closing:
            closing.pop()
    quote, brackets = '"' if in_text else "", "".join(reversed(closing))
    for value in ("", "null", ":null"):
        if _is_json(text + quote + value + brackets):
            return quote + value + brackets
    return ""


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_error(name: str) -> bool:
    return name in _ERRORS or name.startswith(EXCEPTION) or name.lower().endswith("exception")


def _read(frame: SseEvent) -> tuple[str, dict[str, Json]]:
    """The event's name and its payload, which may be nested under that name."""
    name = frame.name or ""
    if not frame.data.strip():
        return name, {}
    try:
        data = msgspec.json.decode(frame.data)
    except (msgspec.DecodeError, RecursionError) as error:
        if name.startswith(EXCEPTION):
            return name, {"message": frame.data}
        raise UpstreamProtocolError("the upstream sent an event that is not JSON") from error
    if not isinstance(data, dict):
        raise UpstreamProtocolError("the upstream sent an event that is not a JSON object")
    for key in (name,) if name else tuple(data):
        nested = data.get(key)
        if isinstance(nested, dict) and (key == name or key in _KNOWN):
            return key, nested
    return name, data
