"""Chat Completions passed through: the request edited in three known places, the answer watched.

Stream usage comes only when asked for (``stream_options.include_usage``), and an honest ledger needs it:
the gateway asks, and takes the usage chunk out again when the client had not asked. Source: OpenAI API
reference, "Chat Completions streaming" (2026).
"""

from __future__ import annotations

import msgspec

from providers.errors import UpstreamProtocolError
from providers.translation.codec import Capabilities
from providers.translation.codecs.openai.efforts import nearest
from providers.translation.codecs.openai.errors import encode_error
from providers.translation.codecs.openai.model_edit import ModelEdit
from providers.translation.codecs.openai.outcome import PlainUsage, decode_usage
from providers.translation.cut import behind, is_whole
from providers.translation.model import ErrorInfo, Json, ReasoningConfig, Usage
from providers.translation.passthrough import (
    BAD_JSON,
    EVENT_STREAM,
    FIELDS,
    KEPT_LOOK,
    Headers,
    ParsedBody,
    Pending,
    UrlParts,
    data_around,
    first_payload,
    payload_of,
    raw_json,
    read_field,
    read_fields,
    read_model,
    read_stream,
)
from providers.values import Format


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Answer(msgspec.Struct):
    """The parts of an answer that accounting needs; the rest is checked for syntax and skipped."""

    usage: Json = None
    error: Json = None
    model: str | None = None


class _PlainAnswer(msgspec.Struct):
    """The same of an answer to the letter of the specification."""

    usage: PlainUsage | None = None
    error: Json = None
    model: str | None = None


_OPTIONS = msgspec.json.Decoder(_StreamOptions | None)
_ANSWER = msgspec.json.Decoder(_Answer)
_PLAIN_ANSWER = msgspec.json.Decoder(_PlainAnswer)

ASK_FOR_USAGE = msgspec.Raw(b'{"include_usage":true}')


def parse(body: bytes, url: UrlParts | None = None) -> ParsedBody:
    """Read ``model``, ``stream`` and ``stream_options`` of a request; the rest stays raw.

    Cursor sends the body of a Responses request to the chat endpoint and wants chat chunks back; such a
    body is told by ``format``. Raises MalformedRequest, with ``param`` where a field is at fault.
    """
    fields = read_fields(body)
    model = read_model(fields)
    options = None
    stream = read_stream(fields)
    if stream and "stream_options" in fields:
        options = read_field(_OPTIONS, fields, "stream_options", "an object")
    is_responses = "messages" not in fields and ("input" in fields or "instructions" in fields)
    return ParsedBody(
        raw=body,
        fields=fields,
        model=model,
        stream=stream,
        include_usage=bool(options and options.include_usage),
        format=Format.RESPONSES if is_responses else Format.OPENAI,
    )


def edited(
    body: ParsedBody,
    model: str,
    capabilities: Capabilities,
    reasoning: ReasoningConfig | None = None,
    stream: bool | None = None,
) -> bytes:
    """The body for the upstream: ``model`` replaced, usage asked for in streams, ``reasoning`` set.

    Untouched fields keep their bytes; a body that needs no edit is returned as it came.
    """
    fields = body.fields
    streams = body.stream if stream is None else stream
    asks = streams and not body.include_usage and capabilities.stream_usage
    if body.model == model and not asks and reasoning is None and stream is None:
        return body.raw
    fields = dict(fields)
    fields["model"] = raw_json(model)
    if stream is not None:
        fields["stream"] = raw_json(stream)
        if not stream:
            fields.pop("stream_options", None)
    if asks:
        fields["stream_options"] = _asking(fields.get("stream_options"))
    if reasoning is not None:
        _think(fields, reasoning, capabilities)
    return msgspec.json.encode(fields)


def _think(fields: dict[str, msgspec.Raw], reasoning: ReasoningConfig, capabilities: Capabilities) -> None:
    """What a suffix asks, in place of what the client asked; nothing of a model that does not think."""
    fields.pop("reasoning_effort", None)
    effort = effort_of(reasoning)
    if effort is not None and capabilities.thinking != "none":
        fields["reasoning_effort"] = raw_json(nearest(effort, capabilities.thinking_levels))


def effort_of(reasoning: ReasoningConfig) -> str | None:
    """``reasoning_effort`` for what a suffix asks; thresholds: docs/protocols/openai.md."""
    if reasoning.mode == "off":
        return "none"
    if reasoning.budget is not None:
        for limit, level in ((512, "minimal"), (1024, "low"), (8192, "medium"), (24576, "high")):
            if reasoning.budget <= limit:
                return level
        return "xhigh"
    return reasoning.effort


