"""Errors of the Gemini protocol: ``google.rpc.Status`` as JSON, both ways.

Facts: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto (status names and their
HTTP numbers) and error_details.proto (``RetryInfo``, ``BadRequest``, ``ErrorInfo``). Some endpoints wrap
the object in an array.
"""

from __future__ import annotations

import math
import re

import msgspec

from providers.translation.model import ErrorInfo, Json

_TYPE_URL = "type.googleapis.com/google.rpc."
_EXCERPT = 500

_BY_RPC: dict[str, tuple[str, str | None, int]] = {
    "INVALID_ARGUMENT": ("invalid_request_error", None, 400),
    "FAILED_PRECONDITION": ("invalid_request_error", None, 400),
    "OUT_OF_RANGE": ("invalid_request_error", None, 400),
    "UNAUTHENTICATED": ("authentication_error", "invalid_api_key", 401),
    "PERMISSION_DENIED": ("permission_error", None, 403),
    "NOT_FOUND": ("invalid_request_error", "model_not_found", 404),
    "ABORTED": ("conflict", None, 409),
    "ALREADY_EXISTS": ("conflict", None, 409),
    "RESOURCE_EXHAUSTED": ("rate_limit_error", "rate_limit_exceeded", 429),
    "CANCELLED": ("server_error", None, 499),
    "INTERNAL": ("server_error", None, 500),
    "UNKNOWN": ("server_error", None, 500),
    "DATA_LOSS": ("server_error", None, 500),
    "UNIMPLEMENTED": ("server_error", None, 501),
    "UNAVAILABLE": ("server_error", "service_unavailable", 503),
    "DEADLINE_EXCEEDED": ("server_error", None, 504),
}

_BY_HTTP = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

_REASONS = {"API_KEY_INVALID": "invalid_api_key"}
_REASON_OF = {code: reason for reason, code in _REASONS.items()}

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|us|ns|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def decode_error(status: int, body: bytes) -> ErrorInfo:
    """Neutral form of an upstream's error answer. Never raises; text that is no JSON becomes the message."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body.decode(errors="replace").strip()
        return _plain(status, text)
    return error_of(value, status) or _plain(status, body.decode(errors="replace").strip())


def error_of(value: Json, status: int = 0) -> ErrorInfo | None:
    """The error inside a decoded answer or stream frame, None when there is none.

    ``status`` is the HTTP status; inside a stream that began with 200 the object's own code counts.
    """
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict) or not value.get("error"):
        return None
    error = value["error"]
    if not isinstance(error, dict):
        # The OAuth endpoints' form: {"error": "invalid_grant", "error_description": "…"}.
        description = value.get("error_description")
        return _plain(status, f"{error}: {description}" if description else str(error))
    rpc = error.get("status")
    kind, code, usual_status = _BY_RPC.get(rpc if isinstance(rpc, str) else "", (None, None, 0))
    if status < 400:
        own = error.get("code")
        status = own if isinstance(own, int) and 400 <= own <= 599 else usual_status or 502
    if kind is None:
        kind, code, _ = _BY_RPC[rpc_status(status)]
    listed = error.get("details")
    details = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    message = error.get("message")
    return ErrorInfo(
        status=status,
        message=message if isinstance(message, str) and message else f"HTTP status {status}",
        type=kind,
        code=_reason(details) or code,
        param=_field(details),
        retry_after_s=_retry_delay(details),
    )


def encode_error(info: ErrorInfo) -> dict[str, Json]:
    # 529 is Anthropic's own number; Google's clients retry on 503.
    status = 503 if info.status == 529 else info.status
    details: list[Json] = []
    if info.code:
        reason = _REASON_OF.get(info.code, info.code.upper())
        details.append({"@type": _TYPE_URL + "ErrorInfo", "reason": reason, "domain": "cliproxy"})
    if info.param:
        violation = {"field": info.param, "description": info.message}
        details.append({"@type": _TYPE_URL + "BadRequest", "fieldViolations": [violation]})
    if info.retry_after_s is not None:
        details.append({"@type": _TYPE_URL + "RetryInfo", "retryDelay": _duration(info.retry_after_s)})
    error: dict[str, Json] = {"code": status, "message": info.message, "status": rpc_status(status)}
    if details:
        error["details"] = details
    return {"error": error}


def rpc_status(status: int) -> str:
    """The RPC status name that goes with an HTTP status."""
    return _BY_HTTP.get(status) or ("INVALID_ARGUMENT" if 400 <= status < 500 else "INTERNAL")


def duration_s(text: Json) -> float | None:
    """Seconds of a duration: ``17s``, ``0.5s``, ``1h2m3s``, ``510ms``; None for anything else."""
    if not isinstance(text, str) or not re.fullmatch(rf"(?:{_DURATION.pattern})+", text.strip()):
        return None
    total = math.fsum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))
    return round(total, 9)


def _duration(seconds: float) -> str:
    return f"{max(seconds, 0.0):.3f}".rstrip("0").rstrip(".") + "s"


def _plain(status: int, text: str) -> ErrorInfo:
    status = status if status >= 400 else 502
    kind, code, _ = _BY_RPC[rpc_status(status)]
    return ErrorInfo(status=status, message=text[:_EXCERPT] or f"HTTP status {status}", type=kind, code=code)


def _reason(details: list[dict[str, Json]]) -> str | None:
    for item in details:
        reason = item.get("reason")
        if str(item.get("@type", "")).endswith("google.rpc.ErrorInfo") and isinstance(reason, str) and reason:
            return _REASONS.get(reason, reason.lower())
    return None


def _field(details: list[dict[str, Json]]) -> str | None:
    for item in details:
        violations = item.get("fieldViolations")
        if isinstance(violations, list) and violations and isinstance(violations[0], dict):
            field = violations[0].get("field")
            return field if isinstance(field, str) and field else None
    return None


def _retry_delay(details: list[dict[str, Json]]) -> float | None:
    for item in details:
        delay = duration_s(item.get("retryDelay"))
        if delay is not None:
            return delay
    return None
