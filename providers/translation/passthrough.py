"""What every format's passthrough offers: bytes pass, usage is read beside, and the end is recognised.

The client and the upstream speak the same format, so nothing is decoded and re-encoded: unknown fields,
key order and number spelling survive. Each format's ``codecs/<format>/passthrough.py`` is a ``Passthrough``
(a module is one as well as an object); the list of them stands in ``registry.py``.
"""

from __future__ import annotations

import codecs
from typing import Protocol

import msgspec

from providers.errors import UpstreamProtocolError
from providers.translation.codec import Capabilities, MalformedRequest
from providers.translation.cut import behind, is_whole
from providers.translation.model import ErrorInfo, Json, ReasoningConfig, Usage
from providers.values import Format

Headers = tuple[tuple[str, str], ...]

FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_FLAG = msgspec.json.Decoder(bool | None)

BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding arbitrary bytes raises."""

LONGEST_LOOK = 1024 * 1024
KEPT_LOOK = 64 * 1024
"""Bytes of an unfinished event kept for looking at, when nothing is edited."""
LONGEST_EVENT = 64 * 1024 * 1024
"""Bytes of an event that waits for its end; inline images need tens of MB."""


class UrlParts(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says in its URL, where the format has it there (Gemini)."""

    model: str
    stream: bool = False
    is_array: bool = False
    """The stream is wanted as one JSON array, not as events."""


class ParsedBody(msgspec.Struct, frozen=True, kw_only=True):
    """A client's request, read only as far as routing and accounting need.

    ``fields`` are the top-level members as raw JSON, in their order.
    """

    raw: bytes
    fields: dict[str, msgspec.Raw]
    model: str
    stream: bool
    include_usage: bool
    format: Format = Format.OPENAI
    """The format of the body; not always that of the endpoint (see the openai format)."""
    bound_by: str = ""
    """The field that names something which only an upstream of this format holds; "" when none does."""
    outside: dict[str, Json] | None = None
    """What the URL says and the neutral request needs (Gemini: model, stream)."""
    is_array: bool = False
    """See ``UrlParts``."""
    echo: dict[str, Json] = {}
    """Members that an answer repeats though the request holds them no more: the gateway put in their place
    what they stand for."""

    def value(self) -> Json:
        """The whole body decoded, for translation. Raises MalformedRequest."""
        try:
            value = msgspec.json.decode(self.raw)
        except BAD_JSON as error:
            raise MalformedRequest(f"The request body cannot be read: {error}.") from error
        return value if self.outside is None else {**value, **self.outside}


class StreamWatch(Protocol):
    """Stands beside one passing stream."""

    content_type: str
    """Of what is forwarded."""
    usage: Usage | None
    is_complete: bool
    """Closing now is a clean end: the terminator was seen, or a stop reason where there need be no more."""
    is_done: bool
    """The terminator itself was seen: nothing that matters follows."""
    has_failed: bool
    """The upstream ended the stream with an error of its own, which the client has."""

    def feed(self, chunk: bytes) -> bytes:
        """What to forward for ``chunk``."""

    def flush(self) -> bytes:
        """The upstream's end: what was held back, and a terminator that a complete stream may lack. A stream
        that ended inside an event is not complete."""

    def failure(self, info: ErrorInfo) -> bytes:
        """An error of our own inside the stream, fit to follow what was forwarded (``cut.py``)."""


class Gatherer(Protocol):
    """Puts the events of a stream together as a whole answer of the same format, undecoded."""

    @property
    def body(self) -> bytes | None:
        """None when there is none, or not all of it could be read."""

    def add(self, data: str) -> None:
        """The data of one event. Never raises."""


class Passthrough(Protocol):
    """What one format can do for equal formats on both sides."""

    def parse(self, body: bytes, url: UrlParts | None = None) -> ParsedBody:
        """Read what routing and accounting need. Raises MalformedRequest."""

    def edited(
        self,
        body: ParsedBody,
        model: str,
        capabilities: Capabilities,
        reasoning: ReasoningConfig | None = None,
        stream: bool | None = None,
    ) -> bytes:
        """The body for the upstream: its own model, the reasoning of a suffix, another ``stream`` switch.
        Untouched fields keep their bytes; a body that needs no edit is returned as it came."""

    def client_headers(self, headers: dict[str, str]) -> Headers:
        """The client's headers (lower-case names) that belong to the request and go up with it."""

    def read_answer(self, body: bytes) -> tuple[Usage | None, bool]:
        """(usage, whether the body is an error) of a whole answer. Raises UpstreamProtocolError."""

    def with_model(self, body: bytes, model: str) -> bytes:
        """A whole answer with the name of its model replaced."""

    def leading_error(self, chunk: bytes) -> bytes | None:
        """The error with which a stream begins, as the bytes of its JSON, or None when it begins well."""

    def watch(self, body: ParsedBody, model: str | None) -> StreamWatch:
        """A watch for the answer to ``body``; ``model`` is put into it in place of the upstream's name."""


# --- reading requests --------------------------------------------------------------------------


