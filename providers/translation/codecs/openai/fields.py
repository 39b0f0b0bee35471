"""Typed reads from a client's JSON, each failure a MalformedRequest that names the field.

Wording and codes follow OpenAI's own validation errors, because clients show them to their users.
``null`` counts as absent everywhere.
"""

from __future__ import annotations

from typing import Any

from providers.translation.codec import MalformedRequest
from providers.translation.model import CacheMark, Json

_NAMES: dict[type, str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    type(None): "null",
}


def wrong_type(param: str, wanted: str, value: Json) -> MalformedRequest:
    got = _NAMES.get(type(value), "something else")
    return MalformedRequest(
        f"Invalid type for '{param}': expected {wanted}, but got {got} instead.",
        param=param,
        code="invalid_type",
    )


def missing(param: str) -> MalformedRequest:
    return MalformedRequest(
        f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter"
    )


def invalid(param: str, reason: str) -> MalformedRequest:
    return MalformedRequest(f"Invalid '{param}': {reason}.", param=param, code="invalid_value")


def unsupported(param: str, value: str, allowed: tuple[str, ...]) -> MalformedRequest:
    names = ", ".join(f"'{name}'" for name in allowed)
    return MalformedRequest(
        f"Invalid value: '{value[:80]}' for '{param}'. Supported values are: {names}.",
        param=param,
        code="invalid_value",
    )


def as_object(value: Json, param: str) -> dict[str, Json]:
    if isinstance(value, dict):
        return value
    raise wrong_type(param, "an object", value)


def as_list(value: Json, param: str) -> list[Json]:
    if isinstance(value, list):
        return value
    raise wrong_type(param, "an array", value)


def as_string(value: Json, param: str) -> str:
    if isinstance(value, str):
        return value
    raise wrong_type(param, "a string", value)


def required_string(source: dict[str, Json], key: str, path: str = "") -> str:
    """A string that must be there and not be blank."""
    param = path + key
    value = source.get(key)
    if value is None:
        raise missing(param)
    text = as_string(value, param)
    if not text.strip():
        raise invalid(param, "it must not be empty")
    return text


def optional_string(source: dict[str, Json], key: str, path: str = "") -> str | None:
    value = source.get(key)
    return None if value is None else as_string(value, path + key)


def optional_choice(
    source: dict[str, Json], key: str, allowed: tuple[str, ...], path: str = ""
) -> str | None:
    """One of the published values."""
    value = optional_string(source, key, path)
    if value is not None and value not in allowed:
        raise unsupported(path + key, value, allowed)
    return value


def optional_object(source: dict[str, Json], key: str, path: str = "") -> dict[str, Json] | None:
    value = source.get(key)
    return None if value is None else as_object(value, path + key)


def optional_bool(source: dict[str, Json], key: str, path: str = "") -> bool | None:
    value = source.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise wrong_type(path + key, "a boolean", value)


def optional_number(source: dict[str, Json], key: str, low: float, high: float) -> float | None:
    """A top-level number within ``[low, high]``."""
    value = source.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(key, "a number", value)
    if not low <= value <= high:
        raise invalid(key, f"it must lie between {low:g} and {high:g}")
    return value


def optional_int(source: dict[str, Json], key: str, low: int | None = None) -> int | None:
    """A top-level integer; ``16.0`` counts as one."""
    value: Any = source.get(key)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(key, "an integer", value)
    if low is not None and value < low:
        raise invalid(key, f"it must be at least {low}")
    return value


def cache_mark(source: dict[str, Json], path: str) -> CacheMark | None:
    """The cache mark on a part, message or tool, in either spelling that clients use.

    ``cache_control`` is what clients of Anthropic-aware gateways send, ``prompt_cache_breakpoint`` is
    OpenAI's own.
    """
    mark = optional_object(source, "cache_control", path)
    if mark is not None:
        ttl = mark.get("ttl")
        return CacheMark(ttl=ttl if isinstance(ttl, str) else None)
    if (own := optional_object(source, "prompt_cache_breakpoint", path)) is not None:
        optional_choice(own, "mode", ("explicit",), f"{path}prompt_cache_breakpoint.")
        return CacheMark()
    return None


LATEST_MOMENT = 2**37
"""Far beyond any clock, and within what a date can hold."""


VERBOSITIES = ("low", "medium", "high")
TIERS = ("auto", "default", "flex", "scale", "priority", "fast")
"""Values that Chat Completions and Responses have in common (openai 3.x)."""


def moment(value: Json) -> int | None:
    """Unix seconds of an answer; None for what is no moment."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and 0 < value < LATEST_MOMENT else None
