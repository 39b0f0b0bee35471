"""JSON columns as typed values: checked when a person saves, read with a default when a row is damaged."""

from __future__ import annotations

import logging
from typing import Any, TypeVar

import msgspec
from django.core.exceptions import ValidationError
from django.db import models

logger = logging.getLogger("providers")

_Default = TypeVar("_Default")


def check(row: models.Model, **shapes: Any) -> None:
    """Raises ValidationError naming each column of ``row`` that is not of its shape."""
    problems = {}
    for column, shape in shapes.items():
        try:
            msgspec.convert(getattr(row, column), shape)
        except msgspec.ValidationError as error:
            problems[column] = f"{error}."
    if problems:
        raise ValidationError(problems)


def read(row: models.Model, column: str, shape: Any, default: _Default) -> Any | _Default:
    """The value in ``column``; ``default`` when it is empty, and with a logged error when it is not of
    ``shape``."""
    stored = getattr(row, column)
    if stored in ({}, []):
        return default
    try:
        return msgspec.convert(stored, shape)
    except msgspec.ValidationError as error:
        logger.error("%s of %s %s is ignored: %s", column, type(row).__name__, row.pk, error)
        return default


def plain(value: Any) -> Any:
    """``value`` as a JSON column gives it back (lists, not tuples), without what has its default."""
    return msgspec.json.decode(msgspec.json.encode(value))
