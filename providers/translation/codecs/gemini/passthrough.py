"""Gemini ``generateContent`` passed through: model and stream stand in the URL, the body is hardly touched.

State of other vendors that this gateway gave to the client as ``thoughtSignature`` (``signatures.py``), and
what their tools did (``activity.py``), is taken out of ``contents`` when it is there. The end of the body
ends a stream. Facts:
https://ai.google.dev/api/generate-content (v1beta, read 2025).
"""

from __future__ import annotations

import msgspec

from providers.errors import UpstreamProtocolError
from providers.translation.codec import Capabilities, MalformedRequest
from providers.translation.codecs.gemini.activity import OWN_ID, is_own
from providers.translation.codecs.gemini.errors import encode_error, error_of
from providers.translation.codecs.gemini.fields import Fields
from providers.translation.codecs.gemini.framing import CONTENT_TYPE, ArrayWriter
from providers.translation.codecs.gemini.outcome import UNSPECIFIED, decode_usage
from providers.translation.codecs.gemini.signatures import TAGGED, from_client
from providers.translation.codecs.gemini.thinking import encode_thinking
from providers.translation.json_text import dump_bytes
from providers.translation.kept_state import GEMINI_BINDING
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
    line_end,
    payload_around,
    payload_of,
    raw_json,
    read_fields,
    read_model,
    split_events,
)
from providers.values import Format

COUNTS = b'"usageMetadata"'
ENDINGS = (b'"finishReason"', b'"promptFeedback"', b'"error"')
"""Members of chunks that matter; inside text the quotes are escaped, so text never matches."""


class _Candidate(msgspec.Struct):
    finishReason: str | None = None


class _Answer(msgspec.Struct):
    """The parts of an answer, or of a stream's chunk, that accounting needs."""

    usageMetadata: Json = None
    error: Json = None
    candidates: list[_Candidate] | None = None
    promptFeedback: Json = None


_ANSWER = msgspec.json.Decoder(_Answer)


def parse(body: bytes, url: UrlParts | None = None) -> ParsedBody:
    fields = read_fields(body)
    url = url or UrlParts(model=read_model(fields))
    return ParsedBody(
        raw=body,
        fields=fields,
        model=url.model,
        stream=url.stream,
        include_usage=True,
        format=Format.GEMINI,
        bound_by=next((name for name in GEMINI_BINDING if is_set(fields, name)), ""),
        outside={"model": url.model, "stream": url.stream},
        is_array=url.is_array,
    )


def edited(
    body: ParsedBody,
    model: str,
    capabilities: Capabilities,
    reasoning: ReasoningConfig | None = None,
    stream: bool | None = None,
) -> bytes:
    is_tagged = TAGGED in body.raw or OWN_ID.encode() in body.raw
    # A model inside the body is allowed and redundant; one of ours would contradict the URL.
    names_model = "model" in body.fields and model != body.model
    nested = body.fields.get("generateContentRequest")
    if reasoning is None and not is_tagged and not names_model and nested is None:
        return body.raw
    fields = dict(body.fields)
    if names_model:
        fields["model"] = raw_json(f"models/{model}")
    if nested is not None:
        inner = msgspec.json.decode(nested)
        if not isinstance(inner, dict):
            raise MalformedRequest(
                "generateContentRequest must be an object.", param="generateContentRequest"
            )
        fields["generateContentRequest"] = raw_json({**inner, "model": f"models/{model}"})
    if is_tagged and "contents" in fields:
        fields["contents"] = raw_json(_own_contents(msgspec.json.decode(fields["contents"])))
    if reasoning is not None:
        _think(fields, reasoning, capabilities)
    return msgspec.json.encode(fields)


def _own_contents(contents: Json) -> Json:
    if not isinstance(contents, list):
        return contents
    kept = []
    for content in contents:
        if isinstance(content, dict) and isinstance(content.get("parts"), list):
            parts = [_own_part(part) for part in content["parts"] if not _is_hidden(part)]
            if content["parts"] and not parts:
                continue  # Google refuses a turn without parts
            content = {**content, "parts": parts}
        kept.append(content)
    return kept


def _foreign_state(part: Json) -> bool:
    value = _signature_of(part)
    if value is None:
        return False
    signature, is_redacted = from_client(value)
    return is_redacted or signature.issuer is not Format.GEMINI


def _signature_of(part: Json) -> str | None:
    if not isinstance(part, dict):
        return None
    value = part.get("thoughtSignature") or part.get("thought_signature")
    return value if isinstance(value, str) else None


def _is_hidden(part: Json) -> bool:
    """A thought that is nothing without its foreign state, or work of another vendor's tool."""
    if is_own(part):
        return True
    return _foreign_state(part) and bool(part.get("thought"))


def _own_part(part: Json) -> Json:
    if not _foreign_state(part):
        return part
    return {key: value for key, value in part.items() if key not in ("thoughtSignature", "thought_signature")}


