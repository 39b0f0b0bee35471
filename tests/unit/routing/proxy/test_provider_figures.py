"""The figures of ``/v1/metrics/providers``."""

from __future__ import annotations

from routing.proxy.metrics import ProviderCounter
from routing.proxy.provider_figures import figures


def counter(requests: int, failures: int = 0, tokens: int = 0, latencies=()) -> ProviderCounter:
    made = ProviderCounter(requests=requests, failures=failures, tokens=tokens)
    made.latencies.extend(latencies)
    return made


def test_counts_costs_and_latencies():
    shown = figures([], {"acme": counter(101, 1, 5, range(1, 101))})
    assert shown == {
        "acme": {
            "request_count": 101,
            "success_count": 100,
            "failure_count": 1,
            "total_tokens": 5,
            "success_rate": 100 / 101,
            "cost_per_1k_input": 0.25,
            "cost_per_1k_output": 0.5,
            "latency_p50_ms": 51,
            "latency_p95_ms": 96,
        }
    }


def test_a_provider_without_requests_is_there_and_has_not_failed():
    shown = figures(["iflow"], {})
    assert shown["iflow"]["success_rate"] == 1.0
    assert "latency_p50_ms" not in shown["iflow"]


def test_cost_figures_are_the_vendors_own():
    costs = {
        name: one["cost_per_1k_output"]
        for name, one in figures(["nim", "kilo", "minimax", "glm"], {}).items()
    }
    assert costs == {"nim": 0.22, "kilo": 0.28, "minimax": 0.36, "glm": 0.80}


def test_entries_of_one_vendor_are_told_together():
    shown = figures(
        ["openrouter", "openrouter-eu", "fake-1"], {"openrouter-eu": counter(2), "openrouter": counter(1)}
    )
    assert list(shown) == ["fake-1", "openrouter"]
    assert shown["openrouter"]["request_count"] == 3
