"""Gemini's Interactions, by Google's own SDK, and Codex's search: what passes, who sees it, who pays."""

from __future__ import annotations

import json

import pytest
from google import genai
from google.genai import types as genai_types

from routing.core.table import ClientEntry
from tests.integration.proxy.conftest import KEY, digest
from tests.integration.proxy.upstream_double import answers, streams

pytestmark = pytest.mark.timeout(30)
BEARER = {"authorization": f"Bearer {KEY}"}
USAGE = {
    "total_input_tokens": 5,
    "total_tool_use_tokens": 1,
    "total_output_tokens": 3,
    "total_thought_tokens": 2,
    "total_tokens": 11,
}
DONE = {
    "id": "int_1",
    "status": "completed",
    "model": "up",
    "steps": [{"type": "model_output", "content": [{"type": "text", "text": "Hello"}]}],
    "usage": USAGE,
}


def event(kind, **fields):
    return f"event: {kind}\ndata: {json.dumps({'event_type': kind, **fields})}\n\n".encode()


STREAM = (
    event("interaction.created", interaction={"id": "int_2", "status": "in_progress"}, event_id="1"),
    event("step.start", index=0, step={"type": "model_output"}, event_id="2"),
    event("step.delta", index=0, delta={"type": "text", "text": "Hello"}, event_id="3"),
    event("interaction.completed", interaction={**DONE, "id": "int_2"}, event_id="4"),
    b"data: [DONE]\n\n",
)


@pytest.fixture
def google(proxy, upstream):
    return proxy.offer("m", upstream.url, "up", adapter="gemini")


@pytest.fixture
async def sdk(proxy):
    options = genai_types.HttpOptions(base_url=proxy.url, timeout=10_000)
    client = genai.Client(api_key=KEY, vertexai=False, http_options=options)
    yield client.aio.interactions
    await client.aio.aclose()


async def test_a_new_interaction_goes_to_its_model_and_is_paid_for(proxy, upstream, google, sdk):
    upstream.then(answers(body=DONE))
    made = await sdk.create(model="m", input="Hi", store=True)
    assert (made.id, made.usage.total_tokens) == ("int_1", 11)
    call = upstream.calls[0]
    assert (call.path, call.json) == ("/v1/interactions", {"input": "Hi", "model": "up", "store": True})
    assert call.headers["x-goog-api-key"] == "upstream-secret-1"
    assert KEY not in str(call.headers)
    line = proxy.line
    assert (line.client_format, line.route_model, line.outcome) == ("gemini", "m", "ok")
    assert (line.input_tokens, line.output_tokens, line.reasoning_tokens) == (6, 5, 2)


async def test_a_stream_passes_and_its_interaction_is_known_at_once(proxy, upstream, google, sdk):
    upstream.then(streams(*STREAM), answers(body={**DONE, "id": "int_2"}))
    kinds = []
    async with await sdk.create(model="m", input="Hi", stream=True) as events:
        async for one in events:
            kinds.append(one.event_type)
            if one.event_type == "interaction.created":
                assert (await sdk.get(one.interaction.id)).status == "completed"
    assert kinds == ["interaction.created", "step.start", "step.delta", "interaction.completed"]
    assert upstream.calls[1].path == "/v1/interactions/int_2?stream=false"
    read, made = sorted(proxy.ledger.written, key=lambda line: line.is_stream)
    assert (made.input_tokens, made.is_stream) == (6, True)
    assert (read.input_tokens, read.output_tokens) == (None, None), "paid for twice"


async def test_a_kept_interaction_belongs_to_its_maker_and_its_credential(proxy, upstream, google, sdk):
    proxy.clients[digest("bob")] = ClientEntry(id=2, label="bob")
    upstream.then(answers(body=DONE))
    await sdk.create(model="m", input="Hi")
    proxy.offer("m", upstream.url, "up", adapter="gemini", priority=9)
    await sdk.create(model="m", input="And?", previous_interaction_id="int_1")
    await sdk.create(model="m", input="New")
    keys = [call.headers["x-goog-api-key"] for call in upstream.calls]
    assert keys == ["upstream-secret-1", "upstream-secret-1", "upstream-secret-2"]
    bob = {"x-goog-api-key": "bob"}
    for path, body in (
        ("/v1beta/interactions/int_1", None),
        ("/v1beta/interactions", {"model": "m", "input": "x", "previous_interaction_id": "int_1"}),
    ):
        method = "POST" if body else "GET"
        answer = await proxy.http.request(method, proxy.url + path, json=body, headers=bob)
        assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")


