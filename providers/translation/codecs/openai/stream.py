"""Chat Completions streams, decoded: ``chat.completion.chunk`` frames in, neutral events out.

Compatible servers take liberties with the published grammar, and all of these are read: usage on any
chunk, fragments without ``id`` or ``index``, repeated names, whole calls in one fragment, no role, no
finish reason before ``[DONE]``, no ``[DONE]``, frames after it, an error object in place of a chunk.
The stop is held until the stream ends, because some servers send a finish reason with every chunk or
calls after ``stop``.
"""

from __future__ import annotations

import msgspec

from providers.errors import UpstreamProtocolError
from providers.translation.codec import AnswerContext
from providers.translation.codecs.openai.errors import reported_error
from providers.translation.codecs.openai.fields import moment
from providers.translation.codecs.openai.messages import call_signature
from providers.translation.codecs.openai.outcome import (
    audio_delta,
    audio_skeleton,
    decode_annotation,
    decode_images,
    decode_stop,
    decode_usage,
)
from providers.translation.codecs.openai.response import answer_arguments, content_text, generated_call_id
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
    Signature,
    SignatureDelta,
    Start,
    Stopped,
    StreamError,
    Text,
    TextDelta,
    ToolCall,
    UsageUpdate,
)
from providers.translation.sse import SseEvent

_JSON = msgspec.json.Decoder()
_TEXT, _REFUSAL, _REASONING = "text", "refusal", "reasoning"
_SKELETONS: dict[str, Part] = {
    _TEXT: Text(text=""),
    _REFUSAL: RefusalText(text=""),
    _REASONING: Reasoning(),
}


class Decoder:
    """One stream from an OpenAI-compatible upstream."""

    def __init__(self, context: AnswerContext) -> None:
        self._context = context
        self._choices: dict[int, _Choice] = {}
        self._started = False
        self._done = False
        self._usage: Json = None

    def feed(self, frame: SseEvent) -> list[Event]:
        if self._done:
            return []  # nothing counts after [DONE] or an error
        data = frame.data
        if data.strip() == "[DONE]":
            return self._finish()
        if not data.strip():
            return [Heartbeat()]
        try:
            chunk = _JSON.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise UpstreamProtocolError("the upstream sent a stream frame that is not JSON") from error
        if not isinstance(chunk, dict):
            raise UpstreamProtocolError("the upstream sent a stream frame that is not a JSON object")
        info = reported_error(chunk)
        if info is not None:
            self._done = True
            return [StreamError(info=info)]
        return self._chunk(chunk)

    def close(self) -> list[Event]:
        if self._done:
            return []
        if self._choices and all(choice.finished for choice in self._choices.values()):
            return self._finish()
        raise UpstreamProtocolError("the upstream's stream stopped before the answer was complete")

    def _chunk(self, chunk: dict[str, Json]) -> list[Event]:
        events: list[Event] = []
        choices = chunk.get("choices")
        if not self._started and (choices or chunk.get("id")):
            self._started = True
            events.append(_start(chunk))
        usage = chunk.get("usage")
        if isinstance(choices, list):
            for place, choice in enumerate(choices):
                if isinstance(choice, dict):
                    usage = usage or choice.get("usage")  # Moonshot puts it here
                    self._choice(choice, place, events)
        if usage and usage != self._usage:
            self._usage = usage
            if (decoded := decode_usage(usage)) is not None:
                events.append(UsageUpdate(usage=decoded))
        return events

    def _choice(self, raw: dict[str, Json], place: int, events: list[Event]) -> None:
        index = raw.get("index")
        index = index if isinstance(index, int) else place
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(index, self._context)
        delta = raw.get("delta")
        if delta is None:
            delta = raw.get("message")  # a whole answer sent as a stream
        if isinstance(delta, dict):
            choice.delta(delta, raw.get("logprobs"), events)
        if reason := raw.get("finish_reason"):
            choice.finished = True
            choice.reason = reason

    def _finish(self) -> list[Event]:
        if not self._choices:
            raise UpstreamProtocolError("the upstream's stream ended without an answer")
        self._done = True
        events: list[Event] = []
        for _, choice in sorted(self._choices.items()):
            choice.finish(events)
        events.append(End())
        return events


def _start(chunk: dict[str, Json]) -> Start:
    identity, model, created, tier = (chunk.get(key) for key in ("id", "model", "created", "service_tier"))
    return Start(
        id=identity if isinstance(identity, str) and identity else None,
        model=model if isinstance(model, str) and model else None,
        created=moment(created),
        service_tier=tier if isinstance(tier, str) and tier else None,
    )


class _Call:
    """A call as its fragments arrive. Text that comes before the name or the id is held."""

    __slots__ = ("held", "id", "key", "kind", "name", "part", "signature")

    def __init__(self, key: object) -> None:
        self.key = key
        self.id = ""
        self.kind = "function"
        self.name = ""
        self.part: int | None = None
        self.held: list[str] = []
        self.signature: Signature | None = None