def read_fields(body: bytes) -> dict[str, msgspec.Raw]:
    """The top-level members of a request. Raises MalformedRequest."""
    if not body.strip():
        raise MalformedRequest("The request body is empty; send a JSON object.")
    try:
        fields = FIELDS.decode(body)
    except BAD_JSON as error:
        raise MalformedRequest(f"The request body is not a JSON object: {error}.") from error
    if not (body.isascii() or _is_text(body)):
        name = next((name for name, raw in fields.items() if not _is_text(bytes(raw))), None)
        raise MalformedRequest("The request body is not UTF-8.", param=name)
    return fields


def _is_text(body: bytes) -> bool:
    """Whether ``body`` is UTF-8: what passes as it came is decoded nowhere."""
    try:
        if len(body) <= TEXT_LOOK:
            body.decode()
            return True
        decoder, pieces = UTF_8(), memoryview(body)
        for start in range(0, len(body), TEXT_LOOK):
            decoder.decode(pieces[start : start + TEXT_LOOK], final=start + TEXT_LOOK >= len(body))
    except UnicodeDecodeError:
        return False
    return True


UTF_8 = codecs.getincrementaldecoder("utf-8")
TEXT_LOOK = 1024 * 1024
"""Decoded at once: the text of a whole body can take four times its size."""


def read_field(
    decoder: msgspec.json.Decoder[Json], fields: dict[str, msgspec.Raw], name: str, what: str
) -> Json:
    """One member decoded, None when absent. Raises MalformedRequest, saying that it must be ``what``."""
    if name not in fields:
        return None
    try:
        return decoder.decode(fields[name])
    except BAD_JSON as error:
        raise MalformedRequest(f"The field `{name}` must be {what}.", param=name) from error


def read_model(fields: dict[str, msgspec.Raw]) -> str:
    """The member ``model``. Raises MalformedRequest."""
    if "model" not in fields:
        raise MalformedRequest("The field `model` is missing.", param="model")
    model: str = read_field(_TEXT, fields, "model", "a string")
    if not model:
        raise MalformedRequest("The field `model` is empty.", param="model")
    return model


def read_stream(fields: dict[str, msgspec.Raw]) -> bool:
    return bool(read_field(_FLAG, fields, "stream", "true or false"))


def raw_json(value: Json) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def is_set(fields: dict[str, msgspec.Raw], name: str) -> bool:
    """Whether a member is there and neither null, false nor empty text."""
    return name in fields and bytes(fields[name]).strip() not in (b"null", b"false", b'""')


# --- reading streams ---------------------------------------------------------------------------


def end_of_events(data: bytes) -> int:
    """The offset behind the last blank line in ``data``; 0 when there is none."""
    end = data.rfind(b"\n\n") + 2
    if b"\r" in data:
        end = max(end if end > 1 else 0, data.rfind(b"\r\n\r\n") + 4 if b"\r\n\r\n" in data else 0)
        if b"\r\r" in data:
            end = max(end, data.rfind(b"\r\r") + 2)
    return end if end > 1 else 0


def split_events(events: bytes) -> list[bytes]:
    """Whole events, each with the blank line that ends it."""
    if b"\r" in events:
        events = events.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return [event + b"\n\n" for event in events.split(b"\n\n") if event.strip(b"\n")]


def payload_around(events: bytes, at: int) -> bytes:
    """The JSON of the event in whose ``data:`` offset ``at`` lies; b"" for a line of another kind."""
    start, end = data_around(events, at)
    return payload_of(events[start:end])


def data_around(events: bytes, at: int) -> tuple[int, int]:
    """Where the ``data:`` lines of one event around offset ``at`` begin and end; nearly always it is one. An
    empty span for a line of another kind."""
    start, end = _line_start(events, at), line_end(events, at)
    if not events.startswith(b"data:", start):
        return start, start
    while events.startswith(b"data:", following := end + (2 if events.startswith(b"\r\n", end) else 1)):
        end = line_end(events, following)
    while start:
        before = _line_start(events, start - (2 if events.startswith(b"\r\n", max(start - 2, 0)) else 1))
        if not events.startswith(b"data:", before):
            break
        start = before
    return start, end


def _line_start(events: bytes, at: int) -> int:
    return max(events.rfind(b"\n", 0, at), events.rfind(b"\r", 0, at)) + 1


def line_end(events: bytes, at: int) -> int:
    """Where the line around offset ``at`` ends."""
    ends = [end for end in (events.find(b"\n", at), events.find(b"\r", at)) if end >= 0]
    return min(ends, default=len(events))


