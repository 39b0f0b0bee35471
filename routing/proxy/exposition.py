"""``GET /metrics``: the totals as Prometheus's text, under OpenTelemetry's GenAI names and a few of our own.

OpenTelemetry's dots become underscores and units are spelled out, as its Prometheus exporter does it
(https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/). ``gen_ai_system`` is
the older name of ``gen_ai_provider_name``; both are there, with the provider's key. ``gen_ai_response_model``
is the upstream model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from routing.core.cooldown import Cooldown
from routing.core.table import RoutingTable
from routing.proxy.histogram import Histogram
from routing.proxy.metrics import Labels, Totals

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPERATION = "chat"
MODEL_LABELS = (
    "gen_ai_operation_name",
    "gen_ai_provider_name",
    "gen_ai_system",
    "gen_ai_request_model",
    "gen_ai_response_model",
)


def exposition(
    totals: Totals,
    table: RoutingTable,
    running: Callable[[int], list[Cooldown]],
    version: str,
    processes: int,
) -> bytes:
    """``running`` gives the cooldowns of a credential; ``processes`` is how many are summed up here."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(totals, table, running, version, processes))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(
        self,
        totals: Totals,
        table: RoutingTable,
        running: Callable[[int], list[Cooldown]],
        version: str,
        processes: int,
    ) -> None:
        self._totals = totals
        self._table = table
        self._running = running
        self._version = version
        self._processes = processes

    def collect(self) -> Iterator[Metric]:
        yield from self._conventional()
        yield from self._counters()
        yield from self._gauges()

    def _conventional(self) -> Iterator[Metric]:
        totals = self._totals
        yield _histogram(
            "gen_ai_client_operation_duration_seconds",
            "Attempts at upstreams, to the end of the answer or of the failure.",
            (*MODEL_LABELS, "error_type"),
            [(_model(labels[:3]) + labels[3:], histogram) for labels, histogram in totals.operations],
        )
        yield _histogram(
            "gen_ai_client_token_usage",
            "Tokens of an exchange, as the upstream told them.",
            (*MODEL_LABELS, "gen_ai_token_type"),
            [(_model(labels[:3]) + labels[3:], histogram) for labels, histogram in totals.tokens],
        )
        yield _histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "From a streamed request's arrival to its first byte, failed attempts and waits included.",
            MODEL_LABELS,
            [(_model(labels), histogram) for labels, histogram in totals.first_token],
        )
        yield _histogram(
            "gen_ai_server_time_per_output_token_seconds",
            "Of a stream, after its first byte.",
            MODEL_LABELS,
            [(_model(labels), histogram) for labels, histogram in totals.per_token],
        )

    def _counters(self) -> Iterator[Metric]:
        totals = self._totals
        exchanges = CounterMetricFamily(
            "cliproxy_exchanges",
            "Client requests that have ended.",
            labels=("client_format", "status", "outcome"),
        )
        for labels, count in totals.exchanges:
            exchanges.add_metric(labels, count)
        yield exchanges
        attempts = CounterMetricFamily(
            "cliproxy_attempts",
            "Upstream requests; error_type is empty for those that answered.",
            labels=("gen_ai_provider_name", "error_type"),
        )
        for labels, count in totals.attempts:
            attempts.add_metric(labels, count)
        yield attempts
        yield _histogram(
            "cliproxy_overhead_seconds",
            "The gateway's own time before the first byte.",
            (),
            [((), totals.overhead)],
        )

    def _gauges(self) -> Iterator[Metric]:
        totals, table = self._totals, self._table
        yield GaugeMetricFamily(
            "cliproxy_exchanges_in_flight", "Client requests under way.", value=totals.in_flight
        )
        yield GaugeMetricFamily(
            "cliproxy_ledger_backlog_bytes",
            "Usage records that wait in the spool for the database.",
            value=totals.backlog_bytes,
        )
        cooling = GaugeMetricFamily(
            "cliproxy_cooldowns",
            "Cooldowns that run, as the answering process sees them.",
            labels=("gen_ai_provider_name", "cause"),
        )
        for labels, count in sorted(self._cooldowns().items()):
            cooling.add_metric(labels, count)
        yield cooling
        yield GaugeMetricFamily(
            "cliproxy_registered_models", "Model ids that clients may ask for.", value=len(table.models)
        )
        yield GaugeMetricFamily(
            "cliproxy_config_revision", "The configuration in force here.", value=table.revision
        )
        yield GaugeMetricFamily(
            "cliproxy_processes", "Serving processes summed up in this answer.", value=self._processes
        )
        yield InfoMetricFamily("cliproxy_build", "What serves.", value={"version": self._version})

    def _cooldowns(self) -> Counter[Labels]:
        """By provider and cause; every provider that is switched on is there, with 0 when nothing rests."""
        found: Counter[Labels] = Counter()
        for provider in self._table.providers.values():
            if provider.enabled:
                found[provider.key, "quota"] += 0
            for credential_id in provider.credential_ids:
                for rest in self._running(credential_id):
                    found[provider.key, rest.cause.value] += 1
        return found


def _model(labels: Labels) -> Labels:
    provider, asked, upstream = labels
    return OPERATION, provider, provider, asked, upstream


def _histogram(
    name: str, text: str, labels: tuple[str, ...], series: list[tuple[Labels, Histogram]]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=labels)
    for values, histogram in series:
        family.add_metric(values, buckets=histogram.cumulative(), sum_value=histogram.total)
    return family
