"""Errors of the service: ``{"message", "reason"}`` or ``{"__type", "message"}``, as a body or as an event."""

from __future__ import annotations

import msgspec

from providers.translation.codecs.kiro.framing import EXCEPTION
from providers.translation.model import ErrorInfo, Json

_STATUSES = {
    "ThrottlingException": 429,
    "ServiceQuotaExceededException": 402,
    "ValidationException": 400,
    "ConflictException": 409,
    "ResourceNotFoundException": 404,
    "AccessDeniedException": 403,
    "UnauthorizedException": 401,
    "ExpiredTokenException": 401,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
    "ModelStreamErrorException": 502,
    "ModelTimeoutException": 504,
}
"""The exceptions that the service's model declares, and AWS's common ones."""

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
}
_LONGEST = 2000


def decode_error(status: int, body: bytes) -> ErrorInfo:
    """The neutral error of a refused call. Never raises."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = {"message": body.decode("utf-8", "replace")}
    return _info(status, "", value if isinstance(value, dict) else {})


def error_of_event(name: str, payload: dict[str, Json]) -> ErrorInfo:
    """The neutral error of an exception inside a stream."""
    return _info(None, name.removeprefix(EXCEPTION), payload)


def fields_of(name: str, payload: dict[str, Json]) -> dict[str, Json]:
    """The error with the name that its event had, for the adapter to read."""
    return {"__type": _type_of(payload) or name.removeprefix(EXCEPTION), **payload}


def _info(status: int | None, name: str, payload: dict[str, Json]) -> ErrorInfo:
    kind = _type_of(payload) or name
    if status is None:
        short = kind[:1].upper() + kind[1:]
        status = _STATUSES.get(short, 502)
    message = payload.get("message") or payload.get("Message") or payload.get("errorMessage")
    if not isinstance(message, str) or not message:
        message = kind or "The upstream failed without a message."
    reason = payload.get("reason")
    return ErrorInfo(
        status=status,
        message=message[:_LONGEST],
        type=_TYPES.get(status, "invalid_request_error" if 400 <= status < 500 else "server_error"),
        code=reason if isinstance(reason, str) and reason else kind or None,
    )


def _type_of(payload: dict[str, Json]) -> str:
    """``com.amazon.…#ThrottlingException`` without what stands before the hash."""
    value = payload.get("__type") or payload.get("_type")
    return value.rpartition("#")[2] if isinstance(value, str) else ""
