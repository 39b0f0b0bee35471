"""What real clients do at the wire that no SDK shows: where they put the key, odd paths, probes, odd headers.

The list is that of docs/clients.md, "What breaks clients".
"""

from __future__ import annotations

import json
from typing import Any, Literal

import pydantic
import pytest
from google import genai
from google.genai import types as genai_types

from routing.core.table import ClientEntry
from tests.integration.proxy.conftest import KEY, digest
from tests.integration.proxy.pairs.conftest import ADAPTERS
from tests.integration.proxy.pairs.spoken import CALLS, HELLO, LENGTH, STREAM
from tests.integration.proxy.upstream_double import COMPLETION, answers, streams

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
BEARER = {"authorization": f"Bearer {KEY}"}


@pytest.fixture
def offered(proxy, upstream):
    proxy.offer("m", f"{upstream.url}/v1", "up")
    upstream.then(answers(body=COMPLETION))
    return upstream


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"authorization": f"Bearer {KEY}"}, ""),
        ({"authorization": KEY}, ""),
        ({"x-api-key": KEY}, ""),
        ({"x-goog-api-key": KEY}, ""),
        ({"authorization": "Bearer sk-ant-of-a-vendor", "x-api-key": KEY}, ""),
        ({"authorization": f"Bearer {KEY}", "x-api-key": "sk-ant-of-a-vendor"}, ""),
        ({}, f"?key={KEY}"),
        ({}, f"?auth_token={KEY}&x=1"),
        ({"authorization": "Bearer sk-of-a-vendor"}, f"?key={KEY}"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings"])
async def test_a_key_is_found_wherever_clients_put_it_and_stays_here(proxy, offered, path, headers, query):
    body = CHAT if path.endswith("completions") else {"model": "m", "input": "Hi"}
    answer = await proxy.http.post(f"{proxy.url}{path}{query}", json=body, headers=headers)
    assert answer.status_code == 200
    call = offered.calls[0]
    assert KEY not in call.path + str(call.headers) + call.body.decode()
    assert "sk-of-a-vendor" not in str(call.headers)
    assert (await proxy.http.get(f"{proxy.url}/v1/models{query}", headers=headers)).status_code == 200


async def test_a_disabled_key_is_told_apart_from_an_unknown_one(proxy, offered):
    proxy.clients[digest("old")] = ClientEntry(id=2, label="old", enabled=False)
    proxy.publish()
    headers = {"authorization": "Bearer sk-of-a-vendor", "x-api-key": "old"}
    answer = await proxy.http.post(f"{proxy.url}/v1/chat/completions", json=CHAT, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "api_key_disabled")


@pytest.mark.parametrize(
    "path",
    [
        "//v1/chat/completions",
        "/v1/v1/chat/completions",
        "/v1//chat/completions/",
        "/chat/completions",
        "/v1beta/v1/chat/completions",
        "/v1beta/openai/chat/completions",
        "/openai/v1/chat/completions",
        "/backend-api/codex/chat/completions",
    ],
)
async def test_a_wrong_base_url_is_forgiven(proxy, offered, path):
    answer = await proxy.http.post(f"{proxy.url}{path}", json=CHAT, headers=BEARER)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("path", "mark"),
    [("/v1/nope", "POST /v1/chat/completions"), ("/v1beta/models/m:nope", "generateContent")],
)
async def test_what_cannot_be_forgiven_is_a_404_with_the_right_form(proxy, path, mark):
    answer = await proxy.http.post(f"{proxy.url}{path}", json={}, headers=BEARER)
    assert answer.status_code == 404
    assert mark in answer.text
    assert answer.headers["x-request-id"]


async def test_every_small_answer_can_be_named(proxy):
    headers = {**BEARER, "x-request-id": "mine"}
    for path in ("/v1/models", "/v1/models/none", "/health"):
        assert (await proxy.http.get(f"{proxy.url}{path}", headers=headers)).headers["x-request-id"] == "mine"
    answer = await proxy.http.get(
        f"{proxy.url}/v1/models", headers={**BEARER, "anthropic-version": "2023-06-01"}
    )
    assert answer.headers["request-id"] == answer.headers["x-request-id"]


async def test_claude_code_finds_models_in_its_vendors_shape(proxy, offered):
    headers = {"x-api-key": KEY, "user-agent": "claude-cli/2.1.329 (external, cli)"}
    answer = (await proxy.http.get(f"{proxy.url}/v1/models?limit=1000", headers=headers)).json()
    assert [model["type"] for model in answer["data"]] == ["model"]
    assert answer["has_more"] is False


@pytest.mark.parametrize("version", [None, "v1", "v1beta", "v1alpha"])
async def test_googles_sdk_lists_models_in_every_version(proxy, offered, version):
    proxy.offer("org/n:free", f"{offered.url}/v1", "up")
    options = genai_types.HttpOptions(base_url=proxy.url, api_version=version, timeout=10_000)
    sdk = genai.Client(api_key=KEY, vertexai=False, http_options=options)
    pager = await sdk.aio.models.list(config={"page_size": 1})
    assert [model.name async for model in pager] == ["models/m", "models/org/n:free"]
    assert (await sdk.aio.models.get(model="org/n:free")).name == "models/org/n:free"
    await sdk.aio.aclose()


