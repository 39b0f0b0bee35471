"""Status, usage, citations and token probabilities of an answer: the small maps, both ways."""

from __future__ import annotations

from providers.translation.counts import count_of
from providers.translation.model import Json, Stop, StopKind, Usage

_LENGTH = (StopKind.LENGTH, StopKind.CONTEXT_WINDOW)
_FILTERED = (StopKind.CONTENT_FILTER, StopKind.REFUSAL)
_INCOMPLETE = {
    "max_output_tokens": StopKind.LENGTH,
    "max_tokens": StopKind.LENGTH,
    "content_filter": StopKind.CONTENT_FILTER,
}


def decode_stop(response: dict[str, Json], *, has_calls: bool, has_refusal: bool) -> Stop:
    """The stop of an answer that is over and did not fail."""
    status = response.get("status")
    if status == "incomplete":
        details = response.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        detail = reason if isinstance(reason, str) else status
        return Stop(_INCOMPLETE.get(detail, StopKind.OTHER), detail=detail)
    detail = status if isinstance(status, str) else None
    if status == "cancelled":
        return Stop(StopKind.CANCELLED, detail=detail)
    if has_calls:
        return Stop(StopKind.TOOL_CALLS, detail=detail)
    return Stop(StopKind.REFUSAL if has_refusal else StopKind.END, detail=detail)


def encode_status(stop: Stop | None, *, has_refusal: bool) -> tuple[str, str | None]:
    """``status``, and the reason when it is ``incomplete``."""
    kind = stop.kind if stop is not None else StopKind.END
    if kind in _LENGTH:
        return "incomplete", "max_output_tokens"
    if kind is StopKind.CONTENT_FILTER or (kind is StopKind.REFUSAL and not has_refusal):
        return "incomplete", "content_filter"
    return "completed", None


def is_cut(stop: Stop | None) -> bool:
    """Whether the last item may have been cut."""
    return stop is not None and stop.kind in _LENGTH


def is_filtered(stop: Stop | None) -> bool:
    return stop is not None and stop.kind in _FILTERED


def block_text(stop: Stop) -> str:
    """What a client reads when nothing else explains an empty, filtered answer."""
    return stop.message or f"The request was blocked by the provider ({stop.detail or 'content filter'})."


# --- usage -------------------------------------------------------------------------------------


def decode_usage(raw: Json) -> Usage | None:
    if not isinstance(raw, dict):
        return None
    read, written = _mapping(raw.get("input_tokens_details")), _mapping(raw.get("output_tokens_details"))
    usage = Usage(
        input_total=count_of(raw.get("input_tokens")),
        cache_read=count_of(read.get("cached_tokens")),
        cache_write=count_of(read.get("cache_write_tokens")),
        output_total=count_of(raw.get("output_tokens")),
        reasoning=count_of(written.get("reasoning_tokens")),
        total=count_of(raw.get("total_tokens")),
    )
    return None if usage == Usage() else usage


def encode_usage(usage: Usage | None) -> dict[str, Json] | None:
    """All fields of the published type; both detail objects are required, unknown counts are 0."""
    if usage is None:
        return None
    read, written = usage.input_total or 0, usage.output_total or 0
    cached = usage.cache_write
    if cached is None:
        cached = (usage.cache_write_5m or 0) + (usage.cache_write_1h or 0)
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": usage.cache_read or 0, "cache_write_tokens": cached},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": usage.total if usage.total is not None else read + written,
    }


def _mapping(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


# --- citations ---------------------------------------------------------------------------------


def decode_annotations(raw: Json, text: str) -> tuple[dict[str, Json], ...]:
    """Neutral citations of the URL annotations; file citations have no neutral form."""
    if not isinstance(raw, list):
        return ()
    return tuple(citation for item in raw if (citation := decode_annotation(item, text)) is not None)


def decode_annotation(item: Json, text: str) -> dict[str, Json] | None:
    if not isinstance(item, dict) or item.get("type") != "url_citation":
        return None
    url, title = item.get("url"), item.get("title")
    if not isinstance(url, str) or not url:
        return None
    start, end = count_of(item.get("start_index")), count_of(item.get("end_index"))
    spans = start is not None and end is not None and start < end <= len(text)
    return {
        "url": url,
        "title": title if isinstance(title, str) else None,
        "start": start,
        "end": end,
        "text": text[start:end] if spans else None,
    }


def encode_citation(citation: dict[str, Json], length: int) -> dict[str, Json] | None:
    """The annotation of a text of ``length`` characters; without a span it covers all. None without a URL."""
    url = citation.get("url")
    if not isinstance(url, str) or not url:
        return None
    start, end = citation.get("start"), citation.get("end")
    if not isinstance(start, int) or not isinstance(end, int):
        start, end = 0, length
    return {
        "type": "url_citation",
        "start_index": start,
        "end_index": end,
        "title": citation.get("title") or "",
        "url": url,
    }


# --- token probabilities -----------------------------------------------------------------------


def encode_logprobs(raw: Json) -> list[Json]:
    """``logprobs`` of a text: always a list, and ``bytes`` is never null here."""
    return [
        {**_token(item), "top_logprobs": [_token(top) for top in _objects(item.get("top_logprobs"))]}
        for item in _objects(raw)
    ]


def _objects(raw: Json) -> list[dict[str, Json]]:
    return [item for item in raw if isinstance(item, dict)] if isinstance(raw, list) else []


def _token(item: dict[str, Json]) -> dict[str, Json]:
    return {
        "token": item.get("token", ""),
        "bytes": item.get("bytes") or [],
        "logprob": item.get("logprob", 0.0),
    }
