"""Reads one JSON object of the Gemini protocol by its camelCase field names, snake_case accepted too.

Proto3 JSON answers in camelCase and takes either spelling (https://protobuf.dev/programming-guides/json/);
64-bit integers may be strings. What nobody took stays behind for ``ext``.
"""

from __future__ import annotations

import re
from functools import lru_cache

from providers.errors import GatewayError
from providers.translation.model import Ext, Json
from providers.values import Format

_UPPER = re.compile(r"[A-Z]")


@lru_cache(maxsize=512)
def snake(name: str) -> str:
    return _UPPER.sub(lambda letter: "_" + letter[0].lower(), name)


class Fields:
    """``path`` is where the object stands (``contents[2].parts[0]``), ``error`` what a wrong type raises.

    Every ``take`` removes the field; ``null`` counts as absent.
    """

    __slots__ = ("_error", "_left", "path")

    def __init__(self, raw: Json, path: str, error: type[GatewayError]) -> None:
        self.path = path
        self._error = error
        if not isinstance(raw, dict):
            raise self._fail(path, "must be an object")
        self._left: dict[str, Json] = dict(raw)

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str) -> Json:
        value = self._left.pop(name, None)
        other = self._left.pop(snake(name), None)
        return other if value is None else value

    def text(self, name: str) -> str | None:
        value = self.take(name)
        if value is None or isinstance(value, str):
            return value
        raise self._fail(self.at(name), "must be a string")

    def flag(self, name: str) -> bool | None:
        value = self.take(name)
        if value is None or isinstance(value, bool):
            return value
        raise self._fail(self.at(name), "must be true or false")

    def number(self, name: str) -> float | None:
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        raise self._fail(self.at(name), "must be a number")

    def integer(self, name: str) -> int | None:
        value = self.take(name)
        number = as_integer(value)
        if value is not None and number is None:
            raise self._fail(self.at(name), "must be an integer")
        return number

    def object(self, name: str) -> Fields | None:
        value = self.take(name)
        return None if value is None else Fields(value, self.at(name), self._error)

    def raw_object(self, name: str) -> dict[str, Json] | None:
        value = self.take(name)
        if value is None or isinstance(value, dict):
            return value
        raise self._fail(self.at(name), "must be an object")

    def items(self, name: str) -> list[Json]:
        """The list, or a single object as a list of one (the service takes both)."""
        value = self.take(name)
        if value is None:
            return []
        if isinstance(value, dict):
            return [value]
        if isinstance(value, list):
            return value
        raise self._fail(self.at(name), "must be a list")

    def objects(self, name: str) -> list[Fields]:
        return [
            Fields(raw, f"{self.at(name)}[{index}]", self._error)
            for index, raw in enumerate(self.items(name))
        ]

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.take(name)
        if value is None:
            return ()
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise self._fail(self.at(name), "must be a list of strings")

    def put_back(self, name: str, value: Json) -> None:
        """For a field that was looked at and has no typed home after all."""
        self._left[name] = value

    def rest(self) -> dict[str, Json]:
        return {name: value for name, value in self._left.items() if value is not None}

    def ext(self) -> Ext:
        rest = self.rest()
        return {Format.GEMINI: rest} if rest else {}

    def refuse(self, name: str, complaint: str) -> GatewayError:
        """The error for a value of the right type that means nothing; the caller raises it."""
        return self._fail(self.at(name) if name else self.path, complaint)

    def _fail(self, where: str, complaint: str) -> GatewayError:
        return self._error(f"{where or 'the body'} {complaint}", param=where or None)


def as_integer(value: Json) -> int | None:
    """An integer, a float without fraction or a decimal string (proto3 int64); else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
        return int(value)
    return None


def merge_missing(target: dict[str, Json], extra: dict[str, Json]) -> None:
    """Add what ``target`` lacks, also inside objects that both have. Typed fields win over ``ext``.

    Objects are copied: ``extra`` belongs to a request that may be encoded again.
    """
    for name, value in extra.items():
        if not isinstance(value, dict):
            target.setdefault(name, value)
        elif isinstance(inner := target.setdefault(name, {}), dict):
            merge_missing(inner, value)
