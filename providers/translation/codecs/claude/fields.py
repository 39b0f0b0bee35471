"""Typed reading of a client's JSON: each reader returns the value or raises ``MalformedRequest``.

``param`` is the path shown to the client, e.g. ``messages[2].content``. A JSON null counts as absent.
"""

from __future__ import annotations

from providers.translation.codec import MalformedRequest
from providers.translation.model import CacheMark, Ext, Json
from providers.values import Format


def malformed(param: str, expected: str) -> MalformedRequest:
    return MalformedRequest(f"{param}: {expected}", param=param)


def mapping(value: Json, param: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise malformed(param, "expected an object")
    return value


def sequence(value: Json, param: str) -> list[Json]:
    if not isinstance(value, list):
        raise malformed(param, "expected an array")
    return value


def text(value: Json, param: str) -> str:
    if not isinstance(value, str):
        raise malformed(param, "expected a string" if value is not None else "field required")
    return value


def optional_text(value: Json, param: str) -> str | None:
    return None if value is None else text(value, param)


def optional_mapping(value: Json, param: str) -> dict[str, Json]:
    return {} if value is None else mapping(value, param)


def optional_sequence(value: Json, param: str) -> list[Json]:
    return [] if value is None else sequence(value, param)


def optional_integer(value: Json, param: str) -> int | None:
    """An int, or a float that is whole (some clients write ``1024.0``)."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise malformed(param, "expected an integer")
    return value


def optional_number(value: Json, param: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise malformed(param, "expected a number")
    return value


def optional_flag(value: Json, param: str) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise malformed(param, "expected true or false")
    return value


def cache_mark(node: dict[str, Json], param: str) -> CacheMark | None:
    control = node.get("cache_control")
    if control is None:
        return None
    path = f"{param}.cache_control"
    return CacheMark(ttl=optional_text(mapping(control, path).get("ttl"), f"{path}.ttl"))


def rest(node: dict[str, Json], known: frozenset[str]) -> Ext:
    """The keys of ``node`` that have no typed home, as this format's ``ext``."""
    extra = {key: value for key, value in node.items() if key not in known and value is not None}
    return {Format.CLAUDE: extra} if extra else {}
