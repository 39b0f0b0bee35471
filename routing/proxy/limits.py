"""What one exchange takes of the limits of its client key, its credentials and their providers.

Counts are the state's. Here is when they are taken (the client key before anything is resolved, a credential
before its attempt), when given back (before the last byte leaves, so that who reads it finds room), how long
a request is held where a limit waits, and the headers that tell the client what it has left.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime

from providers.errors import ClientError, GatewayError
from providers.translation.model import Usage
from providers.values import CredentialEntry, Format
from routing.core.limits import (
    SOON_S,
    AtLimit,
    client_claim,
    credential_claims,
    longest_wait_s,
    words,
)
from routing.core.resolve import Resolution
from routing.core.state import Allowance, Claim, Left, RoutingState, Ticket
from routing.core.table import ClientEntry
from routing.proxy.wire import Headers

BYTES_PER_TOKEN = 4
"""Of English text and JSON: the usual rule of thumb."""
MOST_RESERVED = 32_000
"""Tokens reserved at most for one request: a body larger than this in bytes mostly holds pictures."""
POLL_S = 0.05
"""How often a held request looks for a place that only an ending request can free."""


class TooManyRequests(ClientError):
    """429: the client key is at its own limit."""

    client_status = 429
    error_type = "rate_limit_error"
    code: str | None = "rate_limit_exceeded"


class Holds:
    """The claims of one exchange. ``end`` gives back whatever is still held, and may be called again."""

    __slots__ = ("_attempt", "_clock", "_reserve", "_served", "_shown", "_state", "_whole")

    def __init__(self, state: RoutingState, clock: Callable[[], float]) -> None:
        self._state = state
        self._clock = clock
        self._reserve = 0
        self._whole: Ticket | None = None
        """What the exchange itself holds: its client key's claim."""
        self._attempt: Ticket | None = None
        self._served: list[Ticket] = []
        """Of the attempts that answered: held until the answer is through."""
        self._shown: tuple[Claim, ...] = ()

    async def enter(self, client: ClientEntry, body_size: int = 0) -> float:
        """Take the client key's place and return the seconds that this took. Raises TooManyRequests."""
        self._reserve = min(body_size // BYTES_PER_TOKEN, MOST_RESERVED)
        if client.limits is None:
            return 0.0
        claims = client_claim(client.id, client.limits, self._reserve)
        self._shown = claims
        began = time.perf_counter()
        self._whole = await self._taken(claims, lambda wait: _client_refusal(client, wait))
        return time.perf_counter() - began

    async def admit(self, credential: CredentialEntry) -> float:
        """Take a place of ``credential`` and its provider for one attempt; returns the seconds it took.

        Raises AtLimit when others were faster.
        """
        if credential.limits is None and credential.provider_limits is None:
            return 0.0
        claims = credential_claims(credential, self._reserve)
        if self._whole is None:
            self._shown = claims
        began = time.perf_counter()
        self._attempt = await self._taken(claims, _credential_refusal)
        return time.perf_counter() - began

    def settle(self, *, has_answered: bool) -> None:
        """The attempt is over. What answered holds its place until ``end``; what failed used no tokens."""
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        if has_answered:
            self._served.append(attempt)
        else:
            self._state.give_back(attempt, 0, self._clock())

    def show(self, resolution: Resolution) -> None:
        """Where nobody has room, the headers tell of who has it first."""
        if resolution.limited and not resolution.candidates and self._whole is None:
            soonest = min(resolution.limited, key=lambda pair: pair[1])[0]
            self._shown = credential_claims(soonest.credential, 0)

    def end(self, usage: Usage | None) -> None:
        """Give everything back. An answer whose usage nobody told counts as what was reserved for it."""
        if self._attempt is None and self._whole is None and not self._served:
            return
        self.settle(has_answered=False)
        served, self._served = self._served, []
        whole, self._whole = self._whole, None
        now = self._clock()
        tokens = _total(usage, self._reserve)
        for ticket in served:
            self._state.give_back(ticket, tokens // len(served), now)
        if whole is not None:
            has_used = usage is not None or bool(served)
            self._state.give_back(whole, tokens if has_used else 0, now)

    def headers(self, dialect: Format) -> Headers:
        """What is left, in the spelling that clients of ``dialect`` read; nothing where no limit holds."""
        if not self._shown:
            return []
        now = self._clock()
        allowances = [self._state.allowance(claim.scope, claim.limits, now) for claim in self._shown]
        spell = _anthropic if dialect is Format.CLAUDE else _openai
        return spell(_tightest(allowances), now)

    async def _taken(
        self, claims: tuple[Claim, ...], refusal: Callable[[float], GatewayError]
    ) -> Ticket | None:
        """The ticket for ``claims``, after a wait where they allow one."""
        if not claims:
            return None
        give_up = time.monotonic() + longest_wait_s(claims)
        while True:
            found = await self._state.admit(claims, self._clock())
            if isinstance(found, Ticket):
                return found
            left = give_up - time.monotonic()
            if left <= 0 or (found > left and found != math.inf):
                raise refusal(found)
            await asyncio.sleep(min(found if found != math.inf else POLL_S, left))


def _total(usage: Usage | None, reserved: int) -> int:
    if usage is None:
        return reserved
    return (usage.input_total or 0) + (usage.output_total or 0)


def _seconds(wait: float) -> float:
    return SOON_S if wait == math.inf else max(1.0, float(math.ceil(wait)))


def _client_refusal(client: ClientEntry, wait: float) -> TooManyRequests:
    limits = words(client.limits) if client.limits is not None else ""
    seconds = _seconds(wait)
    return TooManyRequests(
        f"This client key is at its limit ({limits}); there is room again in {seconds:.0f} s.",
        retry_after_s=seconds,
    )


def _credential_refusal(wait: float) -> AtLimit:
    seconds = _seconds(wait)
    return AtLimit(
        f"The credential is at its limit; there is room again in {seconds:.0f} s.", retry_after_s=seconds
    )


# --- headers ------------------------------------------------------------------------------------


def _tightest(allowances: list[Allowance]) -> Allowance:
    requests = [allowance.requests for allowance in allowances if allowance.requests is not None]
    tokens = [allowance.tokens for allowance in allowances if allowance.tokens is not None]
    return Allowance(
        requests=min(requests, key=lambda left: left.remaining, default=None),
        tokens=min(tokens, key=lambda left: left.remaining, default=None),
    )


def _openai(allowance: Allowance, now: float) -> Headers:
    """As https://platform.openai.com/docs/guides/rate-limits, "Rate limits in headers"."""
    headers: Headers = []
    for what, left in (("requests", allowance.requests), ("tokens", allowance.tokens)):
        if left is not None:
            headers += [
                (f"x-ratelimit-limit-{what}".encode(), str(left.limit).encode()),
                (f"x-ratelimit-remaining-{what}".encode(), str(left.remaining).encode()),
                (f"x-ratelimit-reset-{what}".encode(), go_duration(left.reset_s).encode()),
            ]
    return headers


def _anthropic(allowance: Allowance, now: float) -> Headers:
    """As https://docs.anthropic.com/en/api/rate-limits, "Response headers"."""
    headers: Headers = []
    for what, left in (("requests", allowance.requests), ("tokens", allowance.tokens)):
        if left is not None:
            headers += [
                (f"anthropic-ratelimit-{what}-limit".encode(), str(left.limit).encode()),
                (f"anthropic-ratelimit-{what}-remaining".encode(), str(left.remaining).encode()),
                (f"anthropic-ratelimit-{what}-reset".encode(), _moment(left, now).encode()),
            ]
    return headers


def _moment(left: Left, now: float) -> str:
    moment = datetime.fromtimestamp(math.ceil(now + left.reset_s), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def go_duration(seconds: float) -> str:
    """``6m0s``, ``1s``, ``120ms``: how OpenAI writes the time until a reset."""
    if seconds <= 0:
        return "0s"
    if seconds < 1:
        return f"{max(round(seconds * 1000), 1)}ms"
    whole = math.ceil(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
