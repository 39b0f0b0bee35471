"""How long a credential rests after a failure. Pure: time comes in, a Cooldown goes out.

Kept per credential and upstream model, or for the whole credential. Durations follow CLIProxyAPI's state
machine with the changes that ``docs/routing.md`` lists (delays asked for by the provider are honoured
everywhere, transient faults climb a ladder).
"""

from __future__ import annotations

import msgspec

from providers.errors import UpstreamError, UpstreamRefused
from providers.values import RefusalKind

MINUTE_S = 60.0
HALF_HOUR_S = 30 * MINUTE_S
HALF_DAY_S = 12 * 3600.0
FOREVER_S = 10 * 365 * 24 * 3600.0
TRANSIENT_CAP_S = 60.0
CHALLENGE_MINIMUM_S = 10.0

QUOTA_CAUSES = frozenset({RefusalKind.QUOTA, RefusalKind.CHALLENGE})
TRANSIENT_CAUSES = frozenset({RefusalKind.TRANSIENT, RefusalKind.OTHER})
STOPPING = frozenset({RefusalKind.REQUEST, RefusalKind.CONTEXT_LENGTH, RefusalKind.CONTENT_FILTER})
"""Kinds with which no other credential would do better: the client gets the answer at once."""

FIXED_S = {
    RefusalKind.MODEL_UNSUPPORTED: HALF_DAY_S,
    RefusalKind.UNAUTHORIZED: HALF_HOUR_S,
    RefusalKind.PAYMENT: HALF_HOUR_S,
    RefusalKind.NOT_FOUND: HALF_DAY_S,
    RefusalKind.TERMINAL: FOREVER_S,
}
EVEN_WITHOUT_COOLING = frozenset({RefusalKind.MODEL_UNSUPPORTED, RefusalKind.TERMINAL})


class Cooldown(msgspec.Struct, frozen=True, kw_only=True):
    """A rest from ``since`` to ``until`` (Unix seconds). ``model`` "" covers the whole credential."""

    cause: RefusalKind
    since: float
    until: float
    model: str = ""
    status: int | None = None
    message: str = ""

    @property
    def is_quota(self) -> bool:
        return self.cause in QUOTA_CAUSES

    @property
    def is_transient(self) -> bool:
        return self.cause in TRANSIENT_CAUSES


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What went before on this credential and model: ladder level and the window last opened."""

    level: int = 0
    cooldown: Cooldown | None = None


class CoolingRules(msgspec.Struct, frozen=True, kw_only=True):
    """The effective settings for one credential."""

    is_enabled: bool = True
    transient_s: int = 0


def kind_of(error: UpstreamError) -> RefusalKind:
    """The refusal kind of a failure; what is no refusal (network, protocol) counts as transient."""
    return error.refusal.kind if isinstance(error, UpstreamRefused) else RefusalKind.TRANSIENT


def stops(error: UpstreamError) -> bool:
    """Whether the client gets this error at once, with no other candidate tried."""
    return kind_of(error) in STOPPING


def history_after(
    error: UpstreamError, model: str, history: History, rules: CoolingRules, now: float
) -> History | None:
    """The new history after a failure on ``model``, or None when nothing rests.

    A failure inside an open window keeps that window and its ladder level; a window is never shortened.
    """
    kind = kind_of(error)
    if kind in STOPPING or (not rules.is_enabled and kind not in EVEN_WITHOUT_COOLING):
        return None
    running = history.cooldown if history.cooldown and history.cooldown.until > now else None
    level = history.level if running else history.level + 1
    duration = _duration_s(error, kind, level, rules)
    if duration is None:
        return None
    until = now + duration
    if running and running.until >= until:
        return history
    if running and not _asked_delay_s(error):
        return history
    refusal = error.refusal if isinstance(error, UpstreamRefused) else None
    cooldown = Cooldown(
        cause=kind,
        since=now,
        until=until,
        model="" if refusal and refusal.credential_wide else model,
        status=refusal.status if refusal else None,
        message=error.message[:500],
    )
    return History(level=level, cooldown=cooldown)


def _duration_s(error: UpstreamError, kind: RefusalKind, level: int, rules: CoolingRules) -> float | None:
    if kind in FIXED_S:
        return FIXED_S[kind]
    ladder = float(2 ** min(level - 1, 11))
    asked = _asked_delay_s(error)
    if kind in QUOTA_CAUSES:
        if asked:
            return asked
        return max(min(ladder, HALF_HOUR_S), CHALLENGE_MINIMUM_S if kind is RefusalKind.CHALLENGE else 0.0)
    if rules.transient_s < 0:
        return None
    if asked:
        return asked
    return float(rules.transient_s) if rules.transient_s else min(ladder, TRANSIENT_CAP_S)


def _asked_delay_s(error: UpstreamError) -> float | None:
    """The delay the provider asked for, capped at half an hour unless it names a quota window."""
    if not isinstance(error, UpstreamRefused) or not error.refusal.retry_after_s:
        return None
    asked = error.refusal.retry_after_s
    return asked if error.refusal.names_quota_window else min(asked, HALF_HOUR_S)