class _Choice:
    """One alternative of the answer: which part is open, and what the calls are."""

    def __init__(self, index: int, context: AnswerContext) -> None:
        self.finished = False
        self.reason: Json = None
        self._index = index
        self._context = context
        self._next = 0
        self._open: tuple[str, int] | None = None
        self._calls: list[_Call] = []
        self._texts: list[str] = []
        """Of the open text part; ``_before`` counts the characters of earlier ones."""
        self._before = 0
        self._has_refusal = False
        self._sound: int | None = None
        """The part of the answer's audio."""

    def delta(self, delta: dict[str, Json], logprobs: Json, events: list[Event]) -> None:
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if thought and isinstance(thought, str):
            i = self._part(_REASONING, events)
            events.append(ReasoningDelta(candidate=self._index, i=i, text=thought))
        content = delta.get("content")
        if content or logprobs:
            self._content(content, logprobs, events)
        if refusal := delta.get("refusal"):
            self._refusal(refusal, events)
        if calls := delta.get("tool_calls"):
            for item in calls if isinstance(calls, list) else ():
                if isinstance(item, dict):
                    self._fragment(item, item.get("index"), events)
        if isinstance(legacy := delta.get("function_call"), dict):
            self._fragment({"function": legacy}, "legacy", events)
        if len(delta) > 1 or not content:
            self._extras(delta, events)

    def finish(self, events: list[Event]) -> None:
        self._close_part(events)
        if self._sound is not None:
            events.append(PartStop(candidate=self._index, i=self._sound))
        self._start_calls(events, is_over=True)
        for call in self._calls:
            if call.part is None:
                raise UpstreamProtocolError("the upstream sent a tool call without a name")
            events.append(PartStop(candidate=self._index, i=call.part))
        stop = decode_stop(self.reason, has_calls=bool(self._calls), has_refusal=self._has_refusal)
        events.append(Stopped(candidate=self._index, stop=stop))

    # --- text-like parts: one is open at a time

    def _part(self, kind: str, events: list[Event]) -> int:
        if self._open is not None and self._open[0] == kind:
            return self._open[1]
        self._close_part(events)
        i = self._take()
        self._open = (kind, i)
        events.append(PartStart(candidate=self._index, i=i, part=_SKELETONS[kind]))
        return i

    def _close_part(self, events: list[Event]) -> None:
        if self._open is not None:
            events.append(PartStop(candidate=self._index, i=self._open[1]))
            self._open = None
            self._before += sum(map(len, self._texts))
            self._texts = []

    def _take(self) -> int:
        self._next += 1
        return self._next - 1

    def _content(self, content: Json, logprobs: Json, events: list[Event]) -> None:
        text = content if isinstance(content, str) else content_text(content)
        tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
        tokens = tokens if isinstance(tokens, list) else None
        if not text and not tokens:
            return
        i = self._part(_TEXT, events)
        self._texts.append(text)
        events.append(TextDelta(candidate=self._index, i=i, text=text, logprobs=tokens))

    def _refusal(self, refusal: Json, events: list[Event]) -> None:
        if isinstance(refusal, str):
            self._has_refusal = True
            i = self._part(_REFUSAL, events)
            events.append(TextDelta(candidate=self._index, i=i, text=refusal))

    def _extras(self, delta: dict[str, Json], events: list[Event]) -> None:
        annotations = delta.get("annotations")
        for item in annotations if isinstance(annotations, list) else ():
            i = self._part(_TEXT, events)
            citation = decode_annotation(item, "".join(self._texts), self._before)
            if citation is not None:
                events.append(CitationDelta(candidate=self._index, i=i, citation=citation))
        for image in decode_images(delta.get("images")):
            self._close_part(events)
            i = self._take()
            events.append(PartStart(candidate=self._index, i=i, part=image))
            events.append(PartStop(candidate=self._index, i=i))
        if isinstance(audio := delta.get("audio"), dict):
            if self._sound is None:
                self._sound = self._take()
                skeleton = audio_skeleton(audio, self._context)
                events.append(PartStart(candidate=self._index, i=self._sound, part=skeleton))
            events.append(audio_delta(audio, self._index, self._sound))

    # --- calls: several may be open, and their fragments may interleave

    def _fragment(self, item: dict[str, Json], key: object, events: list[Event]) -> None:
        custom = item.get("custom")
        is_custom = isinstance(custom, dict)
        function = custom if isinstance(custom, dict) else item.get("function")
        if not isinstance(function, dict):
            function = {}
        name = function.get("name")
        call_id = item.get("id")
        call = self._call_for(key, call_id if isinstance(call_id, str) else "", bool(name))
        if is_custom:
            call.kind = "custom"
        text = answer_arguments(function.get("input" if is_custom else "arguments"))
        signature = call_signature(item)
        if call.part is None:
            call.held.append(text)
            call.signature = signature or call.signature
            if not call.name and isinstance(name, str):
                call.name = name
            self._start_calls(events)
            return
        if text:
            events.append(ArgumentsDelta(candidate=self._index, i=call.part, text=text))
        if signature is not None:
            events.append(SignatureDelta(candidate=self._index, i=call.part, signature=signature))

    def _call_for(self, key: object, call_id: str, named: bool) -> _Call:
        """The call that a fragment belongs to.

        By ``index``; a known index with another id and a name is a new call (servers that number every
        call 0). Without an index: by id, else the latest call.
        """
        known = [call for call in self._calls if call.key == key] if key is not None else self._calls
        if key is None and call_id:
            known = [call for call in self._calls if call.id == call_id]
        call = known[-1] if known else None
        if call is None or (call_id and named and call.id and call.id != call_id):
            call = _Call(key)
            self._calls.append(call)
        if call_id and not call.id:
            call.id = call_id
        return call

    def _start_calls(self, events: list[Event], *, is_over: bool = False) -> None:
        """Calls begin in their order, each as soon as it has name and id; one without an id at the end, since
        the id may come late."""
        for place, call in enumerate(self._calls):
            if call.part is not None:
                continue
            if not call.name or not (call.id or is_over):
                return
            self._close_part(events)
            i = call.part = self._take()
            call.id = call.id or generated_call_id(self._context, self._index, place)
            name, text = self._context.names.restore(call.name), "".join(call.held)
            part = ToolCall(id=call.id, name=name, kind=call.kind, signature=call.signature)
            events.append(PartStart(candidate=self._index, i=i, part=part))
            if text:
                events.append(ArgumentsDelta(candidate=self._index, i=i, text=text))
