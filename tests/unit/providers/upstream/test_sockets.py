"""WebSockets to upstreams: the ways out, and what a failed handshake is called."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType, web

from providers.adapters.base import UpstreamRequest
from providers.errors import UpstreamTimeout, UpstreamUnreachable
from providers.upstream.client import UpstreamClient
from providers.upstream.sockets import HandshakeRefused
from providers.upstream.timeouts import Timeouts
from tests.unit.providers.upstream.proxies import SocksProxy, hangs_up, listening, silent

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
async def client():
    made = UpstreamClient(Timeouts(0.5, 1, 1))
    yield made
    await made.close()


@asynccontextmanager
async def echoing():
    async def talk(request):
        if request.path == "/refused":
            return web.Response(status=429, headers={"Retry-After": "7"})
        ws = web.WebSocketResponse(protocols=("realtime",))
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(f"{message.data} {request.headers['x-mine']}")
        return ws

    app = web.Application()
    app.router.add_get("/{path}", talk)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


def asked(port: int, path: str = "ws") -> UpstreamRequest:
    return UpstreamRequest(
        method="GET", url=f"http://127.0.0.1:{port}/{path}?a=%2F", headers=(("x-mine", "7"),)
    )


async def test_messages_pass_directly_and_through_a_socks_proxy(client):
    proxy = SocksProxy()
    async with echoing() as port, listening(proxy.serve) as socks_port:
        for way in ("direct", f"socks5://127.0.0.1:{socks_port}"):
            socket = await client.connect(asked(port), protocols=("realtime",), proxy_url=way)
            assert socket.protocol == "realtime"
            await socket.send("hello")
            assert await anext(socket.messages()) == "hello 7"
            await socket.close()
            assert socket.close_code == 1000
        assert proxy.seen == [f"127.0.0.1:{port}"]


async def test_a_refused_handshake_keeps_status_and_headers(client):
    async with echoing() as port:
        with pytest.raises(HandshakeRefused) as refused:
            await client.connect(asked(port, "refused"))
    assert (refused.value.status, refused.value.headers["retry-after"]) == (429, "7")


@pytest.mark.parametrize("way", ["direct", "socks5://127.0.0.1:9", "http://127.0.0.1:9"])
async def test_nobody_there_is_unreachable(client, way):
    with pytest.raises(UpstreamUnreachable):
        await client.connect(asked(9), proxy_url=way)


async def test_a_hang_up_is_unreachable_and_silence_times_out(client):
    async with listening(hangs_up) as port:
        with pytest.raises(UpstreamUnreachable):
            await client.connect(asked(port))
    async with listening(silent) as port:
        with pytest.raises(UpstreamTimeout):
            await client.connect(asked(port))


async def test_a_streamed_body_is_sent_anew_when_a_kept_connection_was_stale(client):
    bodies = []

    async def once(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        bodies.append(await reader.readexactly(size))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()
        await reader.read(1)  # the next request arrives, and is met by a closed door

    async def pieces():
        for piece in (b"ab", b"", b"cd"):
            yield piece
            await asyncio.sleep(0)

    async with listening(once) as port:
        request = UpstreamRequest(
            method="POST", url=f"http://127.0.0.1:{port}/", headers=(("content-length", "4"),)
        )
        for _ in range(2):
            answer = await client.open(request, body=pieces)
            assert await answer.read() == b"ok"
            await answer.close()
    assert bodies == [b"abcd", b"abcd"]
