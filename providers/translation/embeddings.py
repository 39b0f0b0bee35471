"""Embeddings: OpenAI's form over Gemini's ``:batchEmbedContents``, and vectors in the spelling asked for.

Sources: OpenAI API reference, "Create embeddings" (``encoding_format`` base64 is little-endian float32);
ai.google.dev/api/embeddings, ``models.batchEmbedContents`` (2025). Both read 2025.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct

import msgspec

from providers.errors import ClientError, UpstreamProtocolError
from providers.translation.model import Json, Usage

FLOATS = re.compile(rb'"embedding"\s*:\s*\[')
TEXT = re.compile(rb'"embedding"\s*:\s*"')
UNTRANSLATED = ("user",)
"""Fields of the request that Gemini has no place for."""


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks for. ``texts`` is None when the input is made of token numbers."""

    texts: tuple[str, ...] | None
    dimensions: int | None = None
    is_base64: bool = False
    dropped: tuple[str, ...] = ()


def wants_base64(value: Json) -> bool:
    """Whether a request body asks for base64. Raises ClientError for a format that does not exist."""
    wanted = value.get("encoding_format") if isinstance(value, dict) else None
    if wanted not in (None, "float", "base64"):
        raise ClientError("`encoding_format` must be `float` or `base64`.", param="encoding_format")
    return bool(wanted == "base64")


def decode_request(value: Json) -> EmbeddingRequest:
    """OpenAI's request body, decoded. Raises ClientError."""
    if not isinstance(value, dict):
        raise ClientError("The request body is not a JSON object.")
    given = value.get("input")
    items = [given] if isinstance(given, str) else given
    if not isinstance(items, list) or not items:
        raise ClientError("`input` must be a text or a list of texts or tokens, not empty.", param="input")
    dimensions = value.get("dimensions")
    if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
        raise ClientError("`dimensions` must be a positive whole number.", param="dimensions")
    texts = tuple(item for item in items if isinstance(item, str))
    return EmbeddingRequest(
        texts=texts if len(texts) == len(items) else None,
        dimensions=dimensions,
        is_base64=wants_base64(value),
        dropped=tuple(name for name in UNTRANSLATED if name in value),
    )


def encode_gemini_request(texts: tuple[str, ...], model: str, dimensions: int | None) -> bytes:
    """The body of one ``:batchEmbedContents``; every entry names the model again."""
    name = model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
    size = {} if dimensions is None else {"outputDimensionality": dimensions}
    entries = [{"model": name, "content": {"parts": [{"text": text}]}, **size} for text in texts]
    return msgspec.json.encode({"requests": entries})


class _Vector(msgspec.Struct):
    values: list[float]


class _Counts(msgspec.Struct):
    promptTokenCount: int | None = None


class _Batch(msgspec.Struct):
    embeddings: list[_Vector]
    usageMetadata: _Counts | None = None


_BATCH = msgspec.json.Decoder(_Batch)


def decode_gemini_answer(body: bytes, count: int) -> tuple[list[list[float]], int | None]:
    """(vectors in the order of the texts, tokens if told). Raises UpstreamProtocolError."""
    try:
        batch = _BATCH.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamProtocolError("the upstream's answer holds no embeddings") from error
    if len(batch.embeddings) != count:
        raise UpstreamProtocolError("the upstream sent another number of embeddings than it was asked for")
    counts = batch.usageMetadata
    return [vector.values for vector in batch.embeddings], counts.promptTokenCount if counts else None


def encode_answer(vectors: list[list[float]], model: str, tokens: int | None, *, is_base64: bool) -> bytes:
    """OpenAI's answer. Its usage is not optional: 0 stands for an upstream that counted nothing."""
    data = [
        {"object": "embedding", "index": index, "embedding": pack(vector) if is_base64 else vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens or 0, "total_tokens": tokens or 0}
    return msgspec.json.encode({"object": "list", "data": data, "model": model, "usage": usage})


def usage_of(tokens: int | None) -> Usage | None:
    return None if tokens is None else Usage(input_total=tokens, output_total=0, total=tokens)


def pack(vector: list[float]) -> str:
    """Little-endian float32 in base64. Raises UpstreamProtocolError for what is no float32."""
    try:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    except (struct.error, OverflowError, TypeError) as error:
        raise UpstreamProtocolError("the upstream sent an embedding that is no list of numbers") from error


def unpack(text: str) -> list[float]:
    """The reverse of ``pack``. Raises UpstreamProtocolError."""
    try:
        data = base64.b64decode(text, validate=True)
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    except (binascii.Error, struct.error, ValueError) as error:
        raise UpstreamProtocolError("the upstream sent an embedding that is not base64") from error


def respelled(body: bytes, *, is_base64: bool) -> bytes:
    """OpenAI's answer with its vectors in the spelling that was asked for; as it came when they are.

    Compatible servers often ignore ``encoding_format``. Raises UpstreamProtocolError.
    """
    if (FLOATS if is_base64 else TEXT).search(body) is None:
        return body
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamProtocolError("the upstream's answer is not JSON") from error
    for entry in value.get("data") or () if isinstance(value, dict) else ():
        found = entry.get("embedding") if isinstance(entry, dict) else None
        if is_base64 and isinstance(found, list):
            entry["embedding"] = pack(found)
        elif not is_base64 and isinstance(found, str):
            entry["embedding"] = unpack(found)
    return msgspec.json.encode(value)
