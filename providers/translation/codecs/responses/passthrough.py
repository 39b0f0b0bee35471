"""OpenAI Responses passed through: the model edited, the stream watched.

Reasoning state of other vendors that this gateway gave to the client in an earlier turn (``carrier.py``) is
taken out of ``input`` when it is there: OpenAI could not read it. Facts: OpenAI API reference, "Responses",
"Streaming events" (2026).
"""

from __future__ import annotations

import re

import msgspec

from providers.errors import UpstreamProtocolError
from providers.translation.codec import Capabilities
from providers.translation.codecs.responses import carrier
from providers.translation.codecs.responses.activity import is_own_activity
from providers.translation.codecs.responses.errors import error_fields
from providers.translation.codecs.responses.outcome import decode_usage
from providers.translation.codecs.responses.reasoning import effort_of
from providers.translation.kept_state import RESPONSES_BINDING
from providers.translation.model import ErrorInfo, Json, ReasoningConfig, Usage
from providers.translation.passthrough import (
    BAD_JSON,
    FIELDS,
    EventWatch,
    Headers,
    ParsedBody,
    UrlParts,
    first_payload,
    is_set,
    payload_around,
    raw_json,
    read_fields,
    read_model,
    read_stream,
)
from providers.values import Format

_OWN_ACTIVITY = re.compile(rb'"(?:ws|ci)_cliproxy_')
_NUMBER = re.compile(rb'"sequence_number": ?([0-9]{1,9})')
_ENDINGS = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})
_MARKS = (b"response.completed", b"response.incomplete", b"response.failed", b'"error"')


class _Answer(msgspec.Struct):
    """The parts of an answer, or of a stream event, that accounting needs."""

    type: str | None = None
    status: str | None = None
    usage: Json = None
    error: Json = None
    response: _Answer | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


def parse(body: bytes, url: UrlParts | None = None) -> ParsedBody:
    fields = read_fields(body)
    return ParsedBody(
        raw=body,
        fields=fields,
        model=read_model(fields),
        stream=read_stream(fields),
        include_usage=True,
        format=Format.RESPONSES,
        bound_by=next((name for name in RESPONSES_BINDING if is_set(fields, name)), ""),
    )


def edited(
    body: ParsedBody,
    model: str,
    capabilities: Capabilities,
    reasoning: ReasoningConfig | None = None,
    stream: bool | None = None,
) -> bytes:
    is_tagged = carrier.TAG.encode() in body.raw or _OWN_ACTIVITY.search(body.raw) is not None
    if body.model == model and reasoning is None and stream is None and not is_tagged:
        return body.raw
    fields = dict(body.fields)
    fields["model"] = raw_json(model)
    if stream is not None:
        fields["stream"] = raw_json(stream)
    if is_tagged and "input" in fields:
        fields["input"] = raw_json(_own_items(msgspec.json.decode(fields["input"])))
    if reasoning is not None:
        _think(fields, reasoning, capabilities)
    return msgspec.json.encode(fields)


def _think(fields: dict[str, msgspec.Raw], reasoning: ReasoningConfig, capabilities: Capabilities) -> None:
    """What a suffix asks, in place of the client's ``effort``; nothing of a model that does not think."""
    given = msgspec.json.decode(fields.pop("reasoning", b"{}"))
    if capabilities.thinking == "none":
        return
    kept = given if isinstance(given, dict) else {}
    wanted = {key: value for key, value in kept.items() if key != "effort"}
    if (effort := effort_of(reasoning, capabilities.thinking_levels)) is not None:
        wanted["effort"] = effort
    if wanted:
        fields["reasoning"] = raw_json(wanted)


def _own_items(items: Json) -> Json:
    """The conversation without reasoning items that carry another vendor's state."""
    if not isinstance(items, list):
        return items
    return [item for item in items if not _is_foreign(item)]


def _is_foreign(item: Json) -> bool:
    if is_own_activity(item):
        return True
    if not isinstance(item, dict) or item.get("type") != "reasoning":
        return False
    value = item.get("encrypted_content")
    return isinstance(value, str) and carrier.is_tagged(value)


def client_headers(headers: dict[str, str]) -> Headers:
    return ()


def read_answer(body: bytes) -> tuple[Usage | None, bool]:
    try:
        answer = _ANSWER.decode(body)
    except BAD_JSON as error:
        raise UpstreamProtocolError("the upstream's answer is not the JSON of a response") from error
    # A response with status ``failed`` is an answer: the official SDKs read its ``error``.
    return decode_usage(answer.usage), bool(answer.error) and answer.status is None


def with_model(body: bytes, model: str) -> bytes:
    fields = FIELDS.decode(body)
    fields["model"] = raw_json(model)
    return msgspec.json.encode(fields)


def leading_error(chunk: bytes) -> bytes | None:
    payload = first_payload(chunk)
    try:
        event = _ANSWER.decode(payload) if payload else None
    except BAD_JSON:
        return None
    if event is None:
        return None
    if event.type == "response.failed" and event.response is not None:
        return msgspec.json.encode({"error": event.response.error})
    if event.type == "error":
        return payload if event.error else b'{"error":' + payload + b"}"
    return payload if event.error and event.type is None else None


def watch(body: ParsedBody, model: str | None) -> Watch:
    return Watch(model)


class Watch(EventWatch):
    """See ``StreamWatch``. Only the last event tells the usage."""

    def __init__(self, model: str | None = None) -> None:
        super().__init__(edits=model is not None)
        self._model = model
        self._last = b""

    error_name = "error"

    def error_object(self, info: ErrorInfo) -> dict[str, Json]:
        return {"type": "error", **error_fields(info), "sequence_number": self._next_number()}

    def _next_number(self) -> int:
        numbers = _NUMBER.findall(self._last)
        return int(numbers[-1]) + 1 if numbers else 0

    def look(self, events: bytes) -> None:
        self._last = events
        for mark in _MARKS:
            at = events.find(mark)
            while at >= 0 and not self.is_done:
                self._end(payload_around(events, at))
                at = events.find(mark, at + 1)

    def _end(self, payload: bytes) -> None:
        try:
            event = _ANSWER.decode(payload)
        except BAD_JSON:
            return
        if event.type not in _ENDINGS:
            return
        if event.response is not None:
            self.usage = decode_usage(event.response.usage) or self.usage
        self.is_complete = self.is_done = True
        self.has_failed = event.type in ("error", "response.failed")

    def edit(self, payload: bytes) -> bytes:
        if b'"response"' not in payload:
            return payload
        try:
            fields = FIELDS.decode(payload)
            response = FIELDS.decode(fields["response"])
        except (*BAD_JSON, KeyError):
            return payload
        response["model"] = raw_json(self._model)
        fields["response"] = raw_json(response)
        return msgspec.json.encode(fields)
