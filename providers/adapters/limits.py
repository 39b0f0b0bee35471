"""When may we come back? Reads the waiting times that providers state in headers and bodies.

Sources: RFC 9110 section 10.2.3 (``Retry-After``), OpenAI's and Groq's rate-limit guides
(``x-ratelimit-reset-*`` as durations, ``retry-after-ms``), OpenRouter (``x-ratelimit-reset`` in
milliseconds), google.rpc.RetryInfo. ``now`` is Unix seconds and comes in as an argument.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s|d)")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|h|m|s|d))+")
_UNIT_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_IN_TEXT = re.compile(
    r"(?:after|try again in|retry in|reset in)\s+((?:\d+(?:\.\d+)?(?:ms|h|m|s|d))+)(?!\w)", re.IGNORECASE
)
_LONGEST_S = 366 * 86400.0
"""Beyond a year a value is a mistake (seconds read as milliseconds), not a wait."""
_EPOCH_S = 1_000_000_000
"""Larger numbers are moments, smaller ones are waits; the same trick separates seconds from milliseconds."""


def duration_s(text: str) -> float | None:
    """``3.5s``, ``1h2m3s``, ``510.79ms``, ``6m0s`` in seconds; a bare number counts as seconds; else None."""
    text = text.strip()
    if _DURATION.fullmatch(text):
        return _plausible(sum(float(number) * _UNIT_S[unit] for number, unit in _DURATION_PART.findall(text)))
    return _plausible(_number(text))


def moment_s(text: str) -> float | None:
    """A moment as Unix seconds, from Unix seconds, milliseconds, RFC 3339 or an HTTP date; else None."""
    number = _number(text)
    if number is not None:
        if number < _EPOCH_S:
            return None
        return number / 1000 if number >= _EPOCH_S * 1000 else number
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        try:
            moment = parsedate_to_datetime(text.strip())
        except (ValueError, TypeError, OverflowError):
            return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None


def wait_until(text: str, now: float) -> float | None:
    """Seconds from ``now`` to the moment in ``text``; a past moment is 0, an unreadable one None."""
    moment = moment_s(text)
    return None if moment is None else _plausible(max(0.0, moment - now))


def header_wait_s(headers: Mapping[str, str], now: float) -> float | None:
    """What ``retry-after-ms`` or ``retry-after`` (seconds or HTTP date) asks for, None without either."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _plausible(milliseconds / 1000)
    text = headers.get("retry-after", "")
    if not text:
        return None
    wait = duration_s(text)
    return wait if wait is not None else wait_until(text, now)


def reset_wait_s(headers: Mapping[str, str], now: float) -> float | None:
    """How long until every spent allowance (``x-ratelimit-remaining…`` or Anthropic's
    ``anthropic-ratelimit-…-remaining`` of 0) is full again, or None.

    Only meaningful on a 429: the same headers come with successes, where nothing is spent.
    """
    waits = []
    for name, value in headers.items():
        before, found, behind = name.partition("remaining")
        if found and "ratelimit-" in before and _number(value) == 0:
            wait = _reset_value(headers.get(f"{before}reset{behind}", ""), now)
            if wait is not None:
                waits.append(wait)
    return max(waits, default=None)


def text_wait_s(text: str) -> float | None:
    """The wait in prose: ``try again in 20s``, ``will reset after 1h2m3s``, ``retry in 17.2s``; else None."""
    match = _IN_TEXT.search(text)
    return duration_s(match.group(1)) if match else None


def _reset_value(text: str, now: float) -> float | None:
    number = _number(text)
    if number is not None and number < _EPOCH_S:
        return _plausible(number)
    wait = duration_s(text) if number is None else None
    return wait if wait is not None else wait_until(text, now)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _plausible(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 <= seconds <= _LONGEST_S else None
