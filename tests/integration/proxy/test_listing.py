"""The endpoints that need no upstream."""

from routing.core.table import ClientEntry
from tests.integration.proxy.conftest import KEY, digest
from tests.integration.proxy.upstream_double import COMPLETION, answers

AUTH = {"authorization": f"Bearer {KEY}"}


async def test_models_are_listed_in_openais_shape(proxy):
    proxy.offer("b", "http://127.0.0.1:1")
    proxy.offer("vendor/a", "http://127.0.0.1:1")
    listed = (await proxy.http.get(f"{proxy.url}/v1/models", headers=AUTH)).json()
    assert listed["object"] == "list"
    assert {model["id"] for model in listed["data"]} == {"b", "vendor/a"}
    assert set(listed["data"][0]) == {"id", "object", "created", "owned_by"}
    one = (await proxy.http.get(f"{proxy.url}/v1/models/vendor/a", headers=AUTH)).json()
    assert one == {"id": "vendor/a", "object": "model", "created": 1_800_000_000, "owned_by": "fake"}


async def test_models_can_be_listed_by_provider(proxy):
    proxy.offer("a", "http://127.0.0.1:1")
    proxy.offer("b", "http://127.0.0.1:1")
    listed = (await proxy.http.get(f"{proxy.url}/v1/models?provider=fake-2", headers=AUTH)).json()
    assert [model["id"] for model in listed["data"]] == ["b"]


async def test_a_key_sees_only_what_it_may_use(proxy):
    proxy.clients[digest("few")] = ClientEntry(id=2, label="few", allowed=("a*",))
    proxy.offer("a1", "http://127.0.0.1:1")
    proxy.offer("b1", "http://127.0.0.1:1")
    few = {"authorization": "Bearer few"}
    listed = (await proxy.http.get(f"{proxy.url}/v1/models", headers=few)).json()
    assert [model["id"] for model in listed["data"]] == ["a1"]
    assert (await proxy.http.get(f"{proxy.url}/v1/models/b1", headers=few)).status_code == 404


async def test_listing_needs_a_key_and_health_and_metrics_do_not(proxy):
    assert (await proxy.http.get(f"{proxy.url}/v1/models")).status_code == 401
    assert (await proxy.http.get(f"{proxy.url}/health")).json() == {"status": "ok"}
    assert (await proxy.http.get(f"{proxy.url}/v1/metrics/providers")).json() == {}


async def test_metrics_count_attempts_and_tokens_per_provider(proxy, upstream):
    upstream.then(answers(500, {}), answers(body=COMPLETION))
    proxy.offer("m", f"{upstream.url}/v1")
    proxy.offer("m", f"{upstream.url}/v1")
    await proxy.chat()
    metrics = (await proxy.http.get(f"{proxy.url}/v1/metrics/providers")).json()
    assert metrics["fake-1"]["failure_count"] == 1
    assert metrics["fake-2"]["success_count"] == 1
    assert metrics["fake-2"]["total_tokens"] == 12
    assert metrics["fake-2"]["success_rate"] == 1.0
