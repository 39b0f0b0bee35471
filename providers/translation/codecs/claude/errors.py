"""Errors both ways: ``{"type": "error", "error": {"type", "message"}}``.

Types and statuses: https://docs.anthropic.com/en/api/errors (read 2025) and the SDK's error types. The
neutral form uses OpenAI's spellings.
"""

from __future__ import annotations

import msgspec

from providers.translation.model import ErrorInfo, Json

_MAX_MESSAGE = 500

THREAD_UNSUPPORTED = "thread_unsupported_request"
"""The SDKs look for it in ``details.error_code``, and stop sending what ``details.unsupported`` names."""

_NEUTRAL: dict[str, tuple[int, str, str | None]] = {
    "invalid_request_error": (400, "invalid_request_error", None),
    "authentication_error": (401, "authentication_error", "invalid_api_key"),
    "billing_error": (402, "insufficient_quota", "insufficient_quota"),
    "permission_error": (403, "permission_error", None),
    "not_found_error": (404, "invalid_request_error", "model_not_found"),
    "conflict_error": (409, "conflict", None),
    "request_too_large": (413, "invalid_request_error", "request_too_large"),
    "rate_limit_error": (429, "rate_limit_error", "rate_limit_exceeded"),
    "api_error": (500, "server_error", None),
    "timeout_error": (504, "server_error", "timeout"),
    "overloaded_error": (529, "server_error", "service_unavailable"),
}
"""Anthropic's type: its usual status, and the neutral type and code."""

_BY_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "api_error",  # overload has a status of its own; 503 says that nobody is there, too
    504: "timeout_error",
    529: "overloaded_error",
}


def decode_error(status: int, body: bytes) -> ErrorInfo:
    """An upstream's error answer. A body that is not JSON is quoted, trimmed to 500 characters."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _described(status, None, body.decode("utf-8", "replace"))
    return error_info(value, status=status)


def error_info(value: Json, *, status: int | None = None) -> ErrorInfo:
    """An error object in neutral form. Without ``status`` (inside a stream) the type implies it."""
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict):
        # Servers that merely speak this format answer {"message": …}, {"detail": …} or {"error": "…"}.
        error = {"message": error} if isinstance(error, str) else value if isinstance(value, dict) else {}
    kind = error.get("type")
    message = error.get("message") or error.get("detail")
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, dict) else error.get("code")
    return _described(
        status,
        kind if isinstance(kind, str) else None,
        message if isinstance(message, str) else "",
        code if isinstance(code, str) else None,
    )


def encode_error(info: ErrorInfo) -> dict[str, Json]:
    """The error as an Anthropic client expects it; the type follows from the status."""
    error: dict[str, Json] = {"type": type_for_status(info.status), "message": info.message}
    if info.code == THREAD_UNSUPPORTED:
        error["details"] = {"error_code": info.code, "unsupported": [info.param or "thread"]}
    return {"type": "error", "error": error}


def type_for_status(status: int) -> str:
    known = _BY_STATUS.get(status)
    if known:
        return known
    return "invalid_request_error" if 400 <= status < 500 else "api_error"


def _described(status: int | None, kind: str | None, message: str, code: str | None = None) -> ErrorInfo:
    usual = _NEUTRAL.get(kind or "")
    if usual is None:
        usual = _NEUTRAL["overloaded_error" if status == 503 else type_for_status(status or 500)]
    final_status = status if status is not None else usual[0]
    message = message.strip()[:_MAX_MESSAGE] or f"the upstream answered with status {final_status}"
    return ErrorInfo(status=final_status, message=message, type=usual[1], code=code or usual[2])
