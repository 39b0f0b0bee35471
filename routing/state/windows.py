"""Sliding windows of requests and tokens, per minute and per day, and the count of requests at once.

A window is kept as 60 buckets (1 s for a minute, 1440 s for a day), which bounds memory: a limit is
met to within one bucket, always on the strict side.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

from providers.values import Limits
from routing.core.state import Allowance, Left

REQUESTS, TOKENS = "requests", "tokens"
MINUTE = (60.0, 1.0)
DAY = (86_400.0, 1440.0)
"""(length, bucket) in seconds."""

Window = tuple[float, float]
Buckets = Mapping[int, int]


def rules_of(limits: Limits) -> list[tuple[str, int, Window]]:
    """The windows that ``limits`` set: what is counted, how many may be, and over how long."""
    rules = (
        (REQUESTS, limits.rpm, MINUTE),
        (TOKENS, limits.tpm, MINUTE),
        (REQUESTS, limits.rpd, DAY),
        (TOKENS, limits.tpd, DAY),
    )
    return [rule for rule in rules if rule[1]]


def bucket_of(window: Window, now: float) -> int:
    return int(now // window[1])


def leaves_at(window: Window, bucket: int) -> float:
    """When the whole of ``bucket`` has left the window."""
    return (bucket + 1) * window[1] + window[0]


def wait_of(buckets: Buckets, limit: int, window: Window, now: float) -> float:
    """0 when one more passes, else the seconds until enough buckets have left."""
    used = sum(buckets.values())
    if used < limit:
        return 0.0
    for bucket in sorted(buckets):
        used -= buckets[bucket]
        if used < limit:
            return max(leaves_at(window, bucket) - now, 0.001)
    return window[0]


def left_of(buckets: Buckets, limit: int, window: Window, now: float) -> Left:
    used = sum(buckets.values())
    reset_s = max(leaves_at(window, max(buckets)) - now, 0.0) if used and buckets else 0.0
    return Left(limit=limit, remaining=max(limit - used, 0), reset_s=reset_s)


def tightest(found: list[tuple[str, Left]]) -> Allowance:
    """One answer of several windows: of each kind the one with the least left."""
    of = {
        kind: min(
            (left for what, left in found if what == kind), key=lambda left: left.remaining, default=None
        )
        for kind in (REQUESTS, TOKENS)
    }
    return Allowance(requests=of[REQUESTS], tokens=of[TOKENS])


class Windows:
    """Counts by scope. Memory grows with scopes, not with requests."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, float], dict[int, int]] = {}
        self._held: defaultdict[str, int] = defaultdict(int)

    def wait_s(self, scope: str, limits: Limits, now: float) -> float:
        """0 when one more request passes, else the seconds until the fullest window has room."""
        if limits.concurrency and self._held.get(scope, 0) >= limits.concurrency:
            return math.inf
        return max(
            (
                wait_of(self._buckets(scope, what, window, now), limit, window, now)
                for what, limit, window in rules_of(limits)
            ),
            default=0.0,
        )

    def take(self, scope: str, tokens: int, now: float) -> None:
        """One more request, with ``tokens`` reserved."""
        self._held[scope] += 1
        self._add(scope, REQUESTS, 1, now)
        if tokens:
            self._add(scope, TOKENS, tokens, now)

    def give_back(self, scope: str, reserved: int, taken_at: float, used: int, now: float) -> None:
        """The request taken at ``taken_at`` ended: what it used counts from now, the reservation no more."""
        self._held[scope] -= 1
        if not self._held[scope]:
            del self._held[scope]
        if reserved:
            self._add(scope, TOKENS, -reserved, taken_at, only_there=True)
        if used:
            self._add(scope, TOKENS, used, now)

    def allowance(self, scope: str, limits: Limits, now: float) -> Allowance:
        return tightest(
            [
                (what, left_of(self._buckets(scope, what, window, now), limit, window, now))
                for what, limit, window in rules_of(limits)
            ]
        )

    def _add(self, scope: str, what: str, amount: int, at: float, *, only_there: bool = False) -> None:
        for window in (MINUTE, DAY):
            buckets = self._counts.setdefault((scope, what, window[0]), {})
            bucket = bucket_of(window, at)
            if bucket in buckets or not only_there:  # a reservation that has left its window is gone already
                buckets[bucket] = buckets.get(bucket, 0) + amount

    def _buckets(self, scope: str, what: str, window: Window, now: float) -> dict[int, int]:
        """The window's buckets; those that left it are dropped."""
        buckets = self._counts.get((scope, what, window[0]))
        if not buckets:
            return {}
        first = bucket_of(window, now - window[0])
        for bucket in [bucket for bucket in buckets if bucket < first]:
            del buckets[bucket]
        return buckets
