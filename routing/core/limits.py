"""Who may take one more request: the limits of credentials, providers and client keys, as routing asks. Pure.

A request claims every scope that limits it, all or none, before it goes out, with an estimate of its input
tokens; when it ends the estimate is replaced by what was used (docs/routing.md#limits). Counting is the
state's (``routing/state/windows.py``).
"""

from __future__ import annotations

import math

from providers.errors import NoCandidate, UpstreamError
from providers.values import CredentialEntry, Limits
from routing.core.state import Claim, RoutingState

SOON_S = 1.0
"""What a client is told to wait when only an ending request frees a place, and nobody knows when."""


class AtLimit(UpstreamError):
    """429: the credential's or its provider's own limit was reached since the candidates were ordered.

    Nothing was sent and nobody is at fault, so no cooldown follows; the next candidate is tried.
    """

    client_status = 429
    error_type = "rate_limit_error"
    code: str | None = "rate_limit_exceeded"


def client_claim(client_id: int, limits: Limits | None, tokens: int) -> tuple[Claim, ...]:
    if limits is None or not limits.is_set:
        return ()
    return (Claim(scope=f"client:{client_id}", limits=limits, tokens=tokens),)


def credential_claims(credential: CredentialEntry, tokens: int) -> tuple[Claim, ...]:
    """Of the credential itself and of its provider; () for most, which have no limits."""
    claims = []
    if credential.limits is not None and credential.limits.is_set:
        scope = f"credential:{credential.id}"
        claims.append(Claim(scope=scope, limits=credential.limits, tokens=tokens))
    if credential.provider_limits is not None and credential.provider_limits.is_set:
        scope = f"provider:{credential.provider_id}"
        claims.append(Claim(scope=scope, limits=credential.provider_limits, tokens=tokens))
    return tuple(claims)


def wait_s(state: RoutingState, claims: tuple[Claim, ...], now: float) -> float:
    """0 when all of ``claims`` may be taken now, else the seconds until they may; ``math.inf`` where only an
    ending request frees a place."""
    return max((state.limit_wait_s(claim.scope, claim.limits, now) for claim in claims), default=0.0)


def longest_wait_s(claims: tuple[Claim, ...]) -> float:
    """How long a request may be held for ``claims``: the shortest of those that wait, 0 when one refuses."""
    return min((claim.limits.max_wait_s if claim.limits.waits else 0.0 for claim in claims), default=0.0)


def room(credential: CredentialEntry, state: RoutingState, now: float) -> tuple[float, bool]:
    """(the seconds until ``credential`` may take one more request, 0 for now; whether a request may be held
    for so long)."""
    claims = credential_claims(credential, 0)
    wait = wait_s(state, claims, now)
    longest = longest_wait_s(claims)
    return wait, wait <= longest or (wait == math.inf and longest > 0)


def detail(credential: CredentialEntry, wait: float) -> str:
    """For people: which limits, and when there is room."""
    parts = []
    for whose, limits in (("", credential.limits), ("provider: ", credential.provider_limits)):
        if limits is not None and limits.is_set:
            parts.append(whose + words(limits))
    until = "when a request ends" if wait == math.inf else f"in {math.ceil(wait)} s"
    return f"at its limit ({'; '.join(parts)}); room {until}"


def words(limits: Limits) -> str:
    named = (
        (limits.rpm, "requests per minute"),
        (limits.tpm, "tokens per minute"),
        (limits.rpd, "requests per day"),
        (limits.tpd, "tokens per day"),
        (limits.concurrency, "requests at once"),
    )
    return ", ".join(f"{limit} {what}" for limit, what in named if limit)


def all_full(model: str, waits: list[float]) -> NoCandidate:
    """429 when limits are what stands between the request and every credential."""
    soonest = min(waits)
    seconds = SOON_S if soonest == math.inf else max(1.0, math.ceil(soonest))
    return NoCandidate(
        f"Every credential for model {model} is at its limit; there is room again in {seconds:.0f} s.",
        status=429,
        error_type="rate_limit_error",
        code="rate_limit_exceeded",
        retry_after_s=seconds,
    )
