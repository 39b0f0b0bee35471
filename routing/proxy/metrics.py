"""What this process counts: per provider for ``/v1/metrics/providers``, and per model under the names of
OpenTelemetry's GenAI conventions for ``/metrics``.

Plain numbers in plain dictionaries, touched on the event loop alone and once per exchange, when its record is
written. Names of models become labels only where they are registered ids or stand behind one, so the series
are bounded by the configuration and never by what clients send. Conventions and bounds of the histograms:
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/ (2025, in development).
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import msgspec

from routing.core.resolve import split_suffix
from routing.core.table import RoutingTable
from routing.proxy.histogram import Histogram
from routing.proxy.record import Record

SAMPLES = 512
"""Latencies kept per provider, the latest ones, up to twice as many; enough for a p95 and bounded."""
HOURS = 7 * 24
OTHER = "other"
"""The label of every model name that the configuration does not know."""
DURATION_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST_TOKEN_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
PER_TOKEN_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKENS = tuple(4.0**step for step in range(14))
OVERHEAD_S = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)

Labels = tuple[str, ...]


class ProviderCounter(msgspec.Struct):
    """Attempts, so a failed one counts though another answered. ``hours`` are (hour since 1970, attempts,
    failures), the latest last."""

    requests: int = 0
    failures: int = 0
    tokens: int = 0
    latencies: list[float] = []
    hours: list[tuple[int, int, int]] = []

    def count(self, *, is_success: bool, latency_ms: float, now: float) -> None:
        self.requests += 1
        if is_success:
            self.latencies.append(latency_ms)
            if len(self.latencies) >= 2 * SAMPLES:
                del self.latencies[:-SAMPLES]
        else:
            self.failures += 1
        hour = int(now // 3600)
        before = self.hours.pop() if self.hours and self.hours[-1][0] == hour else (hour, 0, 0)
        self.hours.append((hour, before[1] + 1, before[2] + (not is_success)))
        if len(self.hours) > HOURS:
            del self.hours[0]

    def add(self, other: ProviderCounter) -> None:
        self.requests += other.requests
        self.failures += other.failures
        self.tokens += other.tokens
        self.latencies = [*self.latencies, *other.latencies]
        sums: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
        for hour, requests, failures in (*self.hours, *other.hours):
            sums[hour][0] += requests
            sums[hour][1] += failures
        self.hours = [(hour, *sums[hour]) for hour in sorted(sums)]  # type: ignore[misc]  # two numbers each

    def share_answered(self, hours: int, now: float) -> float:
        """Of the attempts of the last ``hours`` hours, 0 to 1; 1 without any."""
        first = int(now // 3600) - hours + 1
        recent = [(requests, failures) for hour, requests, failures in self.hours if hour >= first]
        requests = sum(requests for requests, _ in recent)
        return 1 - sum(failures for _, failures in recent) / requests if requests else 1.0


class Totals(msgspec.Struct):
    """Everything counted, by one process or by several together. Keys of the series are their labels' values,
    in the order that ``routing/proxy/exposition.py`` names them."""

    providers: dict[str, ProviderCounter] = {}
    exchanges: list[tuple[Labels, int]] = []
    attempts: list[tuple[Labels, int]] = []
    operations: list[tuple[Labels, Histogram]] = []
    tokens: list[tuple[Labels, Histogram]] = []
    first_token: list[tuple[Labels, Histogram]] = []
    per_token: list[tuple[Labels, Histogram]] = []
    overhead: Histogram = msgspec.field(default_factory=lambda: Histogram.over(OVERHEAD_S))
    in_flight: int = 0
    backlog_bytes: int = 0


COUNTS = ("exchanges", "attempts")
HISTOGRAMS = ("operations", "tokens", "first_token", "per_token")


def merged(parts: list[Totals]) -> Totals:
    """The sum of several processes' totals."""
    whole = Totals()
    for part in parts:
        for key, counter in part.providers.items():
            whole.providers.setdefault(key, ProviderCounter()).add(counter)
        whole.overhead.add(part.overhead)
        whole.in_flight += part.in_flight
        whole.backlog_bytes += part.backlog_bytes
    for name in COUNTS:
        counts: defaultdict[Labels, int] = defaultdict(int)
        for part in parts:
            for labels, count in getattr(part, name):
                counts[labels] += count
        setattr(whole, name, sorted(counts.items()))
    for name in HISTOGRAMS:
        sums: dict[Labels, Histogram] = {}
        for part in parts:
            for labels, histogram in getattr(part, name):
                sums.setdefault(labels, Histogram.over(histogram.bounds)).add(histogram)
        setattr(whole, name, sorted(sums.items()))
    return whole


class _Series:
    """The histograms of one provider, route model and upstream model: found once per attempt."""

    __slots__ = ("first_token", "input", "operations", "output", "per_token")

    def __init__(self) -> None:
        self.operations: dict[str, Histogram] = {}
        """By error type."""
        self.input = Histogram.over(TOKENS)
        self.output = Histogram.over(TOKENS)
        self.first_token = Histogram.over(FIRST_TOKEN_S)
        self.per_token = Histogram.over(PER_TOKEN_S)