@pytest.mark.parametrize("path", ["/api/event_logging/batch", "/api/event_logging/v2/batch"])
async def test_claude_codes_probes_and_events_are_taken(proxy, path):
    for probed in ("/", "/api/hello"):
        assert (await proxy.http.head(proxy.url + probed)).status_code == 200
    answer = await proxy.http.post(f"{proxy.url}{path}", json={"events": []})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/v1/files", "/v1/messages/batches", "/v1/embeddings"])
async def test_what_anthropics_sdk_uploads_goes_to_no_other_vendor(proxy, offered, path):
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    answer = await proxy.http.post(proxy.url + path, files={"file": ("a.txt", b"secret")}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")
    assert offered.calls == []


PRIVATE = {
    "x-openwebui-user-id": "u-1",
    "x-openwebui-user-email": "ann@example.org",
    "x-openwebui-user-name": "Ann",
    "x-stainless-lang": "python",
    "openai-organization": "org-1",
    "openai-project": "proj-1",
    "idempotency-key": "i-1",
    "x-claude-code-session-id": "s-1",
    "cookie": "a=b",
}


@pytest.mark.parametrize("adapter", ["openai-compatibility", "codex", "claude", "gemini"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
async def test_who_asks_with_what_is_nobody_elses_business(proxy, upstream, adapter, path):
    base = upstream.url + ("/v1" if adapter in ("openai-compatibility", "codex") else "")
    proxy.offer("m", base, "up", adapter=adapter)
    upstream.then(answers(400, {"error": {"message": "no"}}))
    await proxy.http.post(
        proxy.url + path, json={**CHAT, "max_tokens": 9, "input": "Hi"}, headers={**BEARER, **PRIVATE}
    )
    (call,) = upstream.calls
    assert set(call.headers) & set(PRIVATE) == set()
    assert "ann@example.org" not in str(call.headers) + call.body.decode()


class Delta(pydantic.BaseModel, extra="allow", strict=True):
    role: Literal["assistant"] | None = None
    content: str | None = None
    tool_calls: list[Call] | None = None


class Call(pydantic.BaseModel, extra="allow", strict=True):
    index: int
    id: str | None = None
    type: Literal["function"] | None = None
    function: dict[str, str]


class Choice(pydantic.BaseModel, extra="allow", strict=True):
    index: int
    delta: Delta | None = None
    finish_reason: str | None = None


class Chunk(pydantic.BaseModel, extra="allow", strict=True):
    """What the Vercel AI SDK's schema of a chat chunk wants (``@ai-sdk/openai``, 2026)."""

    id: str
    created: int
    model: str
    choices: list[Choice]
    usage: dict[str, Any] | None = None


@pytest.mark.parametrize("format_", list(ADAPTERS))
@pytest.mark.parametrize("said", [HELLO, CALLS, LENGTH], ids=["text", "calls", "length"])
async def test_every_chat_chunk_fits_a_strict_schema(proxy, upstream, format_, said):
    adapter, base = ADAPTERS[format_]
    proxy.offer("m", upstream.url + base, "up", adapter=adapter)
    upstream.then(streams(*STREAM[format_](said)))
    body = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    answer = await proxy.http.post(f"{proxy.url}/v1/chat/completions", json=body, headers=BEARER)
    *events, end = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line[:1] == "d"]
    chunks = [Chunk.model_validate_json(event) for event in events]
    assert (end, chunks[-1].usage is not None) == ("[DONE]", True)
    first: dict[int, Call] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            for call in (choice.delta and choice.delta.tool_calls) or []:
                if call.index not in first:
                    assert call.id, "a call begins with its id"
                    assert call.function["name"]
                    first[call.index] = call
    assert sorted(first) == list(range(len(said.calls)))


@pytest.mark.parametrize(
    ("query", "kind"),
    [("", "application/json"), ("?alt=sse", "text/event-stream"), ("?$alt=sse", "text/event-stream")],
)
async def test_geminis_stream_is_framed_as_asked(proxy, offered, query, kind):
    answer = await proxy.http.post(
        f"{proxy.url}/v1beta/models/m:streamGenerateContent{query}",
        content=json.dumps({"contents": [{"parts": [{"text": "Hi"}]}]}),
        headers={"x-goog-api-key": KEY},
    )
    assert answer.headers["content-type"].startswith(kind)


@pytest.mark.parametrize("spelled", ["org/up:free", "org%2Fup%3Afree", "org%2Fup:free"])
async def test_an_id_with_slashes_and_colons_is_found_however_it_is_written(proxy, upstream, spelled):
    proxy.offer("org/up:free", f"{upstream.url}/v1", "up")
    upstream.then(answers(body=COMPLETION))
    answer = await proxy.http.post(
        f"{proxy.url}/v1beta/models/{spelled}:generateContent",
        json={"contents": [{"parts": [{"text": "Hi"}]}]},
        headers={"x-goog-api-key": KEY},
    )
    assert answer.status_code == 200
    one = await proxy.http.get(f"{proxy.url}/v1/models/{spelled}", headers=BEARER)
    assert one.json()["id"] == "org/up:free"
