"""Anthropic Messages passed through: the model edited, the stream watched.

One thing more is taken out, when it is there: reasoning state of other vendors that this gateway gave to the
client in an earlier turn (``carrier.py``), which Anthropic would refuse. Stream events:
https://docs.anthropic.com/en/docs/build-with-claude/streaming (read 2025).
"""

from __future__ import annotations

import msgspec

from providers.errors import UpstreamProtocolError
from providers.translation.codec import Capabilities
from providers.translation.codecs.claude import activity, carrier
from providers.translation.codecs.claude.encode_blocks import Encoding
from providers.translation.codecs.claude.encode_reasoning import encode_reasoning
from providers.translation.codecs.claude.encode_tools import is_forced
from providers.translation.codecs.claude.errors import encode_error
from providers.translation.codecs.claude.outcome import decode_usage, merge_raw_usage
from providers.translation.model import ErrorInfo, Json, ReasoningConfig, Request, Usage
from providers.translation.names import IDENTITY
from providers.translation.passthrough import (
    BAD_JSON,
    FIELDS,
    EventWatch,
    Headers,
    ParsedBody,
    UrlParts,
    first_payload,
    line_end,
    payload_around,
    raw_json,
    read_fields,
    read_model,
    read_stream,
)
from providers.values import Format

_HEADERS = "anthropic-"
"""Header and body belong together (``anthropic-beta`` switches fields on), so all of them go up."""


class _Answer(msgspec.Struct):
    """The parts of an answer, or of a stream event, that accounting needs."""

    type: str | None = None
    usage: Json = None
    error: Json = None
    message: Json = None


_ANSWER = msgspec.json.Decoder(_Answer)


def parse(body: bytes, url: UrlParts | None = None) -> ParsedBody:
    fields = read_fields(body)
    return ParsedBody(
        raw=body,
        fields=fields,
        model=read_model(fields),
        stream=read_stream(fields),
        include_usage=True,
        format=Format.CLAUDE,
    )


def edited(
    body: ParsedBody,
    model: str,
    capabilities: Capabilities,
    reasoning: ReasoningConfig | None = None,
    stream: bool | None = None,
) -> bytes:
    is_tagged = carrier.TAG.encode() in body.raw or activity.OWN_ID.encode() in body.raw
    if body.model == model and reasoning is None and stream is None and not is_tagged:
        return body.raw
    fields = dict(body.fields)
    fields["model"] = raw_json(model)
    if stream is not None:
        fields["stream"] = raw_json(stream)
    if is_tagged and "messages" in fields:
        fields["messages"] = raw_json(_own_messages(msgspec.json.decode(fields["messages"])))
    if reasoning is not None:
        _think(fields, reasoning, capabilities)
    return msgspec.json.encode(fields)


def _own_messages(messages: Json) -> Json:
    """The conversation without thinking that Anthropic did not issue."""
    if not isinstance(messages, list):
        return messages
    kept = []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list):
            blocks = [block for block in content if not _is_foreign(block)]
            if len(blocks) != len(content):
                if not blocks:
                    continue
                message = {**message, "content": blocks}
        kept.append(message)
    return kept


def _is_foreign(block: Json) -> bool:
    if activity.is_own(block):
        return True
    if not isinstance(block, dict):
        return False
    value = {"thinking": block.get("signature"), "redacted_thinking": block.get("data")}.get(
        str(block.get("type"))
    )
    return isinstance(value, str) and carrier.is_tagged(value)


