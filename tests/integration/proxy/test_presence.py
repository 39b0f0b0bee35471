"""Clients that leave, clients that are slow, upstreams that are slow."""

import asyncio
import time

from tests.integration.proxy.conftest import KEY
from tests.integration.proxy.upstream_double import COMPLETION, answers, chunk, streams, waits

BODY = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}'


async def connect(proxy, body=BODY):
    """A raw connection that has sent one request."""
    host, port = proxy.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**16)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    return reader, writer


async def until(condition, seconds=3.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


async def test_a_client_that_leaves_a_stream_ends_the_upstream_request_within_a_second(proxy, upstream):
    usage = (
        b'data: {"choices":[{"index":0,"delta":{}}],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n'
    )
    upstream.then(streams(chunk("Hel"), usage, then_wait=True))
    proxy.upstream_client._timeouts = type(proxy.upstream_client._timeouts)(5.0, 60.0, 60.0)
    proxy.offer("m", f"{upstream.url}/v1")
    reader, writer = await connect(proxy)
    await reader.readuntil(b'"completion_tokens":2')
    left = time.monotonic()
    writer.close()
    await asyncio.wait_for(upstream.calls[0].ended.wait(), 2)
    assert time.monotonic() - left < 1.0
    await until(lambda: proxy.ledger.written)
    assert proxy.line.outcome == "client_gone"
    assert (proxy.line.input_tokens, proxy.line.output_tokens) == (5, 2)


async def test_a_client_that_leaves_before_the_answer_ends_the_upstream_request(proxy, upstream):
    upstream.then(waits())
    proxy.upstream_client._timeouts = type(proxy.upstream_client._timeouts)(5.0, 60.0, 60.0)
    proxy.offer("m", f"{upstream.url}/v1")
    _, writer = await connect(proxy)
    await until(lambda: upstream.calls)
    left = time.monotonic()
    writer.close()
    await asyncio.wait_for(upstream.calls[0].ended.wait(), 2)
    assert time.monotonic() - left < 1.0
    await until(lambda: proxy.ledger.written)
    assert (proxy.line.outcome, proxy.line.status) == ("client_gone", 499)
    assert proxy.state.cooldown(1, "m", time.time()) is None


async def test_a_slow_client_holds_back_the_upstream(proxy, upstream):
    sent = 0
    piece = chunk("x" * 16_000)

    async def floods(request, call):
        nonlocal sent
        from aiohttp import web

        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for _ in range(4000):  # 64 MB, far more than any socket buffer holds
            await response.write(piece)
            sent += len(piece)
        return response

    upstream.then(floods)
    proxy.offer("m", f"{upstream.url}/v1")
    _, writer = await connect(proxy)
    await until(lambda: sent > 0)
    last = -1
    while sent != last:  # until nothing moves any more
        last = sent
        await asyncio.sleep(0.3)
    assert sent < 32 * 1024 * 1024
    writer.close()
    await asyncio.wait_for(upstream.calls[0].ended.wait(), 3)


async def test_a_slow_upstream_costs_other_requests_nothing(proxy, upstream):
    async def by_model(request, call):
        script = waits() if call.json["model"] == "slow" else answers(body=COMPLETION)
        return await script(request, call)

    proxy.upstream_client._timeouts = type(proxy.upstream_client._timeouts)(5.0, 60.0, 60.0)
    upstream.then(by_model)
    proxy.offer("slow", f"{upstream.url}/v1")
    proxy.offer("quick", f"{upstream.url}/v1")
    held = [asyncio.ensure_future(proxy.chat("slow")) for _ in range(50)]
    await until(lambda: len(upstream.calls) == 50)
    assert all([(await proxy.chat("quick")).status_code == 200 for _ in range(20)])
    assert not any(task.done() for task in held)
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)


async def test_a_changed_table_does_not_disturb_an_open_stream(proxy, upstream):
    upstream.then(streams(*(chunk(str(number)) for number in range(10)), chunk(finish="stop"), gap_s=0.02))
    proxy.offer("m", f"{upstream.url}/v1")
    streaming = asyncio.ensure_future(proxy.chat(stream=True))
    await until(lambda: upstream.calls)
    proxy.offers.clear()
    proxy.publish()
    assert (await proxy.chat()).status_code == 404
    response = await streaming
    assert response.text.count('"content"') == 10
    assert "[DONE]" in response.text
