"""Retry rounds: who is tried in a round, and whether another one follows. Pure."""

from __future__ import annotations

import math

from providers.errors import NoCandidate, UpstreamError
from routing.core.cooldown import Cooldown
from routing.core.limits import all_full
from routing.core.resolve import Candidate, Resolution
from routing.core.table import RouteSettings

REPEATABLE = frozenset({403, 408, 429, 500, 502, 503, 504, 529})
"""A round that ended with one of these may be followed by another (529 is Anthropic's overload)."""


def retries_of(candidate: Candidate, settings: RouteSettings) -> int:
    own = candidate.credential.request_retry
    return settings.request_retry if own is None else own


def admitted(
    candidates: tuple[Candidate, ...], round_number: int, settings: RouteSettings
) -> list[Candidate]:
    """The candidates of one round, in order: those whose retries reach it, and no more different
    credentials than ``max_retry_credentials`` (0: all)."""
    taken: list[Candidate] = []
    credentials: set[int] = set()
    limit = settings.max_retry_credentials
    for candidate in candidates:
        if retries_of(candidate, settings) < round_number:
            continue
        if candidate.credential.id not in credentials:
            if limit and len(credentials) >= limit:
                continue
            credentials.add(candidate.credential.id)
        taken.append(candidate)
    return taken


def upstream_status(error: UpstreamError) -> int:
    """The status on which the decision about another round rests; network faults count as 503."""
    refusal = getattr(error, "refusal", None)
    return refusal.status if refusal is not None else 503


def wait_before_round(
    resolution: Resolution, round_number: int, settings: RouteSettings, now: float
) -> float | None:
    """Seconds to wait before round ``round_number``, or None when there shall be none.

    ``resolution`` is fresh: it shows who is free and who rests now. Zero when somebody is free.
    """
    if any(retries_of(candidate, settings) >= round_number for candidate in resolution.candidates):
        return 0.0
    ends = [
        cooldown.until
        for candidate, cooldown in resolution.cooling
        if retries_of(candidate, settings) >= round_number and (cooldown.is_quota or cooldown.is_transient)
    ]
    if not ends:
        return None
    wait = max(min(ends) - now, 0.0)
    if wait > settings.max_retry_interval_s or (wait > 0 and settings.max_retry_interval_s <= 0):
        return None
    return wait


def first_to_wake(resolution: Resolution) -> Candidate | None:
    """When all rest for transient faults: the one whose rest ends first, to be tried all the same.

    None when somebody rests for another cause: then refusing is honest.
    """
    if not resolution.cooling or not all(rest.is_transient for _, rest in resolution.cooling):
        return None
    return min(resolution.cooling, key=lambda pair: pair[1].until)[0]


def nobody_free(resolution: Resolution, now: float) -> NoCandidate:
    """The error when every candidate rests: 429 ``model_cooldown`` for quota, 429 ``rate_limit_exceeded``
    where only a limit stands in the way of one, else 503 with the causes."""
    model = resolution.route_model
    rests: list[Cooldown] = [rest for _, rest in resolution.cooling]
    if resolution.limited:
        ends = [rest.until - now for rest in rests if rest.is_quota]
        return all_full(model, [*(wait for _, wait in resolution.limited), *ends])
    if rests and all(rest.is_quota for rest in rests):
        seconds = max(1, math.ceil(min(rest.until for rest in rests) - now))
        return NoCandidate(
            f"All credentials for model {model} are cooling down; the first is back in {seconds} s.",
            status=429,
            error_type="rate_limit_error",
            code="model_cooldown",
            retry_after_s=float(seconds),
        )
    if not rests:
        return NoCandidate(f"No credential can serve model {model}.", code="no_candidate")
    causes = ", ".join(sorted({rest.cause.value for rest in rests}))
    return NoCandidate(
        f"No credential can serve model {model} now ({causes}). The gateway's admin pages show why.",
        code="auth_unavailable",
    )