def _think(fields: dict[str, msgspec.Raw], reasoning: ReasoningConfig, capabilities: Capabilities) -> None:
    name = "generation_config" if "generation_config" in fields else "generationConfig"
    try:
        config = msgspec.json.decode(fields.get(name, b"{}"))
    except BAD_JSON:
        return
    config = config if isinstance(config, dict) else {}
    config.pop("thinking_config", None)
    if thinking := encode_thinking(reasoning, capabilities):
        fields[name] = raw_json({**config, "thinkingConfig": thinking})


def client_headers(headers: dict[str, str]) -> Headers:
    return ()


def read_answer(body: bytes) -> tuple[Usage | None, bool]:
    try:
        value = msgspec.json.decode(body) if body.lstrip()[:1] == b"[" else None
        answer = _ANSWER.decode(body) if value is None else _Answer(error=error_of(value))
    except BAD_JSON as error:
        raise UpstreamProtocolError("the upstream's answer is not the JSON of a generation") from error
    return _usage(answer.usageMetadata), bool(answer.error)


def with_model(body: bytes, model: str) -> bytes:
    fields = FIELDS.decode(body)
    fields["modelVersion"] = raw_json(model)
    return msgspec.json.encode(fields)


def leading_error(chunk: bytes) -> bytes | None:
    payload = first_payload(chunk)
    try:
        return payload if payload and _ANSWER.decode(payload).error else None
    except BAD_JSON:
        return None


def _usage(counts: Json) -> Usage | None:
    if not isinstance(counts, dict) or not counts:
        return None
    try:
        return decode_usage(Fields(counts, "usageMetadata", UpstreamProtocolError))
    except UpstreamProtocolError:
        return None  # the client gets the counts as they are; ours stay unknown


def watch(body: ParsedBody, model: str | None) -> Watch:
    return ArrayWatch(model) if body.is_array else Watch(model)


class Watch(EventWatch):
    """See ``StreamWatch``. Usage is cumulative, and its members may come apart."""

    def __init__(self, model: str | None = None, *, edits: bool = False) -> None:
        super().__init__(edits=edits or model is not None)
        self._model = model
        self._counts: dict[str, Json] = {}

    def look(self, events: bytes) -> None:
        at = events.find(COUNTS)
        while at >= 0:
            self._read(payload_around(events, at))
            at = events.find(COUNTS, line_end(events, at))
        for mark in ENDINGS:
            # The last one says it all: a reason is repeated or comes last.
            at = events.rfind(mark)
            if at >= 0:
                self._read(payload_around(events, at))

    def _read(self, payload: bytes) -> None:
        try:
            chunk = _ANSWER.decode(payload)
        except BAD_JSON:
            return
        if chunk.error:
            self.has_failed = self.is_done = True
        if isinstance(chunk.usageMetadata, dict):
            self._counts |= chunk.usageMetadata
            self.usage = _usage(self._counts) or self.usage
        feedback = chunk.promptFeedback
        is_blocked = isinstance(feedback, dict) and bool(feedback.get("blockReason"))
        if is_blocked or any(one.finishReason not in UNSPECIFIED for one in chunk.candidates or ()):
            self.is_complete = True

    def error_object(self, info: ErrorInfo) -> dict[str, Json]:
        return encode_error(info)

    # The official SDK sees an error only in an event that begins with it.
    harmless = {"candidates": [], "usageMetadata": None, "promptFeedback": None, "createTime": None}

    def edit(self, payload: bytes) -> bytes:
        try:
            fields = FIELDS.decode(payload)
        except BAD_JSON:
            return payload
        if self._model is not None and "modelVersion" in fields:
            fields["modelVersion"] = raw_json(self._model)
            return msgspec.json.encode(fields)
        return payload


def _is_object(payload: bytes) -> bool:
    """Whether it can be an element; the rest of an event that was cut cannot."""
    try:
        FIELDS.decode(payload)
    except BAD_JSON:
        return False
    return True


class ArrayWatch(Watch):
    """For a client that wants the stream as one JSON array: the same JSON texts, framed as its elements."""

    content_type = CONTENT_TYPE

    def __init__(self, model: str | None = None) -> None:
        super().__init__(model, edits=True)
        self._writer = ArrayWriter()

    def _edited(self, events: bytes) -> bytes:
        payloads = (payload_of(event) for event in split_events(events))
        texts = [self.edit(payload) for payload in payloads if _is_object(payload)]
        written = b"".join(self._writer.element(text) for text in texts)
        return written + (self._writer.close() if self.is_done else b"")

    def flush(self) -> bytes:
        """Only a complete array is closed; a cut one is, by ``failure``, behind the error."""
        rest = super().flush()
        return rest + self._writer.close() if self.is_complete else rest

    def failure(self, info: ErrorInfo) -> bytes:
        return self._writer.element(dump_bytes(encode_error(info))) + self._writer.close()
