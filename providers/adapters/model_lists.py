"""The providers' model lists, read leniently into CatalogueModel: an odd entry is skipped, not fatal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from providers.adapters.base import CatalogueModel
from providers.errors import UpstreamProtocolError

_LONGEST_ID = 300


def entries(body: bytes, name: str) -> Iterator[dict[str, object]]:
    """The objects of the list under ``name``, or of a bare array (Together). Raises UpstreamProtocolError."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as broken:
        raise UpstreamProtocolError("The provider's model list is not JSON.") from broken
    listed = decoded.get(name) if isinstance(decoded, dict) else decoded
    if not isinstance(listed, list):
        raise UpstreamProtocolError("The provider's answer is not a model list.")
    return (entry for entry in listed if isinstance(entry, dict))


def mapping(body: bytes, name: str) -> dict[str, object]:
    """The object under ``name``: model id to what is told of it. Raises UpstreamProtocolError."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as broken:
        raise UpstreamProtocolError("The provider's model list is not JSON.") from broken
    listed = decoded.get(name) if isinstance(decoded, dict) else None
    if not isinstance(listed, dict):
        raise UpstreamProtocolError("The provider's answer is not a model list.")
    return {model_id: told for model_id, told in listed.items() if text_of(model_id)}


def read_openai_list(body: bytes) -> tuple[CatalogueModel, ...]:
    """``{"data": [{"id", "created", "owned_by"}]}`` and what vendors add: context length, display name."""
    models = {}
    for entry in entries(body, "data"):
        if model_id := text_of(entry.get("id")):
            models[model_id] = CatalogueModel(
                id=model_id,
                display_name=text_of(entry.get("display_name")) or text_of(entry.get("name")),
                context_length=_first_count(entry, "context_length", "context_window", "max_context_length"),
                max_output_tokens=_first_count(entry, "max_output_tokens", "max_completion_tokens"),
                created=count_of(entry.get("created")) or 0,
                owned_by=text_of(entry.get("owned_by")),
            )
    return tuple(models.values())


def text_of(value: object) -> str:
    """``value`` trimmed when it is a text of sane length, else ""."""
    return value.strip() if isinstance(value, str) and len(value) <= _LONGEST_ID else ""


def count_of(value: object) -> int | None:
    """A positive whole number, or None. True and False are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 < value < 1e15 else None


def unix_seconds(value: object) -> int:
    """An RFC 3339 moment as Unix seconds; 0 when it is none."""
    try:
        return int(datetime.fromisoformat(value).timestamp()) if isinstance(value, str) else 0
    except (ValueError, OverflowError):
        return 0


def _first_count(entry: dict[str, object], *names: str) -> int | None:
    return next((count for name in names if (count := count_of(entry.get(name)))), None)
