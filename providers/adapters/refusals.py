"""A provider's error answer, read once: into its parts, then into a ``Refusal`` kind.

The rules hold for every provider; an adapter looks for its vendor's quirks first and then asks
``classify`` here. Order and texts: docs/protocols/providers.md, "How a refusal is read". Never raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from providers.adapters import limits
from providers.values import Refusal, RefusalKind

EXCERPT_LIMIT = 500
NO_SENSE_SOON_S = 1800.0
"""A spent balance is not refilled by waiting; half an hour is the longest rest without a known window."""

_SECRET = re.compile(
    r"\b(?:sk-|gsk_|xai-|AIza|nvapi-|r8_|hf_|fw_|cpx-|gh[opsu]_|ya29\.)[\w\-*.]{6,}"
    r"|(?i:bearer)\s+[\w.~+/\-]{16,}=*|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_DROPPED_ELEMENT = re.compile(r"<(script|style|head)\b.*?</\1>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]{0,2000}>")
_LONGEST_READ = 65_536
"""Characters of an error body that are searched; the sense of an error stands at its beginning."""
_LONGEST_SOURCE = 8_192
"""Characters from which an excerpt is made: bounds what a page of broken markup costs."""

_CHALLENGE = ("challenge-platform", "cf-mitigated", "cloudflare challenge", "cf-chl-")
_MODEL_UNSUPPORTED = (
    "model_not_supported",
    "requested model is not supported",
    "requested model is unsupported",
    "requested model is unavailable",
    "model is not supported",
    "model not supported",
    "unsupported model",
    "model unavailable",
    "not available for your plan",
    "not available for your account",
    "is not a valid model",
    "invalid model",
    "model not exist",
    "model has been decommissioned",
)
_CONTEXT_LENGTH = (
    "context_length_exceeded",
    "maximum context length",
    "context window",
    "context length",
    "prompt is too long",
    "input is too long",
    "input token count",
    "too many input tokens",
    "exceeds the maximum number of tokens",
    "message_too_big",
)
_CONTENT_FILTER_CODES = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "moderation_blocked",
        "cyber_policy",
        "data_inspection_failed",
    }
)
_CONTENT_FILTER_TEXTS = (
    "content management policy",
    "flagged by moderation",
    "rejected as a result of our safety",
    "requires moderation",
)
_REQUEST_CODES = frozenset(
    {
        "string_above_max_length",
        "invalid_prompt",
        "invalid_value",
        "unsupported_value",
        "unsupported_parameter",
        "invalid_request_error",
        "previous_response_not_found",
    }
)
_REQUEST_TYPES = frozenset(
    {
        "invalid_request",
        "invalid_request_error",
        "bad_request_error",
        "invalid_prompt",
    }
)
_TERMINAL = (
    "account_deactivated",
    "account has been deactivated",
    "account has been disabled",
    "account is disabled",
    "account_suspended",
    "account has been suspended",
    "organization has been disabled",
    "consumer_suspended",
    "token has been revoked",
    "key was reported as leaked",
)
_NO_BALANCE = (
    "insufficient_quota",
    "insufficient_balance",
    "insufficient balance",
    "credit balance is too low",
)
_MODEL_MISSING = frozenset({"model_not_found", "model_not_exist"})
_TRANSIENT_STATUSES = frozenset({408, 424, 425, 498, 499})
"""424 and 498 are Groq's (dependency failed, flex capacity); 499 a proxy on the way gave up."""

_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""By type or code (OpenAI, Anthropic, google.rpc.Code), where an error names no status."""


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of an error body of any vendor's shape. ``text`` is all of it in lower case."""

    message: str
    code: str | None = None
    type: str | None = None
    param: str | None = None
    status: int | None = None
    """An HTTP status that the body names itself."""
    body: object = None
    """The decoded JSON, None when the body is none; an array around a single error is taken off."""
    text: str = ""


def read_detail(body: bytes) -> Detail:
    """Read an error body: OpenAI's shape, Anthropic's, Google's, flat ones, plain text or a page of HTML."""
    raw = body[: _LONGEST_READ * 4].decode("utf-8", "replace")[:_LONGEST_READ]
    decoded = _decode(body)
    if isinstance(decoded, list) and decoded:
        decoded = decoded[0]
    if not isinstance(decoded, dict):
        return Detail(message=safe_excerpt(raw), body=decoded, text=raw.lower())
    error = _error_object(decoded)
    message = _message(error) or _message(decoded) or raw
    return Detail(
        message=safe_excerpt(_with_origin(message, error)),
        code=_text(error.get("code")) or _text(decoded.get("code")) or _text(error.get("reason")),
        type=_text(error.get("type")) or _text(error.get("status")) or _outer_type(decoded),
        param=_text(error.get("param")),
        status=_embedded_status(error) or _embedded_status(decoded),
        body=decoded,
        text=raw.lower(),
    )


