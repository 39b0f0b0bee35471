"""``:embedContent`` and ``:batchEmbedContents``: the official SDK over Gemini and over OpenAI's form."""

from __future__ import annotations

from typing import Any

import pytest
from google import genai
from google.genai import types
from google.genai.errors import ClientError

from tests.integration.proxy.conftest import KEY
from tests.integration.proxy.upstream_double import answers, openai_error

pytestmark = pytest.mark.timeout(30)
VECTORS = [[0.5, -1.25], [3.0, 4.0]]
OPENAI: dict[str, Any] = {
    "object": "list",
    "model": "up",
    "data": [
        {"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(VECTORS)
    ],
    "usage": {"prompt_tokens": 7, "total_tokens": 7},
}
GEMINI = {"embeddings": [{"values": vector} for vector in VECTORS], "usageMetadata": {"promptTokenCount": 7}}


@pytest.fixture
async def sdk(proxy):
    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=proxy.url))
    yield client.aio
    await client.aio.aclose()


async def test_the_sdk_embeds_over_openais_form(proxy, upstream, sdk):
    proxy.offer("m", f"{upstream.url}/v1", "up")
    upstream.then(answers(body=OPENAI))
    config = types.EmbedContentConfig(output_dimensionality=2, task_type="RETRIEVAL_QUERY")
    result = await sdk.models.embed_content(model="m", contents=["a", "b"], config=config)
    assert [one.values for one in result.embeddings] == VECTORS
    call = upstream.calls[0]
    assert call.path == "/v1/embeddings"
    assert call.json == {"model": "up", "input": ["a", "b"], "encoding_format": "float", "dimensions": 2}
    assert KEY not in str(call.headers)
    line = proxy.line
    assert (line.status, line.input_tokens, line.route_model, line.dropped) == (200, 7, "m", ("taskType",))


async def test_the_sdk_embeds_over_gemini_unchanged(proxy, upstream, sdk):
    proxy.offer("m", upstream.url, "up", adapter="gemini")
    upstream.then(answers(body=GEMINI))
    config = types.EmbedContentConfig(task_type="RETRIEVAL_QUERY", title="t")
    result = await sdk.models.embed_content(model="m", contents=["a", "b"], config=config)
    assert [one.values for one in result.embeddings] == VECTORS
    call = upstream.calls[0]
    assert call.path == "/v1beta/models/up:batchEmbedContents"
    assert {one["model"] for one in call.json["requests"]} == {"models/up"}
    assert "RETRIEVAL_QUERY" in str(call.json)
    assert (proxy.line.input_tokens, proxy.line.dropped) == (7, ())


async def post(proxy, action, body):
    url = f"{proxy.url}/v1beta/models/m:{action}?key={KEY}"
    return await proxy.http.post(url, **({"content": body} if isinstance(body, bytes) else {"json": body}))


async def test_one_text_has_an_endpoint_of_its_own(proxy, upstream):
    proxy.offer("m", f"{upstream.url}/v1", "up")
    upstream.then(answers(body={**OPENAI, "data": OPENAI["data"][:1]}))
    answer = await post(proxy, "embedContent", {"content": {"parts": [{"text": "a"}]}, "taskType": "X"})
    assert answer.json()["embedding"] == {"values": VECTORS[0]}
    assert answer.headers["x-cliproxy-dropped"] == "taskType"


async def test_the_next_credential_answers_when_the_first_cannot(proxy, upstream):
    proxy.offer("m", f"{upstream.url}/v1", "up")
    proxy.offer("m", upstream.url, "up", adapter="gemini")
    upstream.then(answers(500, openai_error("no")), answers(body=GEMINI))
    requests = [{"content": {"parts": [{"text": text}]}} for text in "ab"]
    answer = await post(proxy, "batchEmbedContents", {"requests": requests})
    assert [one["values"] for one in answer.json()["embeddings"]] == VECTORS


async def test_errors_have_googles_shape(proxy, upstream, sdk):
    proxy.offer("m", f"{upstream.url}/v1", "up")
    proxy.offer("c", upstream.url, adapter="claude")
    upstream.then(answers(400, openai_error("too long", "invalid_request_error")))
    with pytest.raises(ClientError, match="too long") as refused:
        await sdk.models.embed_content(model="m", contents="a")
    assert refused.value.status == "INVALID_ARGUMENT"
    with pytest.raises(ClientError) as refused:
        await sdk.models.embed_content(model="c", contents="a")
    assert refused.value.code == 404
    assert (await post(proxy, "embedContent", b"{")).status_code == 400
    assert (await post(proxy, "batchEmbedContents", b"[]")).json()["error"]["status"] == "INVALID_ARGUMENT"
