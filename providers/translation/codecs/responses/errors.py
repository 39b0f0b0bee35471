"""Errors of the Responses API: the body of a refused request, and the two forms inside a stream.

A body has the shape of every OpenAI endpoint, so the ``openai`` codec's reader and writer serve here too.
Inside a stream the documented ``error`` event is flat, the service really sends it nested: both are read,
and one event with both spellings is written. A failed answer names one of a closed list of codes.
"""

from __future__ import annotations

from providers.translation.codecs.openai.errors import (
    decode_error,
    encode_error,
    reported_error,
    type_of_status,
)
from providers.translation.model import ErrorInfo, Json

__all__ = ["decode_error", "encode_error", "error_fields", "failure_of", "response_error", "stream_error"]

_CODES = frozenset(
    {
        "server_error", "rate_limit_exceeded", "invalid_prompt", "bio_policy", "vector_store_timeout",
        "invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url",
        "image_too_large", "image_too_small", "image_parse_error", "image_content_policy_violation",
        "invalid_image_mode", "image_file_too_large", "unsupported_image_media_type", "empty_image_file",
        "failed_to_download_image", "image_file_not_found",
    }
)  # fmt: skip
"""``Response.error.code`` as the official SDK (3.x) publishes it."""

_EXTRA_CODES = frozenset({"context_length_exceeded", "insufficient_quota"})
"""Not in the published list, but sent by the service and acted on by Codex: kept as they are."""

_STATUSES = {
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "server_error": 500,
    "vector_store_timeout": 504,
    "server_is_overloaded": 503,
    "slow_down": 503,
}
_REQUEST_CODES = _CODES | {"context_length_exceeded", "invalid_request_error"}


def stream_error(event: dict[str, Json]) -> ErrorInfo:
    """The neutral error of an ``error`` event, flat or nested. Never raises."""
    nested = event.get("error")
    if isinstance(nested, dict) and nested:
        return _neutral(nested)
    if isinstance(nested, str) and nested:
        return _neutral({**event, "type": None, "message": nested})
    flat = {key: value for key, value in event.items() if key not in ("type", "error")}
    return _neutral(flat)


def failure_of(response: dict[str, Json]) -> ErrorInfo:
    """The neutral error of an answer with ``status: failed``. Never raises."""
    error = response.get("error")
    return _neutral(error if isinstance(error, dict) else {})


def _neutral(error: dict[str, Json]) -> ErrorInfo:
    info = reported_error({"error": error})
    if info is None:
        return ErrorInfo(status=502, message="The upstream failed without a message.")
    code = error.get("code")
    status = _STATUSES.get(code, 400 if code in _REQUEST_CODES else None) if isinstance(code, str) else None
    if status is None:
        return info
    kind = error.get("type")
    return ErrorInfo(
        status=status,
        message=info.message,
        type=kind if isinstance(kind, str) and kind else type_of_status(status),
        code=info.code,
        param=info.param,
    )


def response_error(info: ErrorInfo) -> dict[str, Json]:
    """``Response.error``: a code of the published list, and the message."""
    if info.code in _CODES or info.code in _EXTRA_CODES:
        code = info.code
    elif info.status == 429:
        code = "rate_limit_exceeded"
    elif 400 <= info.status < 500:
        code = "invalid_prompt"
    else:
        code = "server_error"
    return {"code": code, "message": info.message}


def error_fields(info: ErrorInfo) -> dict[str, Json]:
    """The fields of an ``error`` event: flat as documented, and nested as the service sends them."""
    nested: dict[str, Json] = {
        "type": info.type,
        "code": info.code,
        "message": info.message,
        "param": info.param,
    }
    return {"code": info.code, "message": info.message, "param": info.param, "error": nested}
