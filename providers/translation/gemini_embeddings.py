"""Embeddings as Gemini's clients ask for them, over OpenAI's ``/v1/embeddings``.

Sources: ai.google.dev/api/embeddings, ``models.embedContent`` and ``models.batchEmbedContents``, and the
official Python SDK (google-genai 3.x), whose newer fields stand in ``embedContentConfig``; OpenAI API
reference, "Create embeddings". Read 2026.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.errors import UpstreamProtocolError
from providers.translation.codec import MalformedRequest, Untranslatable
from providers.translation.embeddings import unpack
from providers.translation.model import Json, Usage

BATCH = "batchEmbedContents"
SINGLE = "embedContent"
_CONFIG = ("embedContentConfig", "embed_content_config")
_DIMENSIONS = ("outputDimensionality", "output_dimensionality")
UNTRANSLATED = {
    "taskType": ("taskType", "task_type"),
    "title": ("title",),
    "autoTruncate": ("autoTruncate", "auto_truncate"),
}
"""What OpenAI has no place for, in both spellings that Google reads."""
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One text to embed."""

    text: str
    dimensions: int | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A whole request; ``is_batch`` says which of the two endpoints it came by."""

    wanted: tuple[Wanted, ...]
    is_batch: bool
    dropped: tuple[str, ...] = ()

    def groups(self) -> list[tuple[int | None, list[int]]]:
        """Places of texts that can share one request, by the size of the vector that they ask for."""
        found: dict[int | None, list[int]] = {}
        for place, one in enumerate(self.wanted):
            found.setdefault(one.dimensions, []).append(place)
        return list(found.items())


def named(body: bytes, model: str, *, is_batch: bool) -> bytes:
    """The body for a Gemini upstream: wherever it names its model, that is ``model`` (``models/…``).

    Raises MalformedRequest. Other fields keep their bytes.
    """
    fields = _fields(body)
    name = msgspec.Raw(msgspec.json.encode(model))
    if not is_batch:
        return msgspec.json.encode({**fields, "model": name}) if "model" in fields else body
    try:
        requests = msgspec.json.decode(fields.get("requests", b"[]"), type=list[dict[str, msgspec.Raw]])
    except _BAD_JSON as error:
        raise MalformedRequest("`requests` must be a list of requests.", param="requests") from error
    fields["requests"] = msgspec.Raw(msgspec.json.encode([{**one, "model": name} for one in requests]))
    return msgspec.json.encode(fields)


def decode_request(body: bytes, *, is_batch: bool) -> Asked:
    """Raises MalformedRequest, and Untranslatable for content that is not text."""
    fields = _fields(body)
    value: Any = {key: msgspec.json.decode(raw) for key, raw in fields.items()}
    dropped: list[str] = []
    if not is_batch:
        return Asked(wanted=(_wanted(value, "", dropped),), is_batch=False, dropped=tuple(dropped))
    requests = value.get("requests")
    if not isinstance(requests, list) or not requests:
        raise MalformedRequest("`requests` must be a list that is not empty.", param="requests")
    wanted = tuple(_wanted(one, f"requests[{place}].", dropped) for place, one in enumerate(requests))
    return Asked(wanted=wanted, is_batch=True, dropped=tuple(dict.fromkeys(dropped)))


def _fields(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _FIELDS.decode(body)
    except _BAD_JSON as error:
        raise MalformedRequest(f"The request body is not a JSON object: {error}.") from error


def _wanted(value: Json, path: str, dropped: list[str]) -> Wanted:
    if not isinstance(value, dict):
        raise MalformedRequest(f"`{path or 'request'}` must be an object.", param=path or None)
    config: dict[str, Json] = next((value[key] for key in _CONFIG if isinstance(value.get(key), dict)), {})
    given = {**value, **config}
    dimensions = next((given[key] for key in _DIMENSIONS if given.get(key) is not None), None)
    if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
        raise MalformedRequest(
            "`outputDimensionality` must be a positive whole number.", param=f"{path}outputDimensionality"
        )
    dropped += [name for name, spellings in UNTRANSLATED.items() if any(given.get(key) for key in spellings)]
    return Wanted(text=_text(value.get("content"), f"{path}content"), dimensions=dimensions)


def _text(content: Json, path: str) -> str:
    if isinstance(content, str):
        return content
    parts = content.get("parts") if isinstance(content, dict) else None
    if isinstance(parts, dict):
        parts = [parts]
    if not isinstance(parts, list) or not parts:
        raise MalformedRequest(f"`{path}` must hold at least one part.", param=path)
    texts = []
    for place, part in enumerate(parts):
        text = part if isinstance(part, str) else part.get("text") if isinstance(part, dict) else None
        if not isinstance(text, str):
            raise Untranslatable(
                "The provider of this model embeds texts only.", param=f"{path}.parts[{place}]"
            )
        texts.append(text)
    return "".join(texts)


def encode_openai_request(texts: list[str], model: str, dimensions: int | None) -> bytes:
    size = {} if dimensions is None else {"dimensions": dimensions}
    return msgspec.json.encode({"model": model, "input": texts, "encoding_format": "float", **size})


class _Vector(msgspec.Struct):
    embedding: list[float] | str
    index: int | None = None


class _Counts(msgspec.Struct):
    prompt_tokens: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Vector]
    usage: _Counts | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


def decode_openai_answer(body: bytes, count: int) -> tuple[list[list[float]], int | None]:
    """(vectors in the order of the texts, tokens if told). Raises UpstreamProtocolError."""
    try:
        answer = _ANSWER.decode(body)
    except _BAD_JSON as error:
        raise UpstreamProtocolError("the upstream's answer holds no embeddings") from error
    if len(answer.data) != count:
        raise UpstreamProtocolError("the upstream sent another number of embeddings than it was asked for")
    if all(one.index is not None for one in answer.data):
        answer.data.sort(key=lambda one: one.index or 0)
    vectors = [
        unpack(one.embedding) if isinstance(one.embedding, str) else one.embedding for one in answer.data
    ]
    return vectors, answer.usage.prompt_tokens if answer.usage else None


def encode_answer(vectors: list[list[float]], tokens: int | None, *, is_batch: bool) -> bytes:
    shown = [{"values": vector} for vector in vectors]
    answer: dict[str, Any] = {"embeddings": shown} if is_batch else {"embedding": shown[0]}
    if tokens is not None:
        answer["usageMetadata"] = {"promptTokenCount": tokens}
    return msgspec.json.encode(answer)


class _Metadata(msgspec.Struct):
    promptTokenCount: int | None = None


class _Passed(msgspec.Struct):
    usageMetadata: _Metadata | None = None


def usage_in(body: bytes) -> Usage | None:
    """What a Gemini upstream tells of its own answer."""
    try:
        told = msgspec.json.decode(body, type=_Passed).usageMetadata
    except _BAD_JSON:
        return None
    tokens = told.promptTokenCount if told is not None else None
    return None if tokens is None else Usage(input_total=tokens, output_total=0, total=tokens)
