"""Search grounding as neutral citations, both ways.

Facts: https://ai.google.dev/api/generate-content#GroundingMetadata. Google counts UTF-8 bytes within one
part, end exclusive; the neutral model counts characters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from providers.translation.codecs.gemini.fields import Fields
from providers.translation.model import Json

_SOURCES = ("web", "retrievedContext", "maps", "image")

Located = tuple[int, dict[str, Json]]
"""The index of a text and a citation of it."""


def decode_grounding(
    metadata: Fields, texts: Mapping[int, str], find: Callable[[int], tuple[int, int]]
) -> tuple[list[Located], dict[str, Json]]:
    """The citations, and what of the metadata has no neutral home.

    ``texts`` are the answer's texts by the index of their neutral part. ``find`` turns the index of a
    part on the wire into that index and the bytes of it that came before.
    """
    chunks = metadata.objects("groundingChunks")
    sources = [_source(chunk) for chunk in chunks]
    located: list[Located] = []
    used = False
    for support in metadata.objects("groundingSupports"):
        segment = support.object("segment")
        place = None if segment is None else _span(segment, texts, find)
        indices = support.items("groundingChunkIndices")
        for index in indices:
            if place and isinstance(index, int) and 0 <= index < len(sources) and sources[index]:
                part, start, end = place
                text = texts[part][start:end]
                located.append((part, {**sources[index], "start": start, "end": end, "text": text}))
                used = True
    rest = metadata.rest()
    if chunks and not used:
        # Sources that support no span cannot be citations; a Gemini client may still list them.
        rest["groundingChunks"] = [chunk.rest() for chunk in chunks]
    return located, rest


def encode_grounding(
    cited: list[tuple[int, str, dict[str, Json]]], queries: list[str] | None = None
) -> dict[str, Json]:
    """``groundingMetadata`` for ``(index of the part, its text, citation)`` and what was searched for; empty
    without both."""
    chunks: list[Json] = []
    supports: list[Json] = []
    for part, text, citation in cited:
        url = citation.get("url")
        if not url:
            continue
        chunk = {"web": {"uri": url, "title": citation.get("title") or url}}
        if chunk not in chunks:
            chunks.append(chunk)
        start, end = citation.get("start") or 0, citation.get("end")
        end = len(text) if end is None else end
        segment = {
            "partIndex": part,
            "startIndex": len(text[:start].encode()),
            "endIndex": len(text[:end].encode()),
            "text": text[start:end],
        }
        supports.append({"segment": segment, "groundingChunkIndices": [chunks.index(chunk)]})
    searched: dict[str, Json] = {"webSearchQueries": queries} if queries else {}
    return {**searched, "groundingChunks": chunks, "groundingSupports": supports} if chunks else searched


def _source(chunk: Fields) -> dict[str, Json]:
    for name in _SOURCES:
        raw = chunk.raw_object(name)
        if raw is not None:
            chunk.put_back(name, raw)
            uri = raw.get("uri") or raw.get("sourceUri")
            return {"url": uri, "title": raw.get("title")} if isinstance(uri, str) else {}
    return {}


def _span(
    segment: Fields, texts: Mapping[int, str], find: Callable[[int], tuple[int, int]]
) -> tuple[int, int, int] | None:
    """Part, start and end in characters. The quoted text decides when the offsets do not fit it."""
    wire, start = segment.integer("partIndex") or 0, segment.integer("startIndex") or 0
    end = segment.integer("endIndex")
    quoted = segment.text("text")
    part, before = find(wire)
    if part not in texts:
        # A thought may be part 0 while the offsets speak of the visible text.
        part, before = min(texts, default=-1), 0
    if part not in texts:
        return None
    encoded = texts[part].encode()
    head = encoded[: before + start]
    body = encoded[before + start : None if end is None else before + end]
    first = len(head.decode(errors="ignore"))
    last = first + len(body.decode(errors="ignore"))
    if quoted and texts[part][first:last] != quoted:
        for index, text in sorted(texts.items()):
            at = text.find(quoted)
            if at >= 0:
                return index, at, at + len(quoted)
    return part, first, last
