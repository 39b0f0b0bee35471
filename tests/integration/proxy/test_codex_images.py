"""``/v1/images/generations`` over an upstream that speaks the Responses API: Codex by key and by login."""

from __future__ import annotations

import base64
import json

import openai
import pytest

from providers.upstream.timeouts import Timeouts
from routing.core.table import RouteSettings
from tests.integration.proxy.conftest import KEY, Proxy
from tests.integration.proxy.pairs.spoken import sse
from tests.integration.proxy.upstream_double import answers, openai_error, streams

PICTURE = base64.b64encode(b"picture").decode()
ITEM = {
    "type": "image_generation_call",
    "id": "ig_1",
    "status": "completed",
    "result": PICTURE,
    "revised_prompt": "a black cat",
}
DRAWN = [
    sse({"type": "response.created", "response": {"id": "r", "status": "in_progress", "output": []}}),
    sse({"type": "response.output_item.done", "output_index": 0, "item": ITEM}),
    sse(
        {
            "type": "response.completed",
            "response": {"id": "r", "output": [], "usage": {"input_tokens": 9, "output_tokens": 5}},
        }
    ),
]


@pytest.fixture
async def proxy():
    """Nothing here is about time, so a busy machine gets some."""
    running = Proxy(Timeouts(connect_s=5, first_byte_s=10, idle_s=10))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def sdk(proxy):
    async with openai.AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


def offer(proxy, upstream, **fields):
    return proxy.offer("gpt-image-2", f"{upstream.url}/v1", adapter="codex", **fields)


async def test_the_images_endpoint_beside_responses_is_asked_first(proxy, upstream, sdk):
    offer(proxy, upstream)
    upstream.then(answers(body={"created": 1, "data": [{"b64_json": PICTURE}]}))
    made = await sdk.images.generate(model="gpt-image-2", prompt="a cat", size="1024x1024")
    assert made.data[0].b64_json == PICTURE
    (call,) = upstream.calls
    assert call.path == "/v1/images/generations"
    assert call.json == {"model": "gpt-image-2", "prompt": "a cat", "size": "1024x1024"}


@pytest.mark.parametrize("channel", ["", "codex"])
async def test_where_it_is_missing_the_tool_draws(proxy, upstream, sdk, channel):
    proxy.settings = RouteSettings(request_retry=0, gpt_image_2_base_model="gpt-5.5")
    offer(proxy, upstream, channel=channel)
    upstream.then(answers(404, openai_error("no such path")), streams(*DRAWN), streams(*DRAWN))
    made = await sdk.images.generate(
        model="gpt-image-2", prompt="a cat", size="1024x1024", n=2, extra_body={"mask_me": 1}
    )
    assert [(image.b64_json, image.revised_prompt) for image in made.data] == [(PICTURE, "a black cat")] * 2
    assert made.usage.total_tokens == 28
    assert [call.path for call in upstream.calls] == [
        "/v1/images/generations",
        "/v1/responses",
        "/v1/responses",
    ]
    sent = upstream.calls[-1].json
    assert sent["model"] == "gpt-5.5"
    assert sent["tools"] == [{"type": "image_generation", "model": "gpt-image-2", "size": "1024x1024"}]
    assert sent["tool_choice"] == {"type": "image_generation"}
    assert sent["input"][0]["content"][0]["text"] == "a cat"
    assert proxy.line.dropped == ("mask_me",)
    assert (proxy.line.input_tokens, proxy.line.output_tokens) == (18, 10)


async def test_a_client_that_wants_a_stream_gets_its_last_event(proxy, upstream):
    offer(proxy, upstream)
    upstream.then(answers(405, b""), streams(*DRAWN))
    body = {"model": "gpt-image-2", "prompt": "a cat", "stream": True}
    headers = {"authorization": f"Bearer {KEY}"}
    answer = await proxy.http.post(f"{proxy.url}/v1/images/generations", json=body, headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    event = json.loads(answer.text.partition("data: ")[2])
    assert (event["type"], event["b64_json"]) == ("image_generation.completed", PICTURE)


async def test_an_answer_without_an_image_goes_on_with_the_next_credential(proxy, upstream, sdk):
    offer(proxy, upstream)
    offer(proxy, upstream)
    failed = sse({"type": "response.failed", "response": {"error": {"message": "no capacity"}}})
    upstream.then(answers(404, b"{}"), streams(failed), answers(404, b"{}"), streams(*DRAWN))
    assert (await sdk.images.generate(model="gpt-image-2", prompt="x")).data[0].b64_json == PICTURE
    assert "no capacity" in proxy.line.attempts[0]["reason"]


@pytest.mark.parametrize("body", [{"model": "gpt-image-2"}, {"model": "gpt-image-2", "prompt": "x", "n": 99}])
async def test_what_cannot_be_drawn_is_said(proxy, upstream, body):
    offer(proxy, upstream)
    upstream.then(answers(404, b"{}"))
    headers = {"authorization": f"Bearer {KEY}"}
    answer = await proxy.http.post(f"{proxy.url}/v1/images/generations", json=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] in ("prompt", "n")


async def test_another_refusal_is_the_clients_to_see(proxy, upstream, sdk):
    offer(proxy, upstream)
    upstream.then(answers(400, openai_error("unsafe prompt", "invalid_request_error")))
    with pytest.raises(openai.BadRequestError, match="unsafe prompt"):
        await sdk.images.generate(model="gpt-image-2", prompt="x")
    assert len(upstream.calls) == 1