def _think(fields: dict[str, msgspec.Raw], reasoning: ReasoningConfig, capabilities: Capabilities) -> None:
    """``thinking`` and what goes with it, as the codec would write them for this model."""
    try:
        limit = msgspec.json.decode(fields.get("max_tokens", b"null"), type=int | None)
        config = msgspec.json.decode(fields.get("output_config", b"{}"))
        choice = msgspec.json.decode(fields.get("tool_choice", b"{}"))
    except BAD_JSON:
        return  # the upstream says what is wrong with them
    asked = Request(model="", turns=(), reasoning=reasoning, max_output_tokens=limit)
    turn: list[dict[str, Json]] = [{"role": "user", "content": [{"type": "text"}]}]
    forced = is_forced({"tool_choice": choice if isinstance(choice, dict) else {}})
    wanted = encode_reasoning(asked, capabilities, turn, is_forced=forced, encoding=Encoding(IDENTITY))
    fields.pop("thinking", None)
    if wanted.is_on:  # it excludes sampling, which the client sent for a request without
        for name in ("temperature", "top_p", "top_k"):
            fields.pop(name, None)
    if wanted.thinking is not None:
        fields["thinking"] = raw_json(wanted.thinking)
        fields["max_tokens"] = raw_json(wanted.max_tokens)
    if wanted.effort is not None and isinstance(config, dict):
        fields["output_config"] = raw_json({**config, "effort": wanted.effort})


def client_headers(headers: dict[str, str]) -> Headers:
    return tuple(pair for pair in headers.items() if pair[0].startswith(_HEADERS))


def read_answer(body: bytes) -> tuple[Usage | None, bool]:
    try:
        answer = _ANSWER.decode(body)
    except BAD_JSON as error:
        raise UpstreamProtocolError("the upstream's answer is not the JSON of a message") from error
    return decode_usage(answer.usage), answer.type == "error" or bool(answer.error)


def with_model(body: bytes, model: str) -> bytes:
    fields = FIELDS.decode(body)
    fields["model"] = raw_json(model)
    return msgspec.json.encode(fields)


def leading_error(chunk: bytes) -> bytes | None:
    payload = first_payload(chunk)
    try:
        return payload if payload and _ANSWER.decode(payload).error else None
    except BAD_JSON:
        return None


def watch(body: ParsedBody, model: str | None) -> Watch:
    return Watch(model)


class Watch(EventWatch):
    """See ``StreamWatch``. Usage comes with ``message_start`` and, cumulative, with ``message_delta``.
    Nothing but ``message_stop`` ends the stream."""

    def __init__(self, model: str | None = None) -> None:
        super().__init__(edits=model is not None)
        self._model = model
        self._counts: dict[str, Json] = {}

    def look(self, events: bytes) -> None:
        # In text the quotes are escaped, so these bytes are always members of the JSON itself.
        at = events.find(b'"usage"')
        while at >= 0:
            self._count(payload_around(events, at))
            at = events.find(b'"usage"', line_end(events, at))
        if events.rfind(b"message_stop") >= 0 and _has_event(events, "message_stop"):
            self.is_complete = self.is_done = True
        elif events.rfind(b'"error"') >= 0 and _has_event(events, "error"):
            self.is_done = self.has_failed = True

    def _count(self, payload: bytes) -> None:
        try:
            event = _ANSWER.decode(payload)
        except BAD_JSON:
            return
        raw = event.message.get("usage") if isinstance(event.message, dict) else event.usage
        self._counts = merge_raw_usage(self._counts, raw)
        self.usage = decode_usage(self._counts) or self.usage

    def edit(self, payload: bytes) -> bytes:
        if b'"message_start"' not in payload:
            return payload
        try:
            fields = FIELDS.decode(payload)
            message = FIELDS.decode(fields["message"])
        except (*BAD_JSON, KeyError):
            return payload
        message["model"] = raw_json(self._model)
        fields["message"] = raw_json(message)
        return msgspec.json.encode(fields)

    error_name = "error"

    def error_object(self, info: ErrorInfo) -> dict[str, Json]:
        return encode_error(info)


def _has_event(events: bytes, kind: str) -> bool:
    """Whether one of ``events`` is of this type; inside JSON text the word means nothing."""
    name = kind.encode()
    at = events.find(name)
    while at >= 0:
        line = events[events.rfind(b"\n", 0, at) + 1 : at]
        if line.startswith(b"event:") and not line[6:].strip():
            return True
        try:
            if _ANSWER.decode(payload_around(events, at)).type == kind:
                return True
        except BAD_JSON:
            pass  # a line that is no event's data
        at = events.find(name, at + 1)
    return False
