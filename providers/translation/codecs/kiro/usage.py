"""What an answer consumed: as the service says, or estimated and marked so."""

from __future__ import annotations

from providers.translation.counts import count_of
from providers.translation.json_text import dumps
from providers.translation.model import (
    Json,
    Media,
    Part,
    Reasoning,
    Request,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)

WINDOW = 200_000
"""Tokens of which ``contextUsagePercentage`` speaks."""
_CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_PICTURE = 1_100


def reported(payload: dict[str, Json]) -> Usage | None:
    """The counts of a metadata, usage or metrics event, in either of its shapes; None without any."""
    nested = payload.get("tokenUsage")
    raw = nested if isinstance(nested, dict) else payload
    read, written = _count(raw, "cacheReadInputTokens"), _count(raw, "cacheWriteInputTokens")
    uncached = _count(raw, "uncachedInputTokens")
    total_in = _count(raw, "inputTokens") if uncached is None else uncached + (read or 0) + (written or 0)
    usage = Usage(
        input_total=total_in,
        cache_read=read,
        cache_write=written,
        output_total=_count(raw, "outputTokens"),
        total=_count(raw, "totalTokens"),
    )
    return None if usage == Usage() else usage


def percentage(payload: dict[str, Json]) -> float | None:
    """How much of the window the request and the answer fill, in percent."""
    nested = payload.get("tokenUsage")
    raw = nested if isinstance(nested, dict) and "contextUsagePercentage" in nested else payload
    value = raw.get("contextUsagePercentage")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def completed(said: Usage | None, filled: float | None, request: Request | None, written: int) -> Usage:
    """``said`` with what is missing estimated: the input by how full the window is, or by the length of
    the request; the output by ``written``, its characters."""
    said = said or Usage()
    if said.input_total is not None and said.output_total is not None:
        return said
    output = said.output_total
    if output is None:
        output = -(-written // _CHARACTERS_PER_TOKEN)
    given = said.input_total
    if given is None and filled is not None and filled > 0:
        given = max(0, round(filled * WINDOW / 100) - output)
    elif given is None:
        given = _length_of(request) // _CHARACTERS_PER_TOKEN if request is not None else None
    return said.merged(Usage(input_total=given, output_total=output, is_estimated=True))


def _length_of(request: Request) -> int:
    """Characters of all that a model reads of ``request``; pictures as if they were words."""
    parts: list[Part] = [part for instruction in request.instructions for part in instruction.parts]
    parts += [part for turn in request.turns for part in turn.parts]
    tools = sum(
        len(tool.name) + len(tool.description or "") + len(dumps(tool.schema)) for tool in request.tools
    )
    return tools + sum(_length(part) for part in parts)


def _length(part: Part) -> int:
    match part:
        case Text() | Reasoning():
            return len(part.text)
        case ToolCall():
            return len(part.name) + len(part.arguments)
        case ToolResult():
            inner = sum(_length(one) for one in part.parts)
            return inner if part.value is None else inner + len(dumps(part.value))
        case Media():
            return len(part.text) if part.text else _TOKENS_PER_PICTURE * _CHARACTERS_PER_TOKEN
    return 0


def _count(raw: dict[str, Json], name: str) -> int | None:
    return count_of(raw.get(name))
