"""Keep-alives and the upstream's headers, as clients get them."""

import asyncio
import json

import msgspec
import pytest

from providers.upstream.timeouts import Timeouts
from tests.integration.proxy.conftest import KEY, Proxy
from tests.integration.proxy.upstream_double import COMPLETION, HELLO_STREAM, answers, openai_error, streams


@pytest.fixture
async def proxy():
    running = Proxy(Timeouts(connect_s=2, first_byte_s=5, idle_s=5))
    await running.start()
    yield running
    await running.stop()


def switch(proxy, **settings):
    proxy.settings = msgspec.structs.replace(proxy.settings, **settings)
    proxy.publish()


def late(script, seconds=0.15):
    async def answer(request, call):
        await asyncio.sleep(seconds)
        return await script(request, call)

    return answer


async def test_a_silent_stream_is_kept_alive_and_reads_the_same(proxy, upstream):
    upstream.then(streams(*HELLO_STREAM, gap_s=0.1))
    proxy.offer("m", f"{upstream.url}/v1")
    plain = await proxy.chat(stream=True)
    switch(proxy, keepalive_s=0.04)
    kept = await proxy.chat(stream=True)
    assert b": keep-alive\n\n" in kept.content
    assert kept.content.replace(b": keep-alive\n\n", b"") == plain.content


async def test_a_slow_whole_answer_is_announced_by_newlines(proxy, upstream):
    upstream.then(late(answers(body=COMPLETION)))
    proxy.offer("m", f"{upstream.url}/v1")
    switch(proxy, nonstream_keepalive_s=0.03)
    response = await proxy.chat()
    assert response.status_code == 200
    assert response.content.startswith(b"\n\n")
    assert response.json()["choices"][0]["message"]["content"] == "Hello"
    assert "content-length" not in response.headers


async def test_a_failure_after_the_first_newline_is_an_error_body_under_200(proxy, upstream):
    upstream.then(late(answers(400, openai_error("no such thing", "invalid_request_error"))))
    proxy.offer("m", f"{upstream.url}/v1")
    switch(proxy, nonstream_keepalive_s=0.03)
    response = await proxy.chat()
    assert response.status_code == 200
    assert json.loads(response.content)["error"]["message"] == "no such thing"
    assert proxy.line.status == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [("/images/generations", {"prompt": "a cat"}), ("/embeddings", {"input": "a"})],
)
async def test_slow_pictures_and_embeddings_are_announced_too(proxy, upstream, path, body):
    made = {"created": 1, "object": "list", "data": [{"b64_json": "aGk=", "embedding": [0.5], "index": 0}]}
    upstream.then(late(answers(body=made)))
    proxy.offer("m", f"{upstream.url}/v1")
    switch(proxy, nonstream_keepalive_s=0.03)
    headers = {"authorization": f"Bearer {KEY}"}
    response = await proxy.http.post(f"{proxy.url}/v1{path}", json={"model": "m", **body}, headers=headers)
    assert response.status_code == 200
    assert response.content.startswith(b"\n\n")
    assert response.json()["data"][0]["index"] == 0
    assert proxy.line.status == 200


async def test_a_relayed_failure_after_the_first_newline_is_an_error_body(proxy, upstream):
    upstream.then(late(answers(400, openai_error("no such thing", "invalid_request_error"))))
    proxy.offer("m", f"{upstream.url}/v1")
    switch(proxy, nonstream_keepalive_s=0.03)
    headers = {"authorization": f"Bearer {KEY}"}
    response = await proxy.http.post(
        f"{proxy.url}/v1/images/generations", json={"model": "m", "prompt": "a cat"}, headers=headers
    )
    assert (response.status_code, response.json()["error"]["message"]) == (200, "no such thing")
    assert proxy.line.status == 400


async def test_a_quick_answer_has_no_newline(proxy, upstream):
    upstream.then(answers(body=COMPLETION))
    proxy.offer("m", f"{upstream.url}/v1")
    switch(proxy, nonstream_keepalive_s=5.0)
    response = await proxy.chat()
    assert response.content.startswith(b"{")
    assert response.headers["content-length"] == str(len(response.content))


async def test_a_client_that_leaves_a_held_answer_cancels_it(proxy, upstream):
    async def never(request, call):
        await asyncio.sleep(30)

    upstream.then(never)
    proxy.offer("m", f"{upstream.url}/v1")
    switch(proxy, nonstream_keepalive_s=0.03)
    async with proxy.http.stream(
        "POST",
        f"{proxy.url}/v1/chat/completions",
        json={"model": "m", "messages": []},
        headers={"authorization": f"Bearer {KEY}"},
    ) as response:
        async for _ in response.aiter_raw():
            break
    await asyncio.wait_for(upstream.calls[0].ended.wait(), 3)
    assert upstream.calls[0].is_cancelled


UPSTREAM = {"x-vendor": "v1", "set-cookie": "a=b", "x-request-id": "theirs", "retry-after": "7"}


@pytest.mark.parametrize("is_on", [True, False])
async def test_headers_of_the_upstream_pass_only_where_wanted(proxy, upstream, is_on):
    upstream.then(
        answers(body=COMPLETION, headers=UPSTREAM), answers(429, openai_error("slow down"), headers=UPSTREAM)
    )
    proxy.offer("m", f"{upstream.url}/v1")
    switch(proxy, passthrough_headers=is_on)
    answered, refused = await proxy.chat(), await proxy.chat()
    assert (answered.status_code, refused.status_code) == (200, 429)
    for response in (answered, refused):
        assert response.headers.get("x-vendor") == ("v1" if is_on else None)
        assert "set-cookie" not in response.headers
        assert response.headers["x-request-id"] != "theirs"
        assert len(response.headers.get_list("content-type")) == 1
    assert answered.headers.get("retry-after") == ("7" if is_on else None)


async def test_headers_of_the_upstream_pass_with_a_stream_and_a_relayed_answer(proxy, upstream):
    upstream.then(streams(*HELLO_STREAM))
    proxy.offer("m", f"{upstream.url}/v1", adapter="openai")
    switch(proxy, passthrough_headers=True)
    assert (await proxy.chat(stream=True)).headers["server"]
    upstream.scripts[:] = [answers(body={"data": []}, headers=UPSTREAM)]
    headers = {"authorization": f"Bearer {KEY}"}
    url = f"{proxy.url}/v1/embeddings"
    relayed = await proxy.http.post(url, json={"model": "m", "input": "x"}, headers=headers)
    assert relayed.status_code == 200
