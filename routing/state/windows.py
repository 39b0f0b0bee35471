"""Sliding windows of requests and tokens, per minute and per day, and the count of requests at once.

A window is kept as 60 buckets (1 s for a minute, 1440 s for a day), which bounds memory: a limit is
met to within one bucket, always on the strict side.
"""

from __future__ import annotations

import math
from collections import defaultdict

from providers.values import Limits

MINUTE = (60.0, 1.0)
DAY = (86_400.0, 1440.0)
"""(length, bucket) in seconds."""


class Windows:
    """Counts by scope. Memory grows with scopes, not with requests."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, float], dict[int, int]] = {}
        self._held: defaultdict[str, int] = defaultdict(int)

    def wait_s(self, scope: str, limits: Limits, now: float) -> float:
        """0 when one more request passes, else seconds until a bucket leaves the fullest window."""
        if limits.concurrency and self._held[scope] >= limits.concurrency:
            return math.inf
        waits = [0.0]
        for what, limit, window in _rules(limits):
            used, oldest = self._used(scope, what, window, now)
            if used >= limit:
                waits.append(max((oldest + 1) * window[1] + window[0] - now, 0.001))
        return max(waits)

    def take(self, scope: str, now: float) -> None:
        self._held[scope] += 1
        self._add(scope, "requests", 1, now)

    def give_back(self, scope: str, tokens: int, now: float) -> None:
        self._held[scope] -= 1
        if tokens:
            self._add(scope, "tokens", tokens, now)

    def remaining(self, scope: str, limits: Limits, now: float) -> tuple[int, int]:
        """(requests, tokens) left in the tightest window; -1 where no limit holds."""
        left = {"requests": -1, "tokens": -1}
        for what, limit, window in _rules(limits):
            free = max(limit - self._used(scope, what, window, now)[0], 0)
            left[what] = free if left[what] < 0 else min(left[what], free)
        return left["requests"], left["tokens"]

    def _add(self, scope: str, what: str, amount: int, now: float) -> None:
        for window in (MINUTE, DAY):
            buckets = self._counts.setdefault((scope, what, window[0]), {})
            bucket = int(now // window[1])
            buckets[bucket] = buckets.get(bucket, 0) + amount

    def _used(self, scope: str, what: str, window: tuple[float, float], now: float) -> tuple[int, int]:
        """(count in the window, its oldest bucket); buckets that left it are dropped."""
        buckets = self._counts.get((scope, what, window[0]))
        if not buckets:
            return 0, 0
        first = int((now - window[0]) // window[1])
        for bucket in [bucket for bucket in buckets if bucket < first]:
            del buckets[bucket]
        return sum(buckets.values()), min(buckets, default=0)


def _rules(limits: Limits) -> list[tuple[str, int, tuple[float, float]]]:
    rules = (
        ("requests", limits.rpm, MINUTE),
        ("tokens", limits.tpm, MINUTE),
        ("requests", limits.rpd, DAY),
        ("tokens", limits.tpd, DAY),
    )
    return [rule for rule in rules if rule[1]]
