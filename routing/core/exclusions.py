"""Patterns of model ids: ``*`` stands for any run of characters, case is ignored, nothing else is special."""

from __future__ import annotations

from collections.abc import Iterable


def matches(pattern: str, model_id: str) -> bool:
    """Whether ``pattern`` covers ``model_id``. An empty pattern covers nothing."""
    if not pattern:
        return False
    segments = pattern.lower().split("*")
    text = model_id.lower()
    if len(segments) == 1:
        return text == segments[0]
    head, *middle, tail = segments
    if not text.startswith(head):
        return False
    position = len(head)
    for segment in middle:
        found = text.find(segment, position)
        if found < 0:
            return False
        position = found + len(segment)
    return len(text) - len(tail) >= position and text.endswith(tail)


def first_match(patterns: Iterable[str], model_id: str) -> str | None:
    """The first pattern that covers ``model_id``, or None."""
    return next((pattern for pattern in patterns if matches(pattern, model_id)), None)