def client_headers(headers: dict[str, str]) -> Headers:
    return ()


def _asking(options: msgspec.Raw | None) -> msgspec.Raw:
    if options is None or bytes(options).strip() == b"null":
        return ASK_FOR_USAGE
    kept = FIELDS.decode(options)
    kept["include_usage"] = msgspec.Raw(b"true")
    return raw_json(kept)


def read_answer(body: bytes) -> tuple[Usage | None, bool]:
    """(usage, whether the body is an error) of a whole answer.

    Raises UpstreamProtocolError when it is not JSON or no object.
    """
    try:
        return _read(body)
    except BAD_JSON as error:
        raise UpstreamProtocolError("the upstream's answer is not the JSON of a chat completion") from error


def _read(body: bytes) -> tuple[Usage | None, bool]:
    try:
        plain = _PLAIN_ANSWER.decode(body)
    except msgspec.ValidationError:
        answer = _ANSWER.decode(body)
        usage = decode_usage(answer.usage) if isinstance(answer.usage, dict) else None
        return usage, bool(answer.error)
    return plain.usage.neutral() if plain.usage is not None else None, bool(plain.error)


def leading_error(chunk: bytes) -> bytes | None:
    """The error object with which a stream begins, as the bytes of its JSON, or None when it begins well."""
    payload = first_payload(chunk)
    try:
        return payload if payload and _ANSWER.decode(payload).error else None
    except BAD_JSON:
        return None


def with_model(body: bytes, model: str) -> bytes:
    """A whole answer with its ``model`` replaced."""
    fields = FIELDS.decode(body)
    fields["model"] = raw_json(model)
    return msgspec.json.encode(fields)


def watch(body: ParsedBody, model: str | None) -> Watch:
    return Watch(strips_usage=not body.include_usage, model=model)


class Watch:
    """Watches one passing stream; see ``StreamWatch``.

    Chunks pass as they come, as far as nothing in them may have to be edited: with ``strips_usage`` an event
    waits until it shows a choice, with ``model`` until it is whole.
    """

    content_type = EVENT_STREAM

    def __init__(self, *, strips_usage: bool = False, model: str | None = None) -> None:
        self.usage: Usage | None = None
        self.is_complete = False
        self.is_done = False
        self.has_failed = False
        self._strips_usage = strips_usage
        self._model = None if model is None else ModelEdit(model)
        self._pending = Pending()
        self._sent = 0
        """Bytes of the pending event that the client has."""
        self._edits = strips_usage or model is not None

    def feed(self, chunk: bytes) -> bytes:
        pending = self._pending
        events = pending.add(chunk)
        if not events:
            return self._begun(chunk)
        sent, self._sent = self._sent, 0
        if self._edits:
            events = self._edited(events)
        else:
            self._look(events)
        if sent:
            events = events[sent:]
        return events + self._begun(chunk) if pending.size else events

    def _begun(self, chunk: bytes) -> bytes:
        """What of an unfinished event, which ends with ``chunk``, can go out: nothing that may yet have to be
        taken out or edited, and no part of ``[DONE]``, behind which nothing fits that a client can read."""
        pending = self._pending
        if self._sent:
            out = chunk
        elif self._model is not None or pending.size > KEPT_LOOK:
            return b""
        else:
            out = pending.bytes()
            if out.startswith(BEGUN_END) or (self._strips_usage and not _has_choice(out)):
                return b""
        pending.shorten()
        self._sent = pending.size
        return out

    def flush(self) -> bytes:
        """The pending event at the end; some servers omit the last blank line, or ``[DONE]``."""
        rest = self._pending.bytes()
        if not is_whole(rest):
            self.is_complete = False
            return b""
        held = self._edited(rest)[self._sent :] if rest else b""
        self._sent = len(rest)
        if self.is_done:
            return held
        gap = b"\n\n" if rest.strip() and not held.endswith(b"\n\n") else b""
        return held + gap + b"data: [DONE]\n\n" if self.is_complete else held

    def failure(self, info: ErrorInfo) -> bytes:
        pending = self._pending
        return behind(pending.bytes()[: self._sent], encode_error(info), is_torn=pending.is_torn)

    def _look(self, events: bytes) -> tuple[int, int] | None:
        """Find the usage and the end in whole events, with as few scans as will do.

        Returns where the line that told the usage stands.
        """
        # rfind, because CPython searches backwards several times faster than forwards (3.11: 1.4 against
        # 6 us in 16 KiB of chunks).
        span = self._find_usage(events)
        if events.rfind(b'{"error":', _last_look(events)) >= 0 and _tells_error(events):
            self.is_done = self.has_failed = True
        if events.rfind(b"[DONE]") >= 0 and _is_terminated(events):
            self.is_complete = self.is_done = True
        elif not self.is_complete:
            compact, spaced = FINISHED
            self.is_complete = _names_finish(events, compact) or _names_finish(events, spaced)
        return span

    def _find_usage(self, events: bytes) -> tuple[int, int] | None:
        at = events.rfind(b'"usage":')
        if at < 0:
            return None
        if events[at + 8 : at + 10].lstrip()[:1] != b"{":  # most often null: who tells it does so once
            at = max(events.rfind(b'"usage":{'), events.rfind(b'"usage": {'))
            if at < 0:
                return None
        start, end = data_around(events, at)
        try:
            usage, _ = _read(payload_of(events[start:end]))
        except BAD_JSON:
            return None  # text that looks like the member, or a broken event: passed on as it is
        if usage is None:
            return None
        self.usage = usage
        return start, end

    def _edited(self, events: bytes) -> bytes:
        span = self._look(events)
        if self._strips_usage and span is not None:
            events = _without_usage_event(events, *span)
        return events if self._model is None else self._model.edited(events)