def classify(detail: Detail, status: int, headers: Mapping[str, str], now: float) -> Refusal:
    """The kind of a refusal by the rules that all providers share, with the wait that it names."""
    if status < 400:
        # An error inside a 200: in a stream that had begun, or from a vendor who sends none else.
        status = (
            detail.status or _STATUS_OF.get(detail.type or "") or _STATUS_OF.get(detail.code or "") or 502
        )
    kind = _kind(detail, status, headers)
    return refusal(kind, detail, status, headers, now)


def refusal(
    kind: RefusalKind, detail: Detail, status: int, headers: Mapping[str, str], now: float
) -> Refusal:
    """A Refusal of a known kind: OpenAI's spelling of type and code, and the wait where a wait helps."""
    spelled_type, spelled_code = _SPELLING.get(kind, ("server_error", None))
    no_balance = _has_no_balance(detail)
    waits = kind in (RefusalKind.QUOTA, RefusalKind.TRANSIENT, RefusalKind.CHALLENGE, RefusalKind.PAYMENT)
    return Refusal(
        kind=kind,
        status=status,
        message=detail.message or f"The provider answered {status} without a message.",
        code=detail.code or spelled_code,
        error_type=detail.type if detail.type in _OPENAI_TYPES else spelled_type,
        param=detail.param,
        retry_after_s=_wait(kind, detail, headers, now, no_balance) if waits else None,
        credential_wide=kind is RefusalKind.TERMINAL
        or (no_balance and kind in (RefusalKind.QUOTA, RefusalKind.PAYMENT)),
    )


def safe_excerpt(text: str) -> str:
    """At most 500 characters on one line: no markup, nothing that looks like a key."""
    text = text[:_LONGEST_SOURCE]
    if "<html" in text[:2000].lower() or "<!doctype" in text[:2000].lower():
        title = _TITLE.search(text)
        text = title.group(1) if title else _TAG.sub(" ", _DROPPED_ELEMENT.sub(" ", text))
    line = _SECRET.sub("[key]", " ".join(text.split()))
    return line if len(line) <= EXCERPT_LIMIT else line[: EXCERPT_LIMIT - 1] + "…"


def is_challenge(detail: Detail, headers: Mapping[str, str]) -> bool:
    """Whether a bot check (Cloudflare's) answered in the provider's place."""
    if headers.get("cf-mitigated", "").lower() == "challenge":
        return True
    text = detail.text
    return any(mark in text for mark in _CHALLENGE) or ("cloudflare" in text and "<html" in text)


def _kind(detail: Detail, status: int, headers: Mapping[str, str]) -> RefusalKind:
    text = detail.text
    if is_challenge(detail, headers):
        return RefusalKind.CHALLENGE
    if status in (400, 401) and "invalid_grant" in text:
        return RefusalKind.TERMINAL
    if status in (400, 401, 402, 403, 412) and any(mark in text for mark in _TERMINAL):
        return RefusalKind.TERMINAL
    if status in (400, 422) and any(mark in text for mark in _MODEL_UNSUPPORTED):
        return RefusalKind.MODEL_UNSUPPORTED
    if status == 401:
        # Also with type invalid_request_error, which OpenAI and DeepSeek send beside a wrong key.
        return RefusalKind.UNAUTHORIZED
    if status == 402:
        return RefusalKind.PAYMENT
    if status == 429:
        return RefusalKind.QUOTA
    if status in (400, 403) and _has_no_balance(detail):
        return RefusalKind.PAYMENT
    return _request_fault(detail, status) or _kind_of_status(status)


def _request_fault(detail: Detail, status: int) -> RefusalKind | None:
    """The kinds that no other credential would cure, by code and type first, whatever the status says."""
    if detail.code in _MODEL_MISSING:
        return RefusalKind.NOT_FOUND
    if detail.code in _CONTENT_FILTER_CODES or detail.type in _CONTENT_FILTER_CODES:
        return RefusalKind.CONTENT_FILTER
    if status in (400, 403, 451) and any(mark in detail.text for mark in _CONTENT_FILTER_TEXTS):
        return RefusalKind.CONTENT_FILTER
    if detail.code in ("context_length_exceeded", "message_too_big"):
        return RefusalKind.CONTEXT_LENGTH
    if status in (400, 403, 413, 422) and any(mark in detail.text for mark in _CONTEXT_LENGTH):
        # 403 too: Together answers so when input and max_tokens exceed the model's window.
        return RefusalKind.CONTEXT_LENGTH
    if detail.code in _REQUEST_CODES or detail.type in _REQUEST_TYPES:
        return RefusalKind.REQUEST
    if status in (400, 409, 413, 422) or ("not persisted" in detail.text and "store" in detail.text):
        return RefusalKind.REQUEST
    return None


