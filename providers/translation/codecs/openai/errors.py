"""Errors in OpenAI's shape, and whatever compatible servers send in its place.

``{"error": {"message", "type", "param", "code"}}``. Status to type follows OpenAI's error guide; where it
says nothing, ``docs/protocols/openai.md`` states the choice.
"""

from __future__ import annotations

import re

import msgspec

from providers.translation.model import ErrorInfo, Json

MAX_MESSAGE = 2000

_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    409: "conflict",
    429: "rate_limit_error",
}
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "insufficient_quota": 429,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "tokens": 429,
    "requests": 429,
    "overloaded_error": 503,
    "server_error": 500,
}
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def type_of_status(status: int) -> str:
    if status in _TYPES:
        return _TYPES[status]
    return "invalid_request_error" if 400 <= status < 500 else "server_error"


def decode_error(status: int, body: bytes) -> ErrorInfo:
    """The neutral error of an upstream's error body, which may be anything. Never raises."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _plain(status, body.decode("utf-8", "replace"))
    if isinstance(value, list) and value:  # Google's surfaces wrap the object in an array
        value = value[0]
    if isinstance(value, str):
        return _plain(status, value)
    if not isinstance(value, dict):
        return _plain(status, "")
    error = value.get("error")
    if isinstance(error, dict):
        return _from_object(status, error)
    if isinstance(error, str) and error:
        return _from_object(status, {**value, "message": value.get("message") or error})
    return _from_object(status, value)


def reported_error(body: dict[str, Json]) -> ErrorInfo | None:
    """The error inside a 200 body or a stream frame, if it is one."""
    error = body.get("error")
    if isinstance(error, dict) and error:
        return _from_object(_stream_status(error), error)
    if isinstance(error, str) and error:
        return _from_object(_stream_status(body), {**body, "message": error})
    if body.get("object") == "error":  # older vLLM
        return _from_object(_stream_status(body), body)
    return None


def _from_object(status: int, error: dict[str, Json]) -> ErrorInfo:
    message = error.get("message") or error.get("detail") or error.get("msg")
    if isinstance(message, list | dict):  # FastAPI's validation errors
        message = msgspec.json.encode(message).decode()
    kind, code, param = error.get("type"), error.get("code"), error.get("param")
    if not isinstance(code, str):
        code = error.get("status")  # Google's spelling: a numeric code and a status name
    return ErrorInfo(
        status=status,
        message=_trim(message) if isinstance(message, str) and message.strip() else _no_words(status),
        type=kind if isinstance(kind, str) and kind else type_of_status(status),
        code=code if isinstance(code, str) and code else None,
        param=param if isinstance(param, str) and param else None,
    )


def _stream_status(error: dict[str, Json]) -> int:
    """The HTTP status that the error would have had; 502 when it does not tell."""
    for key in ("code", "status"):
        value = error.get(key)
        if isinstance(value, str) and value.isdigit():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600:
            return value
    for key in ("code", "type"):
        value = error.get(key)
        if isinstance(value, str) and value in _STATUSES:
            return _STATUSES[value]
    return 502


def _plain(status: int, text: str) -> ErrorInfo:
    if "<" in text and ">" in text:
        title = _TITLE.search(text)
        text = title.group(1) if title and title.group(1).strip() else _TAG.sub(" ", text)
    text = " ".join(text.split())
    return ErrorInfo(status=status, message=_trim(text) or _no_words(status), type=type_of_status(status))


def _no_words(status: int) -> str:
    return f"The upstream answered {status} without a message."


def _trim(text: str) -> str:
    return text.strip()[:MAX_MESSAGE]


def encode_error(info: ErrorInfo) -> dict[str, Json]:
    return {
        "error": {"message": info.message, "type": info.type, "param": info.param, "code": info.code},
    }