def payload_of(event: bytes) -> bytes:
    """The JSON of one whole event. Several ``data:`` lines are joined by a space: to JSON that is what a line
    end is, and the one line can be framed again."""
    lines = [line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")]
    return b" ".join(lines)


class Pending:
    """The beginning of an event whose end has not come, in the pieces in which it came: joining it again with
    each of them would cost the square of an inline image."""

    __slots__ = ("_end", "_pieces", "is_torn", "size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._end = b""
        self.size = 0
        self.is_torn = False
        """Only the end of it is kept."""

    def add(self, chunk: bytes) -> bytes:
        """The whole events that there are now; b"" when none. Raises UpstreamProtocolError for an event
        without end."""
        if not self._pieces:
            cut = end_of_events(chunk)
            if cut == len(chunk):
                return chunk
            self._keep(chunk[cut:] if cut else chunk)
            return chunk[:cut]
        cut = end_of_events(self._end + chunk)
        if cut == 0:
            self._keep(chunk)
            return b""
        cut += self.size - len(self._end)
        data = b"".join((*self._pieces, chunk))
        self._pieces, self._end, self.size, self.is_torn = [], b"", 0, False
        if cut != len(data):
            self._keep(data[cut:])
        return data[:cut]

    def _keep(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self.size += len(piece)
        self._end = piece[-3:] if len(piece) > 2 else (self._end + piece)[-3:]
        if self.size > LONGEST_EVENT:
            raise UpstreamProtocolError(f"the upstream sent an event of more than {LONGEST_EVENT} bytes")

    def bytes(self) -> bytes:
        return b"".join(self._pieces)

    def shorten(self) -> None:
        """Forget the head of a very long one: nothing to be seen stands there."""
        if self.size > LONGEST_LOOK:
            self._pieces = [self.bytes()[-KEPT_LOOK:]]
            self.size, self.is_torn = KEPT_LOOK, True


EVENT_STREAM = "text/event-stream; charset=utf-8"


class EventWatch:
    """Base of the watches of formats whose stream consists of typed events.

    With nothing to edit, chunks pass as they come and are looked at beside; to edit, whole events are
    needed, so a partial one waits for its rest. A subclass says what it looks for.
    """

    content_type = EVENT_STREAM

    def __init__(self, *, edits: bool) -> None:
        self.usage: Usage | None = None
        self.is_complete = False
        self.is_done = False
        self.has_failed = False
        self._edits = edits
        self._pending = Pending()

    def feed(self, chunk: bytes) -> bytes:
        events = self._pending.add(chunk)
        if not events:
            if self._edits:
                return b""
            self._pending.shorten()
            return chunk
        self.look(events)
        return self._edited(events) if self._edits else chunk

    def flush(self) -> bytes:
        rest = self._pending.bytes()
        if not is_whole(rest):
            self.is_complete = False
            return b""
        if rest.strip():
            self.look(rest)
        if not self._edits:
            return b""
        self._pending = Pending()
        return self._edited(rest)

    def failure(self, info: ErrorInfo) -> bytes:
        return behind(
            b"" if self._edits else self._pending.bytes(),
            self.error_object(info),
            self.error_name,
            apart=self.harmless,
            is_torn=self._pending.is_torn,
        )

    error_name: str | None = None
    """The ``event:`` of the format's errors."""
    harmless: dict[str, Json] | None = None
    """See ``cut.behind``."""

    def error_object(self, info: ErrorInfo) -> dict[str, Json]:
        """``info`` as the data of an event of the format."""
        raise NotImplementedError

    def look(self, events: bytes) -> None:
        """Find usage and end in whole events, with as few scans as will do."""
        raise NotImplementedError

    def edit(self, payload: bytes) -> bytes:
        """The JSON of one event, changed; the same bytes when there is nothing to change."""
        raise NotImplementedError

    def _edited(self, events: bytes) -> bytes:
        return b"".join(self._event(event) for event in split_events(events))

    def _event(self, event: bytes) -> bytes:
        payload = payload_of(event)
        if not payload:
            return event
        changed = self.edit(payload)
        if changed == payload:
            return event
        head = b"".join(line + b"\n" for line in event.splitlines() if line.startswith(b"event:"))
        return head + b"data: " + changed + b"\n\n"


_FIELDS_OF_EVENTS = (b"data", b"event", b"id", b"retry", b":")
_ANY_JSON = msgspec.json.Decoder(msgspec.Raw)


def begins_well(chunk: bytes, *, is_all: bool = False) -> bool | None:
    """Whether a stream begins with an event whose data is JSON; None where ``chunk`` does not tell yet.

    ``is_all`` says that nothing follows. What is very large is taken for good.
    """
    at = chunk.find(b"data:")
    end = chunk.find(b"\n", at)
    if at >= 0 and end >= 0 and _is_json(chunk[at + 5 : end]):
        return True
    if len(chunk) >= KEPT_LOOK:
        return True
    for event in split_events(chunk if is_all else chunk[: end_of_events(chunk)]):
        if any(line and not line.startswith(_FIELDS_OF_EVENTS) for line in event.splitlines()):
            return False
        if payload := payload_of(event):
            return _is_json(payload)
    return False if is_all else None


def _is_json(payload: bytes) -> bool:
    """False for ``[DONE]`` too: a stream that begins with its end holds nothing."""
    try:
        _ANY_JSON.decode(payload)
    except BAD_JSON:
        return False
    return True


def first_payload(chunk: bytes) -> bytes:
    """The JSON with which a stream begins: of its first ``data:`` line, or of a body that is no stream."""
    for line in chunk.splitlines():
        payload = line.partition(b":")[2] if line.startswith(b"data:") else line
        if payload.strip() and not line.startswith((b":", b"event:")):
            return payload
    return b""
