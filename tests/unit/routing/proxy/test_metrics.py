"""Counters per provider in the shape that the monitoring reads."""

from __future__ import annotations

from routing.proxy.metrics import SAMPLES, Metrics


def test_nothing_counted_is_an_empty_object():
    assert Metrics().snapshot() == {}


def test_attempts_tokens_and_latencies_are_counted_per_provider():
    metrics = Metrics()
    for latency in range(1, 101):
        metrics.count("b", is_success=True, latency_ms=latency)
    metrics.count("b", is_success=False, latency_ms=9_999)
    metrics.add_tokens("b", 5)
    metrics.count("a", is_success=False, latency_ms=1)
    shown = metrics.snapshot()
    assert list(shown) == ["a", "b"]
    assert shown["b"] == {
        "request_count": 101,
        "success_count": 100,
        "failure_count": 1,
        "total_tokens": 5,
        "success_rate": 100 / 101,
        "latency_p50_ms": 51,
        "latency_p95_ms": 96,
    }
    assert shown["a"]["success_rate"] == 0
    assert "latency_p50_ms" not in shown["a"]


def test_a_provider_with_tokens_only_has_not_failed():
    metrics = Metrics()
    metrics.add_tokens("a", 1)
    assert metrics.snapshot()["a"]["success_rate"] == 1.0


def test_only_the_latest_latencies_are_kept():
    metrics = Metrics()
    for _ in range(SAMPLES):
        metrics.count("a", is_success=True, latency_ms=1)
    for _ in range(SAMPLES):
        metrics.count("a", is_success=True, latency_ms=7)
    assert metrics.snapshot()["a"]["latency_p50_ms"] == 7
