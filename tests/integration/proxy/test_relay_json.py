"""Embeddings, images, moderations, rerank and speech: JSON in, anything out, over scripted upstreams."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import time

import httpx
import msgspec
import openai
import pytest
from aiohttp import web

from tests.integration.proxy.conftest import KEY
from tests.integration.proxy.upstream_double import answers, hangs_up, openai_error, streams

pytestmark = pytest.mark.timeout(30)
VECTOR = [0.5, -1.25, 3.0]
PACKED = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()


def embedding(*vectors: object) -> dict[str, object]:
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return {"object": "list", "data": data, "model": "up", "usage": usage}


async def post(proxy, path, body, **headers):
    headers = {"authorization": f"Bearer {KEY}", **headers}
    return await proxy.http.post(f"{proxy.url}{path}", json=body, headers=headers)


@pytest.fixture
async def sdk(proxy):
    async with openai.AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


async def test_the_sdk_gets_floats_though_it_asks_for_base64(proxy, upstream, sdk):
    upstream.then(answers(body=embedding(PACKED)))
    proxy.offer("m", f"{upstream.url}/v1", "up")
    result = await sdk.embeddings.create(model="m", input="hello")
    assert result.data[0].embedding == VECTOR
    call = upstream.calls[0]
    assert (call.path, call.json["model"], call.json["encoding_format"]) == ("/v1/embeddings", "up", "base64")
    assert call.headers["authorization"] == "Bearer upstream-secret-1"
    assert (proxy.line.input_tokens, proxy.line.route_model, proxy.line.status) == (7, "m", 200)


async def test_floats_of_an_upstream_that_ignores_the_format_become_base64(proxy, upstream):
    upstream.then(answers(body=embedding(VECTOR)))
    proxy.offer("m", f"{upstream.url}/v1")
    response = await post(proxy, "/v1/embeddings", {"model": "m", "input": "a", "encoding_format": "base64"})
    assert response.json()["data"][0]["embedding"] == PACKED


async def test_integer_arrays_and_unknown_fields_pass_to_an_openai_upstream_untouched(proxy, upstream):
    upstream.then(answers(body=embedding(VECTOR)))
    proxy.offer("m", f"{upstream.url}/v1")
    body = b'{ "model":"m", "input":[[1,2],[3]], "x_new": 1e3 }'
    response = await proxy.http.post(
        f"{proxy.url}/v1/embeddings", content=body, headers={"authorization": f"Bearer {KEY}"}
    )
    assert response.status_code == 200
    assert upstream.calls[0].body == body
    assert response.headers["x-cliproxy-provider"] == "fake-1"
    assert response.headers["x-cliproxy-attempts"] == "1"


async def test_embeddings_are_translated_for_gemini_and_back(proxy, upstream, sdk):
    upstream.then(answers(body={"embeddings": [{"values": VECTOR}, {"values": [1, 2, 3]}]}))
    proxy.offer("m", upstream.url, "gemini-embedding-001", adapter="gemini")
    result = await sdk.embeddings.create(model="m", input=["one", "two"], dimensions=3, user="u")
    assert [entry.embedding for entry in result.data] == [VECTOR, [1.0, 2.0, 3.0]]
    assert result.model == "m"
    call = upstream.calls[0]
    assert call.path == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert call.headers["x-goog-api-key"] == "upstream-secret-1"
    assert call.json["requests"][1] == {
        "model": "models/gemini-embedding-001",
        "content": {"parts": [{"text": "two"}]},
        "outputDimensionality": 3,
    }
    assert proxy.line.dropped == ("user",)


async def test_more_texts_than_gemini_takes_at_once_go_in_several_calls(proxy, upstream):
    async def embed(request, call):
        values = [{"values": [float(len(upstream.calls))]} for _ in call.json["requests"]]
        return web.json_response({"embeddings": values})

    upstream.then(embed)
    proxy.offer("m", upstream.url, adapter="gemini")
    response = await post(proxy, "/v1/embeddings", {"model": "m", "input": ["x"] * 201})
    assert [len(call.json["requests"]) for call in upstream.calls] == [100, 100, 1]
    assert [entry["embedding"] for entry in response.json()["data"]][199:] == [[2.0], [3.0]]


async def test_tokens_for_gemini_are_a_400_that_names_the_field(proxy, upstream):
    proxy.offer("m", upstream.url, adapter="gemini")
    response = await post(proxy, "/v1/embeddings", {"model": "m", "input": [1, 2, 3]})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "input")
    assert upstream.calls == []


@pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/moderations", "/v1/rerank"])
async def test_json_goes_up_with_the_upstream_model_and_comes_back_as_it_is(proxy, upstream, path):
    raw = b'{"created": 1, "data": [{"b64_json":"AA=="}], "usage": {"input_tokens": 4, "output_tokens": 9}}'
    upstream.then(answers(body=raw))
    proxy.offer("m", f"{upstream.url}/v1", "up")
    response = await post(proxy, path, {"model": "m", "prompt": "x"})
    assert response.content == raw
    assert (upstream.calls[0].path, upstream.calls[0].json) == (path, {"model": "up", "prompt": "x"})
    assert (proxy.line.input_tokens, proxy.line.output_tokens) == (4, 9)


async def test_a_request_without_a_model_gets_the_documented_default(proxy, upstream, sdk):
    upstream.then(answers(body={"id": "modr-1", "model": "omni", "results": []}))
    proxy.offer("omni-moderation-latest", f"{upstream.url}/v1")
    await sdk.moderations.create(input="hello")
    assert upstream.calls[0].json == {"input": "hello", "model": "omni-moderation-latest"}


async def test_speech_is_streamed_as_it_is_made(proxy, upstream, sdk):
    may_end = asyncio.Event()

    async def speak(request, call):
        response = web.StreamResponse(headers={"content-type": "audio/mpeg"})
        await response.prepare(request)
        await response.write(b"ID3first")
        await may_end.wait()
        await response.write(b"second")
        return response

    proxy.upstream_client._timeouts = type(proxy.upstream_client._timeouts)(5.0, 10.0, 10.0)
    upstream.then(speak)
    proxy.offer("tts-1", f"{upstream.url}/v1")
    heard = b""
    async with sdk.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="Hi"
    ) as response:
        assert response.headers["content-type"] == "audio/mpeg"
        async for piece in response.iter_bytes():
            heard += piece
            may_end.set()
    assert heard == b"ID3firstsecond"


async def test_a_cut_binary_answer_ends_without_a_clean_end(proxy, upstream):
    async def speak(request, call):
        response = web.StreamResponse(headers={"content-type": "audio/mpeg"})
        await response.prepare(request)
        await response.write(b"half")
        await asyncio.sleep(0.1)
        request.transport.abort()
        return response

    upstream.then(speak)
    proxy.offer("m", f"{upstream.url}/v1")
    with pytest.raises(httpx.RemoteProtocolError):
        await post(proxy, "/v1/audio/speech", {"model": "m", "input": "x", "voice": "y"})
    assert (proxy.line.outcome, proxy.line.error_code) == ("cut", "upstream_protocol_error")


async def test_events_pass_and_their_usage_is_recorded(proxy, upstream):
    events = (
        b'data: {"type":"speech.audio.delta","audio":"AA=="}\n\n',
        b'data: {"type":"speech.audio.done","usage":{"input_tokens":5,"output_tokens":8,"x":{"y":1}}}\n\n',
    )
    upstream.then(streams(*events))
    proxy.offer("m", f"{upstream.url}/v1")
    response = await post(proxy, "/v1/audio/speech", {"model": "m", "stream_format": "sse"})
    assert response.content == b"".join(events)
    assert (proxy.line.input_tokens, proxy.line.output_tokens, proxy.line.is_stream) == (5, 8, True)


async def test_another_credential_is_tried_before_the_first_byte(proxy, upstream):
    busy = answers(429, openai_error("slow down"))
    upstream.then(hangs_up(), busy, answers(body=embedding(VECTOR)))
    for priority in (3, 2, 1):
        proxy.offer("m", f"{upstream.url}/v1", priority=priority)
    response = await post(proxy, "/v1/embeddings", {"model": "m", "input": "x"})
    assert response.status_code == 200
    assert response.headers["x-cliproxy-attempts"] == "3"
    assert proxy.state.cooldown(2, "m", time.time()) is not None


async def test_a_missing_endpoint_rests_nobody_and_reaches_the_client(proxy, upstream):
    upstream.then(answers(404, openai_error("no such route", "invalid_request_error")))
    proxy.offer("m", f"{upstream.url}/v1")
    response = await post(proxy, "/v1/images/generations", {"model": "m", "prompt": "x"})
    assert response.status_code == 404
    assert response.json()["error"]["message"] == "no such route"
    assert proxy.state.cooldown(1, "m", time.time()) is None


async def test_a_model_of_another_format_is_a_404_that_says_so(proxy, upstream):
    proxy.offer("m", upstream.url, adapter="claude")
    response = await post(proxy, "/v1/images/generations", {"model": "m", "prompt": "x"})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "endpoint_not_supported")


async def test_an_error_under_status_200_is_an_error(proxy, upstream):
    upstream.then(answers(body=openai_error("bad", "invalid_request_error")))
    proxy.offer("m", f"{upstream.url}/v1")
    response = await post(proxy, "/v1/rerank", {"model": "m"})
    assert (response.status_code, response.json()["error"]["message"]) == (502, "bad")


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"[]", 400), (b'{"model": 3}', 400), (b'{"model":"none"}', 404), (b"\xff", 400)],
)
async def test_an_unusable_body_is_refused_in_openais_shape(proxy, upstream, body, status):
    proxy.offer("m", f"{upstream.url}/v1")
    response = await proxy.http.post(
        f"{proxy.url}/v1/embeddings", content=body, headers={"authorization": f"Bearer {KEY}"}
    )
    assert response.status_code == status
    assert json.loads(response.content)["error"]["type"] == "invalid_request_error"


async def test_a_wrong_method_and_a_missing_key_are_told(proxy):
    response = await proxy.http.get(f"{proxy.url}/v1/embeddings", headers={"authorization": f"Bearer {KEY}"})
    assert response.status_code == 405
    response = await proxy.http.post(f"{proxy.url}/v1/embeddings", json={"model": "m"})
    assert response.status_code == 401


@pytest.mark.parametrize(
    ("switch", "status"), [("off", 404), ("chat", 200), ("passthrough", 200), ("on", 200)]
)
async def test_image_routes_are_gone_only_where_image_generation_is_off(proxy, upstream, switch, status):
    upstream.then(answers(body={"data": [{"b64_json": "AA=="}]}))
    proxy.offer("m", f"{upstream.url}/v1", adapter="openai")
    proxy.settings = msgspec.structs.replace(proxy.settings, image_generation=switch)
    proxy.publish()
    headers = {"authorization": f"Bearer {KEY}"}
    body = {"model": "m", "prompt": "a cat"}
    response = await proxy.http.post(f"{proxy.url}/v1/images/generations", json=body, headers=headers)
    assert response.status_code == status
    assert len(upstream.calls) == (status == 200)
