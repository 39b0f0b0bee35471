"""How long a credential rests after a failure. Pure: time comes in, a Cooldown goes out.

Kept per credential and upstream model, or for the whole credential. Durations follow CLIProxyAPI's state
machine with the changes that ``docs/routing.md`` lists (delays asked for by the provider are honoured
everywhere, transient faults climb a ladder).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

from providers.errors import UpstreamError, UpstreamRefused
from providers.values import CoolingLadder, RefusalKind, RuleAction

MINUTE_S = 60.0
HALF_HOUR_S = 30 * MINUTE_S
HALF_DAY_S = 12 * 3600.0
FOREVER_S = 10 * 365 * 24 * 3600.0
TRANSIENT_CAP_S = 60.0
CHALLENGE_MINIMUM_S = 10.0
FORCED_S = 60.0
"""What a rule's ``-and-cooldown`` rests where the table gives no time."""
LAST_STEP = 12
"""The quota ladder goes 1, 2, 4 … 1024 s, then half an hour."""

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
HIDING = frozenset(FIXED_S)
"""Causes with which a model is not listed while nobody else offers it."""
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

    @property
    def hides(self) -> bool:
        return self.cause in HIDING

    @property
    def may_be_probed(self) -> bool:
        """Whether one request may test it before its end. A disabled account is not: a person must act."""
        return self.cause is not RefusalKind.TERMINAL


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What went before on this credential and model: the steps climbed on either ladder, and the window
    last opened."""

    level: int = 0
    """Of the quota ladder."""
    faults: int = 0
    """Of the ladder for transient faults."""
    cooldown: Cooldown | None = None


class CoolingRules(msgspec.Struct, frozen=True, kw_only=True):
    """The effective settings for one credential. ``ladder`` is its provider's own, for transient faults."""

    is_enabled: bool = True
    transient_s: int = 0
    ladder: CoolingLadder | None = None


def kind_of(error: UpstreamError) -> RefusalKind:
    """The refusal kind of a failure; what is no refusal (network, protocol) counts as transient."""
    return error.refusal.kind if isinstance(error, UpstreamRefused) else RefusalKind.TRANSIENT


def stops(error: UpstreamError) -> bool:
    """Whether the client gets this error at once, with no other candidate tried.

    A request-scoped rule of the operator decides before the kind does.
    """
    if error.rule is not None:
        return error.rule in (RuleAction.STOP, RuleAction.STOP_AND_COOLDOWN)
    return kind_of(error) in STOPPING


def scope_of(error: UpstreamError, model: str) -> str:
    """What a failure on ``model`` lets rest: that model, or "" for the whole credential."""
    return "" if isinstance(error, UpstreamRefused) and error.refusal.credential_wide else model


def history_after(
    error: UpstreamError, model: str, history: History, rules: CoolingRules, now: float
) -> History | None:
    """The new history after a failure on ``model``, or None when nothing rests.

    ``history`` is that of ``scope_of(error, model)``. A failure inside an open window keeps that window and
    its ladder level, unless it asks for a later end; a window is never shortened.
    """
    kind = kind_of(error)
    if not _rests(error, kind, rules):
        return None
    running = history.cooldown if history.cooldown and history.cooldown.until > now else None
    rest = _rest_of(error, kind, history, rules)
    if rest is None:
        return None
    if running and (running.until >= now + rest.seconds or (rest.keeps_window and _is_alike(running, kind))):
        return history
    refusal = error.refusal if isinstance(error, UpstreamRefused) else None
    cooldown = Cooldown(
        cause=kind,
        since=now,
        until=now + rest.seconds,
        model=scope_of(error, model),
        status=refusal.status if refusal else None,
        message=error.message[:500],
    )
    return History(level=history.level + rest.level, faults=history.faults + rest.faults, cooldown=cooldown)


def history_of(cooldown: Cooldown) -> History:
    """What to remember of a cooldown that outlived its process: the ladder's step that its length tells."""
    step = min(round(math.log2(max(cooldown.until - cooldown.since, 1.0))) + 1, LAST_STEP)
    if cooldown.is_quota:
        return History(level=step, cooldown=cooldown)
    return History(faults=step if cooldown.is_transient else 0, cooldown=cooldown)


def _is_alike(running: Cooldown, kind: RefusalKind) -> bool:
    return running.cause is kind or (running.cause in QUOTA_CAUSES) is (kind in QUOTA_CAUSES)


def _is_forced(error: UpstreamError) -> bool:
    return error.rule in (RuleAction.STOP_AND_COOLDOWN, RuleAction.CONTINUE_AND_COOLDOWN)


def _rests(error: UpstreamError, kind: RefusalKind, rules: CoolingRules) -> bool:
    if error.rule is not None:
        return _is_forced(error)
    if error.is_dropped or kind in STOPPING:
        return False
    return rules.is_enabled or kind in EVEN_WITHOUT_COOLING


class _Rest(NamedTuple):
    """How long, and whether that is a step on a ladder. ``keeps_window``: inside an open window it adds
    nothing."""

    seconds: float
    level: int = 0
    faults: int = 0
    keeps_window: bool = False


def _rest_of(error: UpstreamError, kind: RefusalKind, history: History, rules: CoolingRules) -> _Rest | None:
    if kind in FIXED_S:
        return _Rest(max(FIXED_S[kind], _named_window_s(error)))
    asked = _asked_delay_s(error)
    if kind in QUOTA_CAUSES:
        least = CHALLENGE_MINIMUM_S if kind is RefusalKind.CHALLENGE else 0.0
        if asked:
            return _Rest(max(asked, least))
        return _Rest(max(_quota_step(history.level, _own_ladder(error)), least), level=1, keeps_window=True)
    rest = None if kind in STOPPING else _transient_rest(history, rules, asked)
    return _Rest(FORCED_S, keeps_window=True) if rest is None and _is_forced(error) else rest


def _transient_rest(history: History, rules: CoolingRules, asked: float | None) -> _Rest | None:
    ladder = rules.ladder
    if ladder is None and rules.transient_s < 0:
        return None
    if asked:
        return _Rest(asked)
    if ladder is None and rules.transient_s:
        return _Rest(float(rules.transient_s), keeps_window=True)
    initial, cap = (ladder.initial_s, ladder.max_s) if ladder is not None else (1.0, TRANSIENT_CAP_S)
    return _Rest(min(initial * 2.0 ** min(history.faults, 60), cap), faults=1, keeps_window=True)


def _own_ladder(error: UpstreamError) -> CoolingLadder | None:
    return error.refusal.ladder if isinstance(error, UpstreamRefused) else None


def _quota_step(climbed: int, own: CoolingLadder | None) -> float:
    """The next step after ``climbed``: of the provider's own ladder, else 1, 2, 4 … s up to half an hour."""
    if own is not None:
        return float(min(own.initial_s * 2.0 ** min(climbed, 60), own.max_s))
    return HALF_HOUR_S if climbed + 1 >= LAST_STEP else 2.0**climbed


def _named_window_s(error: UpstreamError) -> float:
    """The rest that the provider itself sets an end to (a suspension for a day), else 0."""
    names_window = isinstance(error, UpstreamRefused) and error.refusal.names_quota_window
    return (_asked_delay_s(error) or 0.0) if names_window else 0.0


def _asked_delay_s(error: UpstreamError) -> float | None:
    """The delay the provider asked for, capped at half an hour unless it names a quota window."""
    if not isinstance(error, UpstreamRefused) or not error.refusal.retry_after_s:
        return None
    asked = error.refusal.retry_after_s
    return asked if error.refusal.names_quota_window else min(asked, HALF_HOUR_S)
