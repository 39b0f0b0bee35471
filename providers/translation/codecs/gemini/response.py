"""A whole ``GenerateContentResponse``, both ways, and the parts that streams share with it.

Facts: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse (google-genai 3.4).
Consecutive texts are one text, as in a stream; nothing joins a part that is signed.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from providers.errors import UpstreamProtocolError
from providers.translation.codec import AnswerContext
from providers.translation.codecs.gemini import activity
from providers.translation.codecs.gemini.errors import error_of
from providers.translation.codecs.gemini.fields import Fields, merge_missing
from providers.translation.codecs.gemini.grounding import decode_grounding, encode_grounding
from providers.translation.codecs.gemini.outcome import (
    UNSPECIFIED,
    arguments_value,
    call_id,
    decode_logprobs,
    decode_stop,
    decode_usage,
    encode_logprobs,
    encode_stop,
    encode_usage,
    is_custom,
    is_limit,
    is_whole,
)
from providers.translation.codecs.gemini.parts import decode_file, decode_inline, encode_media
from providers.translation.codecs.gemini.signatures import to_client
from providers.translation.json_text import dumps
from providers.translation.model import (
    Activity,
    Candidate,
    Json,
    Media,
    Part,
    Reasoning,
    RefusalText,
    Response,
    Signature,
    StopKind,
    Text,
    ToolCall,
    Unknown,
)
from providers.values import Format

_BLOCK_REASONS = (
    "SAFETY",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "IMAGE_SAFETY",
    "MODEL_ARMOR",
    "JAILBREAK",
)


class PartReader:
    """Parts of one candidate of one answer, in order. Counts the calls, for their ids and the stop."""

    def __init__(self, context: AnswerContext, candidate: int) -> None:
        self._context = context
        self._candidate = candidate
        self._ids: set[str] = set()
        self.calls = 0

    def read(self, part: Fields, response_id: str) -> Part | None:
        """None for a part that says nothing."""
        if (call := part.object("functionCall")) is not None:
            return self._call(call, part, response_id)
        is_thought = part.flag("thought") or False
        if not is_thought and (blob := part.object("inlineData")) is not None:
            return decode_inline(blob, part)
        if not is_thought and (file := part.object("fileData")) is not None:
            return decode_file(file, part)
        text = part.text("text")
        if text is None:
            raw = part.rest()
            if not raw.keys() - {"thoughtSignature"}:
                return None
            return Unknown(raw=raw, format=Format.GEMINI, activity=activity.read(raw))
        signature = _signature(part)
        if not text and signature is None:
            return None
        if is_thought:
            return Reasoning(text=text, signature=signature, ext=part.ext())
        return Text(text=text, signature=signature, ext=part.ext())

    def _call(self, call: Fields, part: Fields, response_id: str) -> ToolCall:
        name = self._context.names.restore(call.text("name") or "")
        args = call.raw_object("args") or {}
        wanted = call.text("id")
        if not wanted or wanted in self._ids:
            wanted = call_id(self._context, response_id, self._candidate, self.calls)
        self._ids.add(wanted)
        self.calls += 1
        custom = is_custom(name, self._context)
        inner = args.get("input")
        return ToolCall(
            id=wanted,
            name=name,
            kind="custom" if custom else "function",
            arguments=inner if custom and isinstance(inner, str) else dumps(args),
            signature=_signature(part),
            ext=part.ext(),
        )


def _signature(part: Fields) -> Signature | None:
    value = part.text("thoughtSignature")
    return Signature(value, Format.GEMINI) if value else None


def decode_response(body: Json, context: AnswerContext) -> Response:
    """Raises UpstreamProtocolError for what is no answer, and for one without candidates or block."""
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if (info := error_of(body)) is not None:
        raise UpstreamProtocolError(info.message)
    fields = Fields(body, "", UpstreamProtocolError)
    response_id = fields.text("responseId") or ""
    candidates = tuple(
        _candidate(raw, index, context, response_id) for index, raw in enumerate(fields.objects("candidates"))
    )
    block_reason = None
    if (feedback := fields.object("promptFeedback")) is not None:
        block_reason = feedback.text("blockReason")
        if rest := feedback.rest():
            fields.put_back("promptFeedback", rest)
    if not candidates and not block_reason:
        raise UpstreamProtocolError("the upstream answered without a candidate")
    return Response(
        id=response_id or context.seed,
        model=fields.text("modelVersion") or context.model,
        candidates=candidates,
        usage=decode_usage(fields.object("usageMetadata")),
        created=_unix_time(fields.text("createTime")),
        block_reason=None if candidates else block_reason,
        ext=fields.ext(),
    )


def _candidate(raw: Fields, position: int, context: AnswerContext, response_id: str) -> Candidate:
    index = raw.integer("index")
    index = position if index is None else index
    reader = PartReader(context, index)
    content = raw.object("content")
    parts: list[Part] = []
    places: list[tuple[int, int]] = []
    for wire in content.objects("parts") if content else []:
        _append(parts, places, reader.read(wire, response_id))
    if (grounding := raw.object("groundingMetadata")) is not None:
        texts = {i: part.text for i, part in enumerate(parts) if isinstance(part, Text)}
        cited, rest = decode_grounding(
            grounding, texts, lambda wire: places[wire] if wire < len(places) else (-1, 0)
        )
        for i, citation in cited:
            part = parts[i]
            if isinstance(part, Text):
                parts[i] = msgspec.structs.replace(part, citations=(*part.citations, citation))
        if rest:
            raw.put_back("groundingMetadata", rest)
    reason = raw.text("finishReason")
    message = raw.text("finishMessage")
    return Candidate(
        index=index,
        parts=tuple(parts),
        stop=decode_stop(None if reason in UNSPECIFIED else reason, message, has_calls=reader.calls > 0),
        logprobs=decode_logprobs(raw.object("logprobsResult")),
        ext=raw.ext(),
    )


def _append(parts: list[Part], places: list[tuple[int, int]], part: Part | None) -> None:
    """Add ``part``, joined to the last one where a stream would continue it. ``places`` has an entry per
    part on the wire: the index here, and the bytes of that part that came before."""
    last = parts[-1] if parts else None
    if part is None:
        places.append((-1, 0))
    elif (isinstance(last, Text) and isinstance(part, Text) and last.signature is None) or (
        isinstance(last, Reasoning) and isinstance(part, Reasoning) and last.signature is None
    ):
        places.append((len(parts) - 1, len(last.text.encode())))
        parts[-1] = msgspec.structs.replace(
            last, text=last.text + part.text, signature=part.signature, ext={**last.ext, **part.ext}
        )
    else:
        places.append((len(parts), 0))
        parts.append(part)


def encode_response(response: Response, context: AnswerContext) -> dict[str, Json]:
    body: dict[str, Json] = {}
    if response.candidates:
        body["candidates"] = [_encode_candidate(one, context) for one in response.candidates]
    if response.block_reason is not None:
        known = response.block_reason in _BLOCK_REASONS
        body["promptFeedback"] = {"blockReason": response.block_reason if known else "OTHER"}
    if response.usage is not None:
        body["usageMetadata"] = encode_usage(response.usage)
    if response.created is not None:
        body["createTime"] = datetime.fromtimestamp(response.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body["modelVersion"] = context.model
    body["responseId"] = response.id
    merge_missing(body, response.ext.get(Format.GEMINI, {}))
    return body


def _encode_candidate(candidate: Candidate, context: AnswerContext) -> dict[str, Json]:
    parts: list[Json] = []
    cited: list[tuple[int, str, dict[str, Json]]] = []
    for part in candidate.parts:
        if isinstance(part, Text):
            cited += [(len(parts), part.text, citation) for citation in part.citations]
        is_cut = isinstance(part, ToolCall) and is_limit(candidate.stop) and not is_whole(part)
        encoded = None if is_cut else encode_part(part, context)
        if encoded is not None:
            merge_missing(encoded, part.ext.get(Format.GEMINI, {}))
            parts.append(encoded)
        if isinstance(part, Media) and part.transcript:
            parts.append({"text": part.transcript})
        if (result := activity.result_of_code(part, context)) is not None:
            parts.append(result)
    body: dict[str, Json] = {}
    is_blocked = candidate.stop is not None and candidate.stop.kind is StopKind.CONTENT_FILTER
    if parts or not is_blocked:
        # Clients read parts[0]; an answer that only thought still has an empty text there.
        body["content"] = {"role": "model", "parts": parts or [{"text": ""}]}
    body |= encode_stop(candidate.stop)
    body["index"] = candidate.index
    body |= encode_logprobs(candidate.logprobs)
    queries = [query for part in candidate.parts if (query := activity.query_of(part)) is not None]
    if grounding := encode_grounding(cited, queries):
        body["groundingMetadata"] = grounding
    merge_missing(body, candidate.ext.get(Format.GEMINI, {}))
    return body


def shows_thoughts(context: AnswerContext) -> bool:
    """A Gemini client sees thoughts only when it sent ``includeThoughts``."""
    return context.request is None or context.request.reasoning.show in ("summary", "full")


def encode_part(part: Part, context: AnswerContext) -> dict[str, Json] | None:
    """The whole part, None for what this format cannot show."""
    match part:
        case Text() if part.text or part.signature:
            return {"text": part.text, **signed(part.signature)}
        case RefusalText() if part.text:
            return {"text": part.text}
        case Reasoning():
            return _encode_reasoning(part, context)
        case ToolCall():
            function: dict[str, Json] = {"id": part.id, "name": part.name, "args": arguments_value(part)}
            return {"functionCall": function, **signed(part.signature)}
        case Media(kind="audio", data=""):
            return None  # sound that has yet to come
        case Media():
            return encode_media(part)
        case Unknown(format=Format.GEMINI):
            return dict(part.raw)
        case Unknown(activity=Activity(kind=activity.CODE) as told):
            return activity.encode_code(told, context)
    return None


def _encode_reasoning(part: Reasoning, context: AnswerContext) -> dict[str, Json] | None:
    if part.redacted is not None:
        return {"text": "", "thought": True, "thoughtSignature": to_client(part.redacted, redacted=True)}
    text = part.text if shows_thoughts(context) else ""
    if not text and part.signature is None:
        return None
    return {"text": text, "thought": True, **signed(part.signature)}


def signed(signature: Signature | None) -> dict[str, Json]:
    return {} if signature is None else {"thoughtSignature": to_client(signature)}


def _unix_time(text: str | None) -> int | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
