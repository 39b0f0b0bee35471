"""Citations both ways. Anthropic cites whole blocks: a block of text is the cited span.

Only citations that name a URL are neutral. Citations of documents that were in the request (char, page
and content-block locations) mean nothing outside this format.
"""

from __future__ import annotations

from providers.translation.model import Json


def decode(raw: Json, length: int) -> tuple[dict[str, Json], ...]:
    """Neutral citations of a block of ``length`` characters. Never raises."""
    found = []
    for citation in raw if isinstance(raw, list) else []:
        if not isinstance(citation, dict):
            continue
        url = citation.get("url") or citation.get("source")
        if not isinstance(url, str) or "://" not in url:
            continue
        found.append(
            {
                "url": url,
                "title": _text(citation.get("title")),
                "start": 0,
                "end": length,
                "text": _text(citation.get("cited_text")),
            }
        )
    return tuple(found)


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def encode(citation: dict[str, Json]) -> dict[str, Json] | None:
    """A ``web_search_result_location``, None without a URL.

    Its ``encrypted_index`` cannot be invented: "" is for reading only, and is stripped on replay.
    """
    url = citation.get("url")
    if not isinstance(url, str) or not url:
        return None
    return {
        "type": "web_search_result_location",
        "url": url,
        "title": citation.get("title"),
        "cited_text": citation.get("text") or "",
        "encrypted_index": "",
    }


def replayable(raw: Json) -> list[Json]:
    """The client's citations without those that this gateway made up (see ``encode``)."""
    return [
        citation
        for citation in (raw if isinstance(raw, list) else [])
        if isinstance(citation, dict)
        and not (citation.get("type") == "web_search_result_location" and not citation.get("encrypted_index"))
    ]
