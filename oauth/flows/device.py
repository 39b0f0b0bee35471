"""The device authorization grant (RFC 8628): show a code, poll until the person has decided. Pure.

Rules beyond the RFC, because vendors differ: an ``error`` is looked at before the status (Kimi and GitHub
answer 200), ``slow_down`` adds five seconds for good, a lost network and a 5xx are tried again with growing
waits until the code runs out, an interval below the minimum is raised to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from oauth.flows import wire
from oauth.flows.base import Flow, HttpAnswer, HttpCall, ShowCode, SlowedDown, Wait
from oauth.flows.errors import LoginDenied, LoginExpired, NetworkTrouble, OAuthError

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
SLOW_DOWN_S = 5.0
DEFAULT_INTERVAL_S = 5.0
LONGEST_BACK_OFF_S = 60.0


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how long a channel polls."""

    minimum_s: float = 5.0
    limit_s: float = 900.0
    """However long the vendor lets the code live."""
    default_life_s: float = 900.0
    """Where the vendor does not say how long it lives."""

    @classmethod
    def of(cls, settings: Mapping[str, str], limit_s: float = 900.0) -> Pace:
        """From a channel's settings ``poll_minimum_s`` and ``poll_limit_s``."""
        limit = wire.seconds(settings, "poll_limit_s", limit_s)
        return cls(
            minimum_s=wire.seconds(settings, "poll_minimum_s", 5.0), limit_s=limit, default_life_s=limit
        )


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """A device code that the vendor issued. ``deadline`` is Unix seconds."""

    device_code: str
    shown: ShowCode
    at: float

    @property
    def deadline(self) -> float:
        return self.at + self.shown.expires_in_s


def start(request: HttpCall, pace: Pace) -> Flow[Started]:
    """Ask for a code (RFC 8628 section 3.1) and show it. Raises OAuthError, NetworkTrouble."""
    answer = yield from wire.call(request)
    fields = wire.object_of(answer)
    device_code = wire.text(fields, "device_code", "deviceCode")
    user_code = wire.text(fields, "user_code", "userCode")
    url = wire.text(fields, "verification_uri", "verificationUri", "verification_url", "verificationUrl")
    complete = wire.text(
        fields, "verification_uri_complete", "verificationUriComplete", "verification_url_complete"
    )
    if answer.status >= 400 or not device_code or not (url or complete):
        raise refused(answer, "The vendor did not start a device login")
    life = wire.number(fields, "expires_in", "expiresIn")
    shown = ShowCode(
        user_code=user_code,
        verification_url=page(url or complete),
        verification_url_complete=page(complete) if complete else "",
        expires_in_s=min(life if life and life > 0 else pace.default_life_s, pace.limit_s),
        interval_s=interval_of(fields, pace),
    )
    yield shown
    return Started(device_code=device_code, shown=shown, at=answer.at)


def page(url: str) -> str:
    """A link that a browser may be sent to. Raises OAuthError for anything but http and https."""
    if not url.lower().startswith(("https://", "http://")):
        raise OAuthError("The vendor named a login page that is no web address.")
    return url


def interval_of(fields: Mapping[str, object], pace: Pace) -> float:
    given = wire.number(fields, "interval")
    return max(given if given is not None and given > 0 else DEFAULT_INTERVAL_S, pace.minimum_s)


def refused(answer: HttpAnswer, words: str) -> OAuthError:
    code, description = wire.error_of(answer)
    told = ": ".join(part for part in (code, description) if part)
    return OAuthError(f"{words} ({answer.status}{': ' + wire.safe(told) if told else ''}).")


Reading = Callable[[HttpAnswer], str]
"""The state that an answer tells: "" for success, or an error code of RFC 8628 section 3.5."""


def standard_reading(answer: HttpAnswer) -> str:
    code, _ = wire.error_of(answer)
    if code:
        return code
    if answer.status == 429:
        return "slow_down"
    if answer.status >= 500 or (200 <= answer.status < 300 and not wire.object_of(answer)):
        return "unavailable"  # also a page where JSON belongs: somebody stands in between
    return "" if answer.status < 300 else f"status {answer.status}"


def poll(
    request: HttpCall,
    started: Started,
    read: Reading = standard_reading,
    *,
    factor: float = 1.0,
    longest_s: float = 60.0,
) -> Flow[HttpAnswer]:
    """Poll until the vendor gives tokens. ``factor`` grows the interval with every try, up to ``longest_s``.

    Raises LoginExpired, LoginDenied, and OAuthError for any other refusal.
    """
    interval = started.shown.interval_s
    now, misses = started.at, 0
    while True:
        wait = interval if not misses else max(interval, min(interval * 2**misses, LONGEST_BACK_OFF_S))
        if now >= started.deadline:
            raise LoginExpired("The code has expired before it was confirmed. Start again.")
        yield Wait(seconds=min(wait, max(started.deadline - now, 0.0)))
        now += min(wait, max(started.deadline - now, 0.0))
        try:
            answer = yield from wire.call(request)
        except NetworkTrouble:
            misses += 1
            continue
        now = max(answer.at, now)
        outcome = read(answer)
        if outcome == "unavailable":
            misses += 1
            continue
        misses = 0
        match outcome:
            case "":
                return answer
            case "authorization_pending" | "pending":
                interval = min(interval * factor, max(longest_s, interval))
            case "slow_down":
                interval = slower(interval, answer)
                yield SlowedDown(interval_s=interval)
            case "expired_token" | "expired":
                raise LoginExpired("The code has expired before it was confirmed. Start again.")
            case "access_denied" | "denied" | "authorization_denied":
                raise LoginDenied("The login was denied on the vendor's page.")
            case _:
                raise refused(answer, "The vendor ended the login")


def slower(interval_s: float, answer: HttpAnswer) -> float:
    """Five seconds more, or what the vendor names if that is longer (GitHub tells the new interval)."""
    named = wire.number(wire.object_of(answer), "interval") or 0.0
    return max(interval_s + SLOW_DOWN_S, named)