LAST_LOOK = 16 * 1024
"""Where among whole events an error is looked for, in bytes from their end: only the end follows one."""
END_LINES = len("data: [DONE]") + 8
"""Room for the end and the lines around it."""
BEGUN_END = (b"data: [", b"data:[")

FINISHED = (b'"finish_reason":"', b'"finish_reason": "')
"""A finish reason that is a string and not null, in the two spellings of JSON that are in use."""


def _last_look(events: bytes) -> int:
    """From where on an error is looked for: the last event may be longer than LAST_LOOK, as errors are that
    quote what another server said."""
    if len(events) <= LAST_LOOK:
        return 0
    start = events.rfind(b"\n\n", 0, len(events) - END_LINES)
    return min(max(start, 0), len(events) - LAST_LOOK)


def _tells_error(events: bytes) -> bool:
    """Whether an event begins with the upstream's failure; inside JSON text the quotes are escaped."""
    at = events.rfind(b'{"error":')
    while at >= 0:
        line = events[max(events.rfind(b"\n", 0, at), events.rfind(b"\r", 0, at)) + 1 : at]
        if line.rstrip() == b"data:":
            return True
        at = events.rfind(b'{"error":', 0, at)
    return False


def _has_choice(begun: bytes) -> bool:
    """Whether an event cannot be the usage chunk, whose list of choices is empty."""
    return b'"choices":[{' in begun or b'"choices": [{' in begun


def _names_finish(events: bytes, form: bytes) -> bool:
    """Whether a finish reason in this spelling has a word; some servers send "" until there is one."""
    at = events.rfind(form)
    while at >= 0:
        after = at + len(form)
        if events[after : after + 1] != b'"':
            return True
        at = events.rfind(form, 0, at)
    return False


def _without_usage_event(events: bytes, start: int, end: int) -> bytes:
    """``events`` without the event around the lines ``start``:``end``, when that is the usage chunk."""
    try:
        if not _is_usage_only(FIELDS.decode(payload_of(events[start:end]))):
            return events
    except BAD_JSON:
        return events
    rest = events[end:]
    for gap in (b"\r\n\r\n", b"\n\n", b"\r\r"):
        if rest.startswith(gap):
            return b"".join((memoryview(events)[:start], rest[len(gap) :]))
    return events[:start] + rest.lstrip(b"\r\n")


def _is_usage_only(fields: dict[str, msgspec.Raw]) -> bool:
    choices, usage = fields.get("choices"), fields.get("usage")
    return (
        choices is not None
        and usage is not None
        and bytes(choices).replace(b" ", b"") == b"[]"
        and bytes(usage).lstrip()[:1] == b"{"
    )


def _is_terminated(events: bytes) -> bool:
    """Whether a data line says ``[DONE]``; inside JSON text the word means nothing."""
    return any(
        line.startswith(b"data:") and line[5:].strip() == b"[DONE]"
        for line in events[events.rfind(b"\n", 0, events.rfind(b"[DONE]")) + 1 :].splitlines()
    )
