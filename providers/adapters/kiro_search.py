"""Kiro's web search: JSON-RPC at the service's MCP endpoint, run by the caller for the model.

Learnt from clients of the service and unconfirmed (docs/protocols/kiro.md); the envelope is that of the Model
Context Protocol (2025-03-26, ``tools/call``).
"""

from __future__ import annotations

import msgspec

from providers.adapters.base import Found

LONGEST_TEXT = 60_000
"""Characters of one result that go back to the model."""
NOTHING = "The search failed. Answer from what you know, and say that you could not search."


def call(query: str, seed: str) -> bytes:
    arguments = {"name": "web_search", "arguments": {"query": query}}
    return msgspec.json.encode(
        {"jsonrpc": "2.0", "id": f"search_{seed[:12]}", "method": "tools/call", "params": arguments}
    )


def read(status: int, body: bytes) -> Found:
    """``result.content[].text``, whose JSON names ``results[]`` with ``title`` and ``url``."""
    result = _object(_object(_value(body)).get("result"))
    content = result.get("content")
    blocks = content if isinstance(content, list) else []
    texts = [_object(block).get("text") for block in blocks]
    text = "\n".join(one for one in texts if isinstance(one, str))
    if status >= 300 or result.get("isError") is True or not text.strip():
        return Found(text=NOTHING, is_error=True)
    return Found(text=text[:LONGEST_TEXT], sources=_sources(texts))


def _sources(texts: list[object]) -> tuple[dict[str, str], ...]:
    found: dict[str, str] = {}
    for text in texts:
        results = _object(_value(text.encode())).get("results") if isinstance(text, str) else None
        for entry in results if isinstance(results, list) else []:
            url, title = _object(entry).get("url"), _object(entry).get("title")
            if isinstance(url, str) and url:
                found.setdefault(url, title if isinstance(title, str) else "")
    return tuple({"url": url, "title": title} for url, title in found.items())


def _value(body: bytes) -> object:
    try:
        value: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
