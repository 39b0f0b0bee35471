"""``GET /v1/metrics/providers``: counts, cost figures and latencies, in the shape that the seeds' monitoring
reads: one top-level member per provider.

Names and cost figures are cliproxyapi-plusplus's: rough dollars for a thousand output tokens, for dashboards
that compare providers, and no price list (``lowest-cost`` routing has one).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from routing.core.provider_names import figure_name
from routing.proxy.metrics import ProviderCounter

COST_PER_1K_OUTPUT = {"nim": 0.22, "kilo": 0.28, "minimax": 0.36, "glm": 0.80, "openrouter": 0.30}
COST_OTHERWISE = 0.5


def figures(configured: Iterable[str], counters: dict[str, ProviderCounter]) -> dict[str, dict[str, Any]]:
    """By name; a provider that was asked for nothing yet is there with zeros."""
    by_name: dict[str, ProviderCounter] = {}
    for key in {*configured, *counters}:
        counter = by_name.setdefault(figure_name(key), ProviderCounter())
        if key in counters:
            counter.add(counters[key])
    return {name: _shown(name, by_name[name]) for name in sorted(by_name)}


def _shown(name: str, counter: ProviderCounter) -> dict[str, Any]:
    successes = counter.requests - counter.failures
    output = COST_PER_1K_OUTPUT.get(name, COST_OTHERWISE)
    shown: dict[str, Any] = {
        "request_count": counter.requests,
        "success_count": successes,
        "failure_count": counter.failures,
        "total_tokens": counter.tokens,
        "success_rate": successes / counter.requests if counter.requests else 1.0,
        "cost_per_1k_input": output / 2,
        "cost_per_1k_output": output,
    }
    if counter.latencies:
        ordered = sorted(counter.latencies)
        shown["latency_p50_ms"] = round(ordered[len(ordered) // 2])
        shown["latency_p95_ms"] = round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))])
    return shown