class Metrics:
    """The counters of one process. ``in_flight`` is the number of exchanges under way."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._providers: dict[str, ProviderCounter] = {}
        self._exchanges: defaultdict[Labels, int] = defaultdict(int)
        self._attempts: defaultdict[Labels, int] = defaultdict(int)
        self._series: defaultdict[Labels, _Series] = defaultdict(_Series)
        self._overhead = Histogram.over(OVERHEAD_S)
        self._speeds: dict[tuple[str, str], float] = {}
        self.version = 0
        """Goes up with everything counted."""

    def count(self, provider_key: str, *, is_success: bool, latency_ms: float) -> None:
        """Count one attempt for its provider; one that the client cut short says nothing and is left out."""
        self._counter(provider_key).count(is_success=is_success, latency_ms=latency_ms, now=time.time())
        self.version += 1

    def add_tokens(self, provider_key: str, tokens: int) -> None:
        self._counter(provider_key).tokens += tokens
        self.version += 1

    def observe(
        self, record: Record, table: RoutingTable, *, status: int, outcome: str, duration_ms: float
    ) -> None:
        """Count one exchange that has ended, with its attempts. Call once, when its record is written."""
        self.version += 1
        self._exchanges[record.client_format, str(status), outcome] += 1
        if record.overhead_ms is not None:
            self._overhead.observe(record.overhead_ms / 1000)
        if not record.attempts:
            return
        asked = record.route_model
        is_known = asked in table.models
        if not is_known:
            asked = split_suffix(asked)[0]
            is_known = asked in table.models
        after_first_ms = max(duration_ms - (record.first_byte_ms or duration_ms), 0.0)
        last = record.attempts[-1]
        for note in record.attempts:
            error = _error_type(note, outcome if note is last else "error")
            provider: str = note["provider"]
            self._attempts[provider, error] += 1
            series = self._series[(provider, asked, note["model"]) if is_known else (provider, OTHER, OTHER)]
            histogram = series.operations.get(error)
            if histogram is None:
                histogram = series.operations[error] = Histogram.over(DURATION_S)
            spent_ms = note.get("ms") or 0.0
            histogram.observe((spent_ms + (after_first_ms if note is last else 0.0)) / 1000)
        self._count_tokens(record, series, provider, note["model"] if is_known else OTHER, after_first_ms)

    def _count_tokens(
        self, record: Record, series: _Series, provider: str, model: str, after_first_ms: float
    ) -> None:
        """Of the attempt that answered, which is the last one."""
        usage = record.usage
        if record.is_stream and record.first_byte_ms is not None and record.attempts[-1].get("status") == 200:
            series.first_token.observe(record.first_byte_ms / 1000)
        if usage is None:
            return
        if usage.input_total:
            series.input.observe(usage.input_total)
        made = usage.output_total or 0
        if made:
            series.output.observe(made)
        if record.is_stream and made > 1 and after_first_ms > 0:
            per_token = after_first_ms / 1000 / (made - 1)
            series.per_token.observe(per_token)
            speed = 1 / per_token
            before = self._speeds.get((provider, model), speed)
            self._speeds[provider, model] = before + (speed - before) / 8

    def tokens_per_second(self, provider: str, model: str) -> float | None:
        """The moving average over the last streams of this upstream model, None before the first."""
        return self._speeds.get((provider, model))

    def counter(self, provider: str) -> ProviderCounter:
        """To read; what it says of a provider that was never asked is nothing."""
        return self._providers.get(provider) or ProviderCounter()

    def _counter(self, provider: str) -> ProviderCounter:
        found = self._providers.get(provider)
        if found is None:
            found = self._providers[provider] = ProviderCounter()
        return found

    def totals(self, backlog_bytes: int = 0) -> Totals:
        """What was counted so far; shares its parts with this object, so use it before anything else runs."""
        series = sorted(self._series.items(), key=lambda pair: pair[0])
        return Totals(
            providers=self._providers,
            exchanges=sorted(self._exchanges.items()),
            attempts=sorted(self._attempts.items()),
            operations=[
                ((*labels, error), histogram)
                for labels, one in series
                for error, histogram in sorted(one.operations.items())
            ],
            tokens=[
                ((*labels, kind), histogram)
                for labels, one in series
                for kind, histogram in (("input", one.input), ("output", one.output))
                if any(histogram.counts)
            ],
            first_token=[(labels, one.first_token) for labels, one in series if any(one.first_token.counts)],
            per_token=[(labels, one.per_token) for labels, one in series if any(one.per_token.counts)],
            overhead=self._overhead,
            in_flight=self.in_flight,
            backlog_bytes=backlog_bytes,
        )


def _error_type(note: dict[str, Any], outcome: str) -> str:
    """ "" for an attempt that answered, else one of few words: a refusal kind, ``cancelled``, ``cut``."""
    reason = note.get("reason")
    if reason:
        return str(reason).partition(":")[0]
    if outcome == "client_gone":
        return "cancelled"
    return "cut" if outcome == "cut" else ""