async def test_an_interaction_is_deleted_and_cancelled_where_it_is(proxy, upstream, google, sdk):
    upstream.then(answers(body=DONE), answers(body=DONE), answers(body={}))
    await sdk.create(model="m", input="Hi", background=True)
    await sdk.cancel("int_1")
    await sdk.delete("int_1")
    made = [(call.method, call.path) for call in upstream.calls[1:]]
    assert made == [
        ("POST", "/v1/interactions/int_1/cancel"),
        ("DELETE", "/v1/interactions/int_1"),
    ]
    gone = await proxy.http.get(f"{proxy.url}/v1beta/interactions/int_1", headers=BEARER)
    assert gone.status_code == 404


async def test_keys_for_interactions_come_first_and_others_take_over(proxy, upstream, google):
    proxy.offer("m", upstream.url, "up", adapter="gemini", provider_key="gemini-interactions")
    upstream.then(answers(503, {"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}))
    upstream.then(answers(body=DONE))
    body = {"agent": "deep-research", "input": "Hi"}
    for path in ("/v1beta/interactions", "/v1alpha/interactions"):
        assert (await proxy.http.post(proxy.url + path, json=body, headers=BEARER)).status_code == 200
    keys = [call.headers["x-goog-api-key"] for call in upstream.calls]
    assert keys == ["upstream-secret-2", "upstream-secret-1", "upstream-secret-1"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "word"),
    [
        ("POST", "", {"input": "Hi"}, 400, "`model` or `agent`"),
        ("POST", "", {"model": "c", "input": "Hi"}, 404, "endpoint"),
        ("POST", "", {"model": 7, "input": "Hi"}, 400, "model"),
        ("POST", "", [], 400, "JSON"),
        ("GET", "", None, 405, "POST"),
        ("GET", "/none", None, 404, "none"),
        ("POST", "/none/act", {}, 404, "act"),
    ],
)
async def test_what_cannot_be_served_is_told_in_googles_shape(
    proxy, upstream, google, method, path, body, status, word
):
    proxy.offer("c", upstream.url, "up", adapter="claude")
    url = f"{proxy.url}/v1beta/interactions{path}"
    answer = await proxy.http.request(method, url, json=body, headers=BEARER)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)
    assert word in answer.json()["error"]["message"]
    assert upstream.calls == []


async def test_a_cut_stream_ends_with_an_event_of_its_kind(proxy, upstream, google):
    upstream.then(streams(*STREAM[:3], cut=True))
    body = {"model": "m", "input": "Hi", "stream": True}
    answer = await proxy.http.post(f"{proxy.url}/v1beta/interactions", json=body, headers=BEARER)
    last = answer.text.strip().rpartition("data: ")[2]
    assert json.loads(last)["event_type"] == "error"
    assert proxy.line.outcome == "cut"


# --- Codex's search ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/alpha/search", "/backend-api/codex/alpha/search"])
async def test_codexs_search_goes_to_who_has_it_unchanged(proxy, upstream, path):
    upstream.then(answers(body={"results": [1]}))
    base = f"{upstream.url}/v1"
    proxy.offer("m", base, adapter="codex")
    proxy.offer("m", base, adapter="codex", options={"alpha-search": True})
    body = b'{"query":  "x", "model": "m", "n": 1e3}'
    answer = await proxy.http.post(proxy.url + path, content=body, headers=BEARER)
    assert (answer.status_code, answer.json()) == (200, {"results": [1]})
    (call,) = upstream.calls
    assert (call.path, call.body) == ("/v1/alpha/search", body)
    assert call.headers["authorization"] == "Bearer upstream-secret-2"


async def test_a_search_that_nobody_has_is_told(proxy, upstream):
    proxy.offer("m", f"{upstream.url}/v1", adapter="codex")
    answer = await proxy.http.post(f"{proxy.url}/v1/alpha/search", json={"query": "x"}, headers=BEARER)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "endpoint_not_supported")
