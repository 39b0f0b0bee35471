"""The paths of providers, capabilities and figures: who may read them, and in which shape they refuse."""

from __future__ import annotations

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from routing.core.table import ProviderEntry, Rejection
from routing.proxy.app import owns
from tests.integration.proxy.conftest import KEY
from tests.integration.proxy.upstream_double import answers

AUTH = {"authorization": f"Bearer {KEY}"}
COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}


@pytest.fixture
def served(proxy, upstream):
    """Model ``vendor/m`` at ``fake-1``."""
    proxy.offer("vendor/m", f"{upstream.url}/v1")
    entry = ProviderEntry(key="fake-1", adapter="openai-compatibility", name="Fake", credential_ids=(1,))
    proxy.live.table = msgspec.structs.replace(proxy.live.table, providers={"fake-1": entry})
    return proxy


async def get(proxy, path: str, headers=AUTH):
    return await proxy.http.get(f"{proxy.url}{path}", headers=headers)


async def test_reading_needs_a_client_key(served):
    for path in ("/v1/providers", "/v1/providers/fake-1/status", "/v1/capabilities?model=vendor/m"):
        refused = await get(served, path, {})
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


async def test_the_views_of_a_provider(served):
    listed = (await get(served, "/v1/providers")).json()
    assert [one["name"] for one in listed["providers"]] == ["fake-1"]
    assert (await get(served, "/v1/providers/fake-1")).json() == listed["providers"][0]
    models = (await get(served, "/v1/providers/Fake/models")).json()
    assert [model["id"] for model in models["data"]] == ["vendor/m"]
    assert set((await get(served, "/v1/providers/fake-1/capabilities")).json()) == {
        "streaming",
        "functions",
        "vision",
        "code_generation",
        "max_tokens",
    }
    assert (await get(served, "/v1/providers/fake-1/status")).json()["status"] == "operational"
    supported = (await get(served, "/v1/capabilities?model=vendor/m&feature=vision")).json()
    assert supported == {
        "model": "vendor/m",
        "feature": "vision",
        "supported": True,
        "providers": ["fake-1"],
    }


async def test_without_a_model_the_providers_that_can_are_told(served):
    told = (await get(served, "/v1/capabilities?feature=streaming")).json()
    assert told == {"model": "", "feature": "streaming", "supported": True, "providers": ["fake-1"]}
    assert set((await get(served, "/v1/capabilities")).json()["features"]) == {
        "streaming",
        "functions",
        "vision",
        "code_generation",
    }
    unknown = await get(served, "/v1/capabilities?model=&feature=soul")
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (400, "feature")


async def test_what_is_not_there_and_what_is_not_allowed(served):
    missing = await get(served, "/v1/providers/nobody/status")
    assert (missing.status_code, missing.json()["error"]["message"]) == (404, "provider not found: nobody")
    assert (await get(served, "/v1/providers/fake-1/soul")).status_code == 404
    assert (await get(served, "/v1/providers/fake-1/enabled")).status_code == 405
    assert (await served.http.post(f"{served.url}/v1/providers", headers=AUTH)).status_code == 405


async def test_a_model_with_a_slash_can_be_asked_for(served):
    shown = (await get(served, "/v1/models/vendor/m")).json()
    assert (shown["id"], shown["object"]) == ("vendor/m", "model")
    missing = await get(served, "/v1/models/vendor/none")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


async def test_models_are_listed_by_any_spelling_of_a_provider(served):
    for name in ("fake-1", "FAKE-1", "Fake"):
        listed = (await get(served, f"/v1/models?provider={name}")).json()
        assert [model["id"] for model in listed["data"]] == ["vendor/m"]
    assert (await get(served, "/v1/models?provider=nobody")).json()["data"] == []


async def test_the_figures_and_prometheus_tell_of_an_exchange(served, upstream):
    upstream.then(answers(500, {}), answers(body=COMPLETION))
    served.offer("vendor/m", f"{upstream.url}/v1")
    await served.chat("vendor/m")
    figures = (await get(served, "/v1/metrics/providers", {})).json()
    assert figures["fake-1"]["failure_count"] == 1
    assert (figures["fake-2"]["success_count"], figures["fake-2"]["total_tokens"]) == (1, 12)
    assert figures["fake-2"]["cost_per_1k_output"] == 0.5
    answer = await get(served, "/metrics", {})
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        (
            sample.name,
            sample.labels.get("gen_ai_provider_name"),
            sample.labels.get("error_type"),
        ): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert samples["cliproxy_attempts_total", "fake-1", "transient"] == 1
    assert samples["gen_ai_client_operation_duration_seconds_count", "fake-2", ""] == 1
    assert samples["cliproxy_exchanges_in_flight", None, None] == 0
    assert samples["cliproxy_overhead_seconds_count", None, None] == 1


async def test_prometheus_from_elsewhere_needs_a_client_key(served):
    behind = {"x-forwarded-for": "10.0.0.9"}
    assert (await get(served, "/metrics", behind)).status_code == 401
    assert (await get(served, "/metrics", behind | AUTH)).status_code == 200


async def test_a_model_that_a_pattern_hides_is_told_in_the_record(served):
    hidden = Rejection(credential_id=1, provider_key="fake-1", reason="excluded", detail="by pattern g*")
    served.live.table = msgspec.structs.replace(served.live.table, hidden={"gone": (hidden,)})
    assert (await served.chat("gone(high)")).status_code == 404
    (told,) = served.line.decision["rejected"]
    assert (told["reason"], told["detail"]) == ("excluded", "by pattern g*")


def test_the_switch_is_djangos():
    assert not owns("/v1/providers/acme/enabled", "PUT")
    for method, path in (
        ("GET", "/v1/providers/acme/enabled"),
        ("PUT", "/v1/providers/acme"),
        ("PUT", "/v1/providers//enabled"),
        ("PUT", "/v1/providers/a/b/enabled"),
    ):
        assert owns(path, method)