def _kind_of_status(status: int) -> RefusalKind:
    if status in (403, 412):
        return RefusalKind.PAYMENT
    if status == 404:
        return RefusalKind.NOT_FOUND
    if status in _TRANSIENT_STATUSES or status >= 500:
        return RefusalKind.TRANSIENT
    return RefusalKind.OTHER


def _wait(
    kind: RefusalKind, detail: Detail, headers: Mapping[str, str], now: float, no_balance: bool
) -> float | None:
    wait = limits.header_wait_s(headers, now)
    if wait is None and no_balance:
        return NO_SENSE_SOON_S
    if wait is None and kind is RefusalKind.QUOTA:
        wait = limits.text_wait_s(detail.message)
        wait = limits.reset_wait_s(headers, now) if wait is None else wait
    return wait


def _has_no_balance(detail: Detail) -> bool:
    return any(mark in detail.text for mark in _NO_BALANCE)


_SPELLING: dict[RefusalKind, tuple[str, str | None]] = {
    RefusalKind.REQUEST: ("invalid_request_error", None),
    RefusalKind.CONTEXT_LENGTH: ("invalid_request_error", "context_length_exceeded"),
    RefusalKind.CONTENT_FILTER: ("invalid_request_error", "content_filter"),
    RefusalKind.MODEL_UNSUPPORTED: ("invalid_request_error", "model_not_supported"),
    RefusalKind.NOT_FOUND: ("invalid_request_error", "model_not_found"),
    RefusalKind.UNAUTHORIZED: ("authentication_error", "invalid_api_key"),
    RefusalKind.PAYMENT: ("permission_error", None),
    RefusalKind.TERMINAL: ("permission_error", "account_deactivated"),
    RefusalKind.QUOTA: ("rate_limit_error", "rate_limit_exceeded"),
}
_OPENAI_TYPES = frozenset(
    {
        "invalid_request_error",
        "authentication_error",
        "permission_error",
        "rate_limit_error",
        "insufficient_quota",
        "requests",
        "tokens",
        "server_error",
        "image_generation_user_error",
    }
)


def _decode(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _error_object(decoded: dict[str, object]) -> dict[str, object]:
    """Where the error's own fields stand: ``error``, or nested in ``response`` or ``body``, else the top."""
    for holder in (decoded, decoded.get("response"), decoded.get("body")):
        if isinstance(holder, dict) and isinstance(holder.get("error"), dict):
            return dict(holder["error"])
    errors = decoded.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return dict(errors[0])
    return decoded


def _message(holder: dict[str, object]) -> str:
    for name in ("message", "msg", "error", "detail", "title"):
        value = holder.get(name)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, list) and value:
            return "; ".join(_fault_of_field(item) for item in value[:5])
    return ""


def _fault_of_field(item: object) -> str:
    """One entry of FastAPI's 422 list: ``{"loc": ["body", "messages"], "msg": "Field required"}``."""
    if not isinstance(item, dict):
        return str(item)
    place = item.get("loc")
    path = ".".join(str(step) for step in place) if isinstance(place, list) else ""
    return f"{path}: {item.get('msg', '')}".strip(": ")


def _with_origin(message: str, error: dict[str, object]) -> str:
    """Aggregators say "Provider returned error" and put the sense into ``metadata.raw`` (OpenRouter)."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return f"{message}: {raw}" if isinstance(raw, str) and raw.strip() and raw not in message else message


def _outer_type(decoded: dict[str, object]) -> str | None:
    outer = _text(decoded.get("type"))
    return None if outer == "error" else outer


def _embedded_status(holder: dict[str, object]) -> int | None:
    for name in ("status", "status_code", "code", "http_code"):
        value = holder.get(name)
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) == 3:
            value = int(value)
        if isinstance(value, int) and 400 <= value <= 599:
            return value
    return None


def _text(value: object) -> str | None:
    """A non-empty text of sane length; numbers are statuses here, not codes."""
    return value[:200] if isinstance(value, str) and value.strip() and not value.isdecimal() else None
