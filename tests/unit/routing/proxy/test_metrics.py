"""What an exchange adds to the counters, and that clients cannot make series."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.translation.model import Usage
from routing.core.table import Candidate
from routing.proxy.metrics import OTHER, SAMPLES, Metrics, ProviderCounter, Totals, merged
from routing.proxy.record import Record
from tests.unit.routing.core.makers import make_credential, make_offer, make_table

CREDENTIAL = make_credential(1, "acme")
TABLE = make_table({"fast": [make_offer(CREDENTIAL, "up-fast")]})


def record(model: str = "fast", **changes: Any) -> Record:
    made = Record("e" * 32, "r", "openai", 0.0)
    made.route_model = model
    made.served_by = Candidate(credential=CREDENTIAL, model="up-fast")
    made.attempts = [{"provider": "acme", "credential": 1, "model": "up-fast", "status": 200, "ms": 40.0}]
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def observe(metrics: Metrics, made: Record, status: int = 200, outcome: str = "ok") -> None:
    metrics.observe(made, TABLE, status=status, outcome=outcome, duration_ms=100.0)


def test_nothing_counted_is_nothing_told():
    assert Metrics().totals() == Totals()


def test_an_answered_exchange():
    metrics = Metrics()
    usage = Usage(input_total=10, output_total=21)
    observe(metrics, record(is_stream=True, first_byte_ms=50.0, overhead_ms=2.0, usage=usage))
    totals = metrics.totals()
    assert totals.exchanges == [(("openai", "200", "ok"), 1)]
    assert totals.attempts == [(("acme", ""), 1)]
    labels = ("acme", "fast", "up-fast")
    ((operation, duration),) = totals.operations
    assert operation == (*labels, "")
    assert duration.total == (40 + 50) / 1000
    assert [(series, histogram.total) for series, histogram in totals.tokens] == [
        ((*labels, "input"), 10),
        ((*labels, "output"), 21),
    ]
    assert [(series, histogram.total) for series, histogram in totals.first_token] == [(labels, 0.05)]
    assert [(series, histogram.total) for series, histogram in totals.per_token] == [(labels, 0.0025)]
    assert totals.overhead.total == 0.002
    assert metrics.tokens_per_second("acme", "up-fast") == 400


def test_a_failed_attempt_and_the_one_that_answered():
    metrics = Metrics()
    made = record()
    made.attempts.insert(
        0,
        {
            "provider": "zeta",
            "credential": 2,
            "model": "up-2",
            "status": 429,
            "reason": "quota: full",
            "ms": 5,
        },
    )
    observe(metrics, made)
    totals = metrics.totals()
    assert totals.attempts == [(("acme", ""), 1), (("zeta", "quota"), 1)]
    assert [labels for labels, _ in totals.operations] == [
        ("acme", "fast", "up-fast", ""),
        ("zeta", "fast", "up-2", "quota"),
    ]


def test_what_ended_early_has_its_own_word():
    metrics = Metrics()
    observe(metrics, record(), outcome="cut")
    observe(metrics, record(), status=499, outcome="client_gone")
    assert [labels for labels, _ in metrics.totals().attempts] == [("acme", "cancelled"), ("acme", "cut")]


def test_clients_cannot_make_series():
    metrics = Metrics()
    for number in range(50):
        observe(metrics, record(f"made-up-{number}", served_by=None, attempts=[]), 404, "error")
        observe(metrics, record(f"or/anything-{number}", usage=Usage(input_total=1)))
        observe(metrics, record(f"fast({number})"))
    totals = metrics.totals()
    assert [labels for labels, _ in totals.operations] == [
        ("acme", "fast", "up-fast", ""),
        ("acme", OTHER, OTHER, ""),
    ]
    assert [labels for labels, _ in totals.tokens] == [("acme", OTHER, OTHER, "input")]
    assert totals.exchanges == [(("openai", "200", "ok"), 100), (("openai", "404", "error"), 50)]


def test_attempts_tokens_and_latencies_are_counted_per_provider():
    metrics = Metrics()
    metrics.count("a", is_success=True, latency_ms=5)
    metrics.count("a", is_success=False, latency_ms=9)
    metrics.add_tokens("a", 7)
    counter = metrics.counter("a")
    assert (counter.requests, counter.failures, counter.tokens, counter.latencies) == (2, 1, 7, [5])
    assert metrics.counter("never-asked").requests == 0


def test_only_the_latest_latencies_are_kept():
    metrics = Metrics()
    for latency in [1] * SAMPLES + [7] * SAMPLES:
        metrics.count("a", is_success=True, latency_ms=latency)
    assert set(metrics.counter("a").latencies) == {7}


def test_the_share_answered_looks_back_so_many_hours():
    counter = ProviderCounter()
    for hour in range(200):
        counter.count(is_success=hour >= 190, latency_ms=1, now=hour * 3600)
    assert len(counter.hours) == 168
    now = 199 * 3600 + 10.0
    assert counter.share_answered(1, now) == 1
    assert counter.share_answered(20, now) == 0.5
    assert ProviderCounter().share_answered(24, now) == 1


def test_workers_add_up_and_travel():
    first, second = Metrics(), Metrics()
    for metrics in (first, second):
        metrics.count("acme", is_success=True, latency_ms=5)
        observe(metrics, record(usage=Usage(input_total=3, output_total=1)))
    second.in_flight = 2
    parts = [
        msgspec.msgpack.decode(msgspec.msgpack.encode(metrics.totals(7)), type=Totals)
        for metrics in (first, second)
    ]
    whole = merged(parts)
    assert whole.exchanges == [(("openai", "200", "ok"), 2)]
    assert whole.providers["acme"].requests == 2
    assert whole.providers["acme"].latencies == [5, 5]
    assert whole.providers["acme"].hours[0][1:] == (2, 0)
    assert [histogram.count for _, histogram in whole.tokens] == [2, 2]
    assert (whole.in_flight, whole.backlog_bytes) == (2, 14)
    assert metrics.totals().exchanges == [(("openai", "200", "ok"), 1)]
