"""Retry rounds: who is tried in a round, and whether another one follows. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

from providers.errors import (
    GatewayError,
    NoCandidate,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from routing.core.cooldown import QUOTA_CAUSES, Cooldown, kind_of, scope_of
from routing.core.limits import all_full
from routing.core.resolve import Resolution
from routing.core.table import Candidate, Rejection, RouteSettings

REPEATABLE = frozenset({403, 408, 429, 500, 502, 503, 504, 529})
"""A round that ended with one of these may be followed by another (529 is Anthropic's overload)."""
BOOTSTRAP = frozenset({401, 402, 403, 408, 429})
"""A stream that opened and then failed with one of these, with 5xx or without any status, may be begun
anew."""


def retries_of(candidate: Candidate, settings: RouteSettings) -> int:
    own = candidate.credential.request_retry
    return settings.request_retry if own is None else own


class Round:
    """One pass over the candidates of a resolution. ``next`` hands out one after the other: each credential
    once (the members of a pool count as one), those whose retries reach this round, and no more different
    credentials than ``max_retry_credentials`` (0: all); who is passed over does not count."""

    def __init__(self, resolution: Resolution, number: int, settings: RouteSettings) -> None:
        self._left = list(resolution.candidates[::-1])
        if not self._left and number == 0 and (waking := first_to_wake(resolution)) is not None:
            self._left.append(waking)
        self._number = number
        self._settings = settings
        self._tried: set[int] = set()
        self._spent: set[int] = set()
        self.passed_over: list[Rejection] = []

    def next(self, is_blocked: Callable[[Candidate], bool] = lambda candidate: False) -> Candidate | None:
        """The next to be tried. ``is_blocked`` tells who came to rest since the candidates were ordered."""
        while self._left:
            candidate = self._left.pop()
            reason = self._objection(candidate)
            if reason:
                self._pass_over(candidate, *reason)
            elif not is_blocked(candidate):
                self._tried.add(candidate.credential.id)
                return candidate
        return None

    def failed(self, candidate: Candidate, error: UpstreamError) -> None:
        """``candidate`` failed. A failure of the whole credential ends its pool too."""
        if not scope_of(error, candidate.model):
            self._spent.add(candidate.credential.id)

    def _objection(self, candidate: Candidate) -> tuple[str, str] | None:
        retries, limit = retries_of(candidate, self._settings), self._settings.max_retry_credentials
        credential_id = candidate.credential.id
        if retries < self._number:
            return "retry_limit", f"its {retries} retries are used up"
        if credential_id in self._spent:
            return "tried", "the whole credential failed in this round"
        if limit and credential_id not in self._tried and len(self._tried) >= limit:
            return "retry_limit", f"{limit} credentials were tried in this round"
        return None

    def _pass_over(self, candidate: Candidate, reason: str, detail: str) -> None:
        self.passed_over.append(
            Rejection(
                credential_id=candidate.credential.id,
                provider_key=candidate.credential.provider_key,
                reason=reason,
                detail=detail,
                model=candidate.model,
            )
        )


def admitted(
    candidates: tuple[Candidate, ...], round_number: int, settings: RouteSettings
) -> list[Candidate]:
    """Everybody whom round ``round_number`` would hand out, should all of them fail."""
    a_round = Round(Resolution(route_model="", suffix="", candidates=candidates), round_number, settings)
    found = []
    while (candidate := a_round.next()) is not None:
        found.append(candidate)
    return found


def upstream_status(error: UpstreamError) -> int:
    """The status on which the decision about another round rests; 0 where nobody answered: the upstream could
    not be reached, kept silent, or dropped the connection."""
    if isinstance(error, UpstreamRefused):
        return error.refusal.status
    is_silent = error.is_dropped or isinstance(error, UpstreamUnreachable | UpstreamTimeout)
    return 0 if is_silent else 502


def may_repeat(error: UpstreamError) -> bool:
    """Whether a round that ended with ``error`` may be followed by another."""
    return upstream_status(error) in REPEATABLE


def may_begin_anew(error: UpstreamError) -> bool:
    """Whether a stream that had opened and failed so may be begun anew (``bootstrap-retries``)."""
    status = error.refusal.status if isinstance(error, UpstreamRefused) else 0
    return status == 0 or status in BOOTSTRAP or status >= 500


def wait_before_round(
    resolution: Resolution,
    round_number: int,
    settings: RouteSettings,
    now: float,
    *,
    has_tried: bool = True,
) -> float | None:
    """Seconds to wait before round ``round_number``, or None when there shall be none.

    ``resolution`` is fresh: it shows who is free and who rests now. Zero when somebody is free. When nobody
    was there to be tried (``has_tried`` is False), a round follows only where all rest for quota.
    """
    if any(retries_of(candidate, settings) >= round_number for candidate in resolution.candidates):
        return 0.0
    rests = [rest for _, rest in resolution.cooling]
    if not has_tried and not all(rest.is_quota for rest in rests):
        return None
    ends = [
        rest.until
        for candidate, rest in resolution.cooling
        if retries_of(candidate, settings) >= round_number and _is_waited_for(rest)
    ]
    if not ends:
        return None
    wait = max(min(ends) - now, 0.0)
    if wait > settings.max_retry_interval_s or (wait > 0 and settings.max_retry_interval_s <= 0):
        return None
    return wait


def _is_waited_for(rest: Cooldown) -> bool:
    if rest.status is not None:
        return rest.status in REPEATABLE
    return rest.is_quota or rest.is_transient


def first_to_wake(resolution: Resolution) -> Candidate | None:
    """When all rest for transient faults: the one whose rest ends first, to be tried all the same.

    None when somebody rests for another cause: then refusing is honest.
    """
    if not resolution.cooling or not all(rest.is_transient for _, rest in resolution.cooling):
        return None
    return min(resolution.cooling, key=lambda pair: pair[1].until)[0]


def last_word(last: UpstreamError | None, resolution: Resolution, now: float) -> GatewayError:
    """What the client is told after the last round: the last upstream's error, or why nobody was asked. A
    spent quota always names the moment at which somebody is free again."""
    if last is None:
        return nobody_free(resolution, now)
    ends = [rest.until for _, rest in resolution.cooling]
    if kind_of(last) in QUOTA_CAUSES and ends and not resolution.candidates:
        last.retry_after_s = max(min(ends) - now, 0.0)
    return last


def nobody_free(resolution: Resolution, now: float) -> NoCandidate:
    """The error when every candidate rests: 429 ``model_cooldown`` for quota, 429 ``rate_limit_exceeded``
    where only a limit stands in the way of one, else 503. Texts and members are CLIProxyAPI's, on which
    scripts rely; ``causes`` is ours."""
    model = resolution.route_model
    rests: list[Cooldown] = [rest for _, rest in resolution.cooling]
    if resolution.limited:
        ends = [rest.until - now for rest in rests if rest.is_quota]
        return all_full(model, [*(wait for _, wait in resolution.limited), *ends])
    searched = sorted({offer.credential.provider_key for tier in resolution.tiers for offer in tier.offers})
    if rests and all(rest.is_quota for rest in rests):
        return _all_cooling(model, searched, min(rest.until for rest in rests) - now)
    kind = "auth_unavailable" if rests else "auth_not_found"
    message = f"{kind}: no auth available (providers={','.join(searched)}, model={model})"
    if "claude" in searched:
        message += "; check Claude auth/key session and cooldown state via /v0/management/auth-files"
    error = NoCandidate(message, code="internal_server_error")
    error.details = {"causes": sorted({rest.cause.value for rest in rests})}
    return error


def _all_cooling(model: str, searched: list[str], left_s: float) -> NoCandidate:
    seconds = max(1, math.ceil(left_s))
    via = f" via provider {searched[0]}" if len(searched) == 1 else ""
    error = NoCandidate(
        f"All credentials for model {model} are cooling down{via}",
        status=429,
        error_type="rate_limit_error",
        code="model_cooldown",
        retry_after_s=float(seconds),
    )
    error.details = {
        "model": model,
        "reset_time": go_duration(left_s),
        "reset_seconds": seconds,
        **({"provider": searched[0]} if via else {}),
    }
    return error


def go_duration(seconds: float) -> str:
    """Whole seconds as Go writes a duration: ``12s``, ``1m30s``, ``1h0m0s``; never less than ``1s``."""
    whole = max(1, round(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
