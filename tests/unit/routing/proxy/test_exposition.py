"""``/metrics`` is text that Prometheus's own parser reads, under the conventional names."""

from __future__ import annotations

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from providers.translation.model import Usage
from providers.values import RefusalKind
from routing.core.cooldown import Cooldown
from routing.core.table import ProviderEntry
from routing.proxy.exposition import exposition
from routing.proxy.metrics import Metrics
from tests.unit.routing.proxy.test_metrics import TABLE, observe, record

PROVIDERS = {
    "acme": ProviderEntry(key="acme", adapter="openai", credential_ids=(1,)),
    "off": ProviderEntry(key="off", adapter="openai", enabled=False),
}


def families(metrics: Metrics, running=lambda credential_id: []):
    table = msgspec.structs.replace(TABLE, providers=PROVIDERS)
    text = exposition(metrics.totals(11), table, running, "1.2.3", 1).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(family, name):
    return {tuple(sorted(s.labels.items())): s.value for s in family.samples if s.name == name}


def test_the_conventional_names_and_labels():
    metrics = Metrics()
    usage = Usage(input_total=10, output_total=5)
    observe(metrics, record(is_stream=True, first_byte_ms=50.0, overhead_ms=2.0, usage=usage))
    found = families(metrics)
    model = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "acme",
        "gen_ai_system": "acme",
        "gen_ai_request_model": "fast",
        "gen_ai_response_model": "up-fast",
    }
    duration = found["gen_ai_client_operation_duration_seconds"]
    assert duration.type == "histogram"
    assert values(duration, "gen_ai_client_operation_duration_seconds_count") == {
        tuple(sorted({**model, "error_type": ""}.items())): 1
    }
    tokens = values(found["gen_ai_client_token_usage"], "gen_ai_client_token_usage_sum")
    assert tokens[tuple(sorted({**model, "gen_ai_token_type": "input"}.items()))] == 10
    assert tokens[tuple(sorted({**model, "gen_ai_token_type": "output"}.items()))] == 5
    for name in (
        "gen_ai_server_time_to_first_token_seconds",
        "gen_ai_server_time_per_output_token_seconds",
    ):
        assert values(found[name], f"{name}_count") == {tuple(sorted(model.items())): 1}
    assert values(found["cliproxy_overhead_seconds"], "cliproxy_overhead_seconds_sum") == {(): 0.002}


def test_gauges_are_there_before_anything_happened():
    rest = Cooldown(cause=RefusalKind.TRANSIENT, since=0, until=9)
    found = families(Metrics(), lambda credential_id: [rest] if credential_id == 1 else [])
    assert values(found["cliproxy_cooldowns"], "cliproxy_cooldowns") == {
        (("cause", "quota"), ("gen_ai_provider_name", "acme")): 0,
        (("cause", "transient"), ("gen_ai_provider_name", "acme")): 1,
    }
    assert values(found["cliproxy_exchanges_in_flight"], "cliproxy_exchanges_in_flight") == {(): 0}
    assert values(found["cliproxy_ledger_backlog_bytes"], "cliproxy_ledger_backlog_bytes") == {(): 11}
    assert values(found["cliproxy_registered_models"], "cliproxy_registered_models") == {(): 1}
    assert values(found["cliproxy_build_info"], "cliproxy_build_info") == {(("version", "1.2.3"),): 1}
