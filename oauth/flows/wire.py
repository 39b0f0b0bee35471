"""Requests and answers of login and refresh endpoints: forms, JSON objects, errors, ends of tokens. Pure."""

from __future__ import annotations

import base64
import math
from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import msgspec

from oauth.flows.base import Answer, Callback, HttpAnswer, HttpCall, Step
from oauth.flows.errors import OAuthError

Fields = Mapping[str, object]
Headers = tuple[tuple[str, str], ...]

JSON = ("content-type", "application/json")
FORM = ("content-type", "application/x-www-form-urlencoded")
ACCEPT_JSON = ("accept", "application/json")
TEXT_LIMIT = 300
LATEST = 253_402_300_799.0
"""The end of the year 9999, past which neither calendars nor files go: a vendor's slip of units."""


def form_post(url: str, fields: Mapping[str, str], *headers: tuple[str, str]) -> HttpCall:
    """Empty fields are left out: a vendor reads ``scope=`` as "no scope"."""
    given = {name: value for name, value in fields.items() if value}
    body = urlencode(given, quote_via=quote).encode()
    return HttpCall(method="POST", url=url, headers=(FORM, ACCEPT_JSON, *headers), body=body)


def json_post(url: str, value: object, *headers: tuple[str, str]) -> HttpCall:
    return HttpCall(
        method="POST", url=url, headers=(JSON, ACCEPT_JSON, *headers), body=msgspec.json.encode(value)
    )


def get(url: str, *headers: tuple[str, str]) -> HttpCall:
    return HttpCall(method="GET", url=url, headers=(ACCEPT_JSON, *headers))


def bearer(token: str) -> tuple[str, str]:
    return ("authorization", f"Bearer {token}")


def basic(user: str, password: str) -> tuple[str, str]:
    return ("authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


def with_query(url: str, fields: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(fields, quote_via=quote)}"


def split(url: str) -> SplitResult:
    """``url`` in its parts; what is no address has none."""
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError:
        return urlsplit("")
    return parts


def host_of(fields: object, name: str) -> str:
    """A host, or an address, that a vendor names; "" for what is neither."""
    given = text(fields, name)
    return given if split(given if "://" in given else f"https://{given}").hostname else ""


def call(step: HttpCall) -> Generator[Step, Answer, HttpAnswer]:
    """Send ``step``. Raises NetworkTrouble."""
    answer = yield step
    assert isinstance(answer, HttpAnswer)  # noqa: S101  (the driver's contract)
    return answer


def opened(step: Step) -> Generator[Step, Answer, Callback]:
    """Let the person open a page and come back. Raises LoginExpired."""
    answer = yield step
    assert isinstance(answer, Callback)  # noqa: S101  (the driver's contract)
    return answer


def object_of(answer: HttpAnswer) -> dict[str, object]:
    """The answer's JSON object, {} when it is none."""
    return object_from(answer.body)


def object_from(text: bytes | str) -> dict[str, object]:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def inner(fields: object, *path: str) -> dict[str, object]:
    """The object at ``path``, {} where there is none."""
    for name in path:
        fields = fields.get(name) if isinstance(fields, Mapping) else None
    return dict(fields) if isinstance(fields, Mapping) else {}


def objects(fields: object, name: str) -> list[dict[str, object]]:
    """The objects in the list ``name``."""
    found = fields.get(name) if isinstance(fields, Mapping) else None
    return [dict(item) for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def text(fields: object, *names: str) -> str:
    """The first of ``names`` that holds a text (or a whole number, written out)."""
    for name in names:
        value = fields.get(name) if isinstance(fields, Mapping) else None
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return ""


def number(fields: object, *names: str) -> float | None:
    """The first of ``names`` that holds a finite number, also one written as text."""
    for name in names:
        value = fields.get(name) if isinstance(fields, Mapping) else None
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                continue
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    return None


def end_of(fields: object, now: float) -> float | None:
    """Unix seconds at which a token ends: from ``expires_in``, else from an absolute time."""
    lifetime = number(fields, "expires_in", "expiresIn")
    if lifetime is not None and lifetime > 0:
        return now + lifetime if now + lifetime <= LATEST else None
    for name in ("expires_at", "expiresAt"):
        if isinstance(fields, Mapping) and (moment := moment_of(fields.get(name))) is not None:
            return moment
    return None


def moment_of(value: object) -> float | None:
    """Unix seconds from what vendors and files write: RFC 3339 with or without fraction and zone,
    ``YYYY-MM-DD HH:MM[:SS]``, Unix seconds or (above 1e12) milliseconds, also as text."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        words = value.strip()
        try:
            value = float(words)
        except ValueError:
            return _moment_of_text(words)
    if not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        return None
    seconds = value / 1000 if value > 1e12 else float(value)
    return seconds if seconds <= LATEST else None


def _moment_of_text(words: str) -> float | None:
    try:
        # Nanoseconds, as Go writes them, are more than fromisoformat reads.
        head, dot, tail = words.partition(".")
        if dot:
            digits = len(tail) - len(tail.lstrip("0123456789"))
            words = f"{head}.{tail[:digits][:6]}{tail[digits:]}"
        moment = datetime.fromisoformat(words)
        stamp = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        return stamp if stamp > 0 else None  # Go writes its zero time as the year 1
    except (ValueError, OverflowError):
        return None


def rfc3339(moment: float) -> str:
    """``2026-01-02T03:04:05Z``."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def error_of(answer: HttpAnswer) -> tuple[str, str]:
    """The code and the description of a refusal, "" where none is told: RFC 6749 5.2, OpenAI's nested
    object, AWS's ``__type``."""
    fields = object_of(answer)
    nested = fields.get("error")
    if isinstance(nested, Mapping):
        return text(nested, "code", "type", "status"), safe(text(nested, "message", "error_description"))
    code = text(fields, "error", "code") or text(fields, "__type").rpartition("#")[2]
    return code, safe(text(fields, "error_description", "error_message", "message", "error_uri"))


def safe(words: str) -> str:
    """A vendor's words for a person: one short line."""
    return " ".join(words.split())[:TEXT_LIMIT]


def retry_after_of(answer: HttpAnswer) -> float | None:
    """``Retry-After-Ms``, or ``Retry-After`` in seconds or as a date: seconds from the answer's arrival."""
    milliseconds = number(answer.headers, "retry-after-ms")
    if milliseconds is not None:
        return max(milliseconds / 1000, 0.0)
    seconds = number(answer.headers, "retry-after")
    if seconds is not None:
        return max(seconds, 0.0)
    try:
        moment = parsedate_to_datetime(answer.headers.get("retry-after", ""))
    except (ValueError, TypeError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(moment.timestamp() - answer.at, 0.0)


def required(settings: Mapping[str, str], name: str, where: str) -> str:
    """A setting that a login cannot do without. Raises OAuthError before any vendor is called."""
    value = settings.get(name, "")
    if not value:
        raise OAuthError(f"The setting {where} is not set.", code="setting_missing", status=400)
    return value


def flag(settings: Mapping[str, str], name: str) -> bool:
    return settings.get(name, "").strip().lower() in ("1", "true", "yes", "on")


def seconds(settings: Mapping[str, str], name: str, default: float) -> float:
    """A setting in seconds; what is no number counts as not set."""
    value = number(settings, name)
    return default if value is None else value
