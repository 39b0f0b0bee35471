"""Counters per provider for ``GET /v1/metrics/providers``: this process, since its start."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

SAMPLES = 512
"""Latencies kept per provider, the latest ones; enough for a p95 and bounded."""


class _Counter:
    __slots__ = ("failures", "latencies", "requests", "tokens")

    def __init__(self) -> None:
        self.requests = 0
        self.failures = 0
        self.tokens = 0
        self.latencies: deque[float] = deque(maxlen=SAMPLES)


class Metrics:
    """Counts attempts, so a failed attempt counts though another one answered."""

    def __init__(self) -> None:
        self._counters: defaultdict[str, _Counter] = defaultdict(_Counter)

    def count(self, provider_key: str, *, is_success: bool, latency_ms: float) -> None:
        counter = self._counters[provider_key]
        counter.requests += 1
        if is_success:
            counter.latencies.append(latency_ms)
        else:
            counter.failures += 1

    def add_tokens(self, provider_key: str, tokens: int) -> None:
        self._counters[provider_key].tokens += tokens

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Provider key -> the object that the seeds' monitoring reads."""
        return {key: _shown(counter) for key, counter in sorted(self._counters.items())}


def _shown(counter: _Counter) -> dict[str, Any]:
    successes = counter.requests - counter.failures
    shown: dict[str, Any] = {
        "request_count": counter.requests,
        "success_count": successes,
        "failure_count": counter.failures,
        "total_tokens": counter.tokens,
        "success_rate": successes / counter.requests if counter.requests else 1.0,
    }
    if counter.latencies:
        ordered = sorted(counter.latencies)
        shown["latency_p50_ms"] = round(ordered[len(ordered) // 2])
        shown["latency_p95_ms"] = round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))])
    return shown
