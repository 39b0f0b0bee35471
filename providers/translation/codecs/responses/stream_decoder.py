"""Responses streams, decoded: ``response.*`` frames in, neutral events out.

Items may interleave (parallel calls), so everything is keyed by output index, else by item id. Backends
leave out deltas, or all but ``response.output_item.done``, or everything but the terminal answer, or the
output of the terminal answer: whatever was not said by a delta is taken from what comes later, and nothing
is said twice. Source of the event names: the official Python SDK (3.x), ``ResponseStreamEvent``.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from providers.errors import UpstreamProtocolError
from providers.translation.codec import AnswerContext
from providers.translation.codecs.openai.fields import moment
from providers.translation.codecs.openai.response import answer_arguments
from providers.translation.codecs.responses import activity
from providers.translation.codecs.responses.errors import failure_of, stream_error
from providers.translation.codecs.responses.ids import foreign_id
from providers.translation.codecs.responses.outcome import decode_annotation, decode_stop, decode_usage
from providers.translation.codecs.responses.output_items import (
    CALL_TYPES,
    TEXT_KEYS,
    decode_call,
    decode_image,
    decode_reasoning_item,
    item_state,
    type_of,
)
from providers.translation.model import (
    ArgumentsDelta,
    CitationDelta,
    End,
    Event,
    Heartbeat,
    Json,
    Part,
    PartStart,
    PartStop,
    Reasoning,
    ReasoningDelta,
    RefusalText,
    SignatureDelta,
    Start,
    Stopped,
    StreamError,
    Text,
    TextDelta,
    Unknown,
    UsageUpdate,
)
from providers.translation.sse import SseEvent
from providers.values import Format

Block = dict[str, Json]

_JSON = msgspec.json.Decoder()
_TERMINAL = ("response.completed", "response.incomplete", "response.cancelled", "response.done")
_ADDED = "response.output_item.added"
_OPENING = ("response.created", "response.in_progress", "response.queued")


class _Said:
    """One neutral part: what of it was said so far."""

    __slots__ = ("citations", "closed", "i", "length", "texts")

    def __init__(self, i: int) -> None:
        self.i = i
        self.texts: list[str] = []
        self.length = 0
        self.citations = 0
        self.closed = False


class _Item:
    """One output item as it comes. ``contents`` are its texts by content index; a call has one, at 0."""

    __slots__ = ("block", "contents", "done", "is_summary", "part", "place", "summary_index")

    def __init__(self, block: Block, place: int) -> None:
        self.block = block
        self.place = place
        self.contents: dict[int, _Said] = {}
        self.part: _Said | None = None
        self.is_summary: bool | None = None
        self.summary_index = 0
        self.done = False


class Decoder:
    """One stream from an upstream that speaks Responses."""

    def __init__(self, context: AnswerContext) -> None:
        self._context = context
        self._items: list[_Item] = []
        self._by_index: dict[int, _Item] = {}
        self._by_id: dict[str, _Item] = {}
        self._next = 0
        self._started = False
        self._over = False
        self._has_calls = False
        self._has_refusal = False
        self._handlers: dict[str, Callable[[Block, list[Event]], None]] = {
            "response.output_text.delta": self._text_delta,
            "response.refusal.delta": self._text_delta,
            "response.function_call_arguments.delta": self._arguments_delta,
            "response.custom_tool_call_input.delta": self._arguments_delta,
            "response.reasoning_summary_text.delta": self._reasoning_delta,
            "response.reasoning_text.delta": self._reasoning_delta,
            "response.reasoning_summary_part.added": self._summary_part,
            _ADDED: self._added,
            "response.output_item.done": self._item_done,
            "response.output_text.done": self._text_done,
            "response.refusal.done": self._text_done,
            "response.content_part.done": self._content_done,
            "response.output_text.annotation.added": self._annotation,
        }

    def feed(self, frame: SseEvent) -> list[Event]:
        data = frame.data.strip()
        if self._over or data == "[DONE]":
            return []  # nothing counts after the terminal event or an error
        if not data:
            return [Heartbeat()]
        try:
            event = _JSON.decode(frame.data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise UpstreamProtocolError("the upstream sent a stream frame that is not JSON") from error
        if not isinstance(event, dict):
            raise UpstreamProtocolError("the upstream sent a stream frame that is not a JSON object")
        kind = event.get("type") or frame.name
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        events: list[Event] = []
        if handler is not None:
            handler(event, events)
        else:
            self._outline(kind, event, events)
        return events

    def close(self) -> list[Event]:
        if self._over:
            return []
        raise UpstreamProtocolError("the upstream's stream stopped before the answer was complete")

    # --- the course of the stream

    def _outline(self, kind: Json, event: Block, events: list[Event]) -> None:
        response = event.get("response")
        response = response if isinstance(response, dict) else {}
        if kind in _OPENING:
            self._start(response, events)
        elif kind in _TERMINAL:
            self._finish(response, events)
        elif kind == "response.failed":
            self._over = True
            events.append(StreamError(info=failure_of(response), raw=_object(response.get("error"))))
        elif kind == "error" or (kind is None and event.get("error")):
            self._over = True
            events.append(StreamError(info=stream_error(event), raw=_object(event.get("error"))))
        else:
            events.append(Heartbeat())  # progress of OpenAI's own tools, and events yet unknown

    def _start(self, response: Block, events: list[Event]) -> None:
        if self._started:
            return
        self._started = True
        identity, model, created, tier = (
            response.get(key) for key in ("id", "model", "created_at", "service_tier")
        )
        events.append(
            Start(
                id=identity if isinstance(identity, str) and identity else None,
                model=model if isinstance(model, str) and model else None,
                created=moment(created),
                # At first it may be what was asked for; ``auto`` is no tier.
                service_tier=tier if isinstance(tier, str) and tier != "auto" else None,
            )
        )

    def _finish(self, response: Block, events: list[Event]) -> None:
        if response.get("status") == "failed":
            self._over = True
            events.append(StreamError(info=failure_of(response), raw=_object(response.get("error"))))
            return
        self._start(response, events)
        output = response.get("output")
        for place, block in enumerate(output if isinstance(output, list) else []):
            if isinstance(block, dict):
                self._settle_from_terminal(block, place, events)
        for item in self._items:
            if not item.done:
                self._settle(item, item.block, events)
        if (usage := decode_usage(response.get("usage"))) is not None:
            tier = response.get("service_tier")
            events.append(UsageUpdate(usage=usage, service_tier=tier if isinstance(tier, str) else None))
        stop = decode_stop(response, has_calls=self._has_calls, has_refusal=self._has_refusal)
        events.extend((Stopped(stop=stop), End()))
        self._over = True

    def _settle_from_terminal(self, block: Block, place: int, events: list[Event]) -> None:
        """An item of the terminal answer: known by its id or its place, else it is news."""
        identity = block.get("id")
        known = self._by_id.get(identity) if isinstance(identity, str) else None
        item = known or self._by_index.get(place) or self._new_item(block, place)
        if not item.done:
            self._settle(item, block, events)

    # --- items

    def _added(self, event: Block, events: list[Event]) -> None:
        block = event.get("item")
        if not isinstance(block, dict):
            return
        item = self._item(event, block)
        item.block = block
        if type_of(block) in CALL_TYPES and block.get("name") and item.part is None:
            self._start_call(item, events)

    def _item_done(self, event: Block, events: list[Event]) -> None:
        block = event.get("item")
        if isinstance(block, dict):
            item = self._item(event, block)
            if not item.done:
                self._settle(item, block, events)

    def _item(self, event: Block, block: Block | None = None) -> _Item:
        """The item that an event is about: by its index, else by its id, else the latest one.

        An id alone is not enough: some backends give the same item another id in every event.
        """
        index = event.get("output_index")
        identity = block.get("id") if block is not None else event.get("item_id")
        item = self._by_index.get(index) if isinstance(index, int) else None
        if item is None and not isinstance(index, int):
            if isinstance(identity, str) and identity:
                item = self._by_id.get(identity)
            elif self._items and not (self._items[-1].done or event.get("type") == _ADDED):
                item = self._items[-1]
        if item is None:
            item = self._new_item(block or {}, index if isinstance(index, int) else None)
        if isinstance(identity, str) and identity:
            self._by_id.setdefault(identity, item)
        return item

    def _new_item(self, block: Block, index: int | None) -> _Item:
        item = _Item(block, len(self._items) if index is None else index)
        self._items.append(item)
        if index is not None:
            self._by_index[index] = item
        return item

    def _settle(self, item: _Item, block: Block, events: list[Event]) -> None:
        """The item is final: say what was not said yet, and close its parts."""
        item.done = True
        kind = type_of(block) or type_of(item.block)
        if kind == "message":
            content = block.get("content")
            for index, part in enumerate(content if isinstance(content, list) else []):
                if isinstance(part, dict):
                    self._settle_text(item, index, part, events)
        elif kind in CALL_TYPES:
            self._settle_call(item, block, CALL_TYPES[kind], events)
        elif kind == "reasoning":
            self._settle_reasoning(item, block, events)
        elif kind == "image_generation_call":
            if (image := decode_image(block)) is not None:
                self._whole(image, events)
        elif isinstance(kind, str):
            told = activity.read(block)
            self._whole(Unknown(raw=block, format=Format.RESPONSES, activity=told), events)
        for said in [*item.contents.values(), *([item.part] if item.part else [])]:
            self._stop(said, events)

    def _open(self, part: Part, events: list[Event]) -> _Said:
        self._start({}, events)
        said = _Said(self._next)
        self._next += 1
        events.append(PartStart(i=said.i, part=part))
        return said

    def _whole(self, part: Part, events: list[Event]) -> None:
        self._stop(self._open(part, events), events)

    def _stop(self, said: _Said, events: list[Event]) -> None:
        if not said.closed:
            said.closed = True
            events.append(PartStop(i=said.i))

    # --- texts

    def _text(self, item: _Item, index: int, *, is_refusal: bool, events: list[Event]) -> _Said:
        said = item.contents.get(index)
        if said is None:
            self._has_refusal = self._has_refusal or is_refusal
            part: Part = RefusalText(text="") if is_refusal else Text(text="")
            said = item.contents[index] = self._open(part, events)
        return said

    def _say(self, said: _Said, text: str, events: list[Event], logprobs: Json = None) -> None:
        said.texts.append(text)
        said.length += len(text)
        tokens = logprobs if isinstance(logprobs, list) else None
        events.append(TextDelta(i=said.i, text=text, logprobs=tokens))

    def _text_delta(self, event: Block, events: list[Event]) -> None:
        text = event.get("delta")
        if not isinstance(text, str) or not text:
            return
        item = self._item(event)
        is_refusal = event.get("type") == "response.refusal.delta"
        said = self._text(item, _index(event), is_refusal=is_refusal, events=events)
        if not said.closed:
            self._say(said, text, events, event.get("logprobs") or None)

    def _text_done(self, event: Block, events: list[Event]) -> None:
        """The whole text again: only what no delta brought is news."""
        kind = "refusal" if event.get("type") == "response.refusal.done" else "output_text"
        self._settle_text(self._item(event), _index(event), {**event, "type": kind}, events)

    def _content_done(self, event: Block, events: list[Event]) -> None:
        part, item = event.get("part"), self._item(event)
        if not isinstance(part, dict) or type_of(part) not in TEXT_KEYS:
            return
        self._settle_text(item, _index(event), part, events)
        if (said := item.contents.get(_index(event))) is not None:
            self._stop(said, events)

    def _settle_text(self, item: _Item, index: int, part: Block, events: list[Event]) -> None:
        kind = part.get("type")
        key = TEXT_KEYS.get(kind) if isinstance(kind, str) else None
        text = part.get(key) if key else None
        if not isinstance(text, str) or not text:
            return
        said = self._text(item, index, is_refusal=kind == "refusal", events=events)
        if said.closed:
            return
        if len(text) > said.length:
            logprobs = None if said.length else part.get("logprobs") or None
            self._say(said, text[said.length :], events, logprobs)
        annotations = part.get("annotations")
        for annotation in annotations[said.citations :] if isinstance(annotations, list) else []:
            self._cite(said, annotation, events)

    def _annotation(self, event: Block, events: list[Event]) -> None:
        said = self._text(self._item(event), _index(event), is_refusal=False, events=events)
        if not said.closed:
            self._cite(said, event.get("annotation"), events)

    def _cite(self, said: _Said, annotation: Json, events: list[Event]) -> None:
        said.citations += 1
        citation = decode_annotation(annotation, "".join(said.texts))
        if citation is not None:
            events.append(CitationDelta(i=said.i, citation=citation))

    # --- calls

    def _start_call(self, item: _Item, events: list[Event]) -> _Said:
        self._has_calls = True
        item.part = self._open(decode_call(item.block, item.place, self._context), events)
        return item.part

    def _arguments_delta(self, event: Block, events: list[Event]) -> None:
        text, item = event.get("delta"), self._item(event)
        if not isinstance(text, str) or not text or item.done or item.part is None:
            return  # without its item the call has no name yet; the item's end brings all of it
        item.part.length += len(text)
        events.append(ArgumentsDelta(i=item.part.i, text=text))

    def _settle_call(self, item: _Item, block: Block, key: str, events: list[Event]) -> None:
        said = item.part
        if said is None:
            item.block = {**item.block, **block}
            said = self._start_call(item, events)
        text = answer_arguments(block.get(key))
        if len(text) > said.length:
            events.append(ArgumentsDelta(i=said.i, text=text[said.length :]))

    # --- reasoning

    def _reasoning_delta(self, event: Block, events: list[Event]) -> None:
        text, item = event.get("delta"), self._item(event)
        is_summary = event.get("type") == "response.reasoning_summary_text.delta"
        if not isinstance(text, str) or not text or item.done:
            return
        if item.part is None:
            item.is_summary = is_summary
            skeleton = Reasoning(is_summary=is_summary, item_id=foreign_id(event.get("item_id")))
            item.part = self._open(skeleton, events)
            item.summary_index = _index(event, "summary_index")
        if item.is_summary is not is_summary:
            return  # a summary and the full text say the same twice; the first that came is shown
        if _index(event, "summary_index") != item.summary_index:
            item.summary_index = _index(event, "summary_index")
            text = "\n\n" + text
        item.part.length += len(text)
        events.append(ReasoningDelta(i=item.part.i, text=text))

    def _summary_part(self, event: Block, events: list[Event]) -> None:
        self._item(event)
        events.append(Heartbeat())

    def _settle_reasoning(self, item: _Item, block: Block, events: list[Event]) -> None:
        part = decode_reasoning_item(block)
        if item.part is None:
            if part is not None:
                skeleton = msgspec.structs.replace(part, text="", signature=None)
                item.part = self._open(skeleton, events)
                if part.text:
                    events.append(ReasoningDelta(i=item.part.i, text=part.text))
        elif part is not None and part.is_summary is item.is_summary and len(part.text) > item.part.length:
            events.append(ReasoningDelta(i=item.part.i, text=part.text[item.part.length :]))
        state = item_state(block)
        if state is not None and item.part is not None:
            events.append(SignatureDelta(i=item.part.i, signature=state))


def _object(value: Json) -> Block | None:
    return value if isinstance(value, dict) else None


def _index(event: Block, key: str = "content_index") -> int:
    value = event.get(key)
    return value if isinstance(value, int) else 0
