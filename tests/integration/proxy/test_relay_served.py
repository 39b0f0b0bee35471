"""The relayed endpoints on real gateways: objects found again after a restart, sockets on both servers."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable

import aiohttp
import openai
import pytest
from aiohttp import WSMsgType, web

from tests.integration.proxy.upstream_double import HELLO_STREAM
from tests.processes import Gateway

pytestmark = pytest.mark.timeout(120)


class Vendor:
    """An upstream with files and a realtime echo."""

    def __init__(self) -> None:
        self.stored = 0
        self.keys: set[str] = set()
        self.may_read = asyncio.Event()
        self.taken = 0

    async def start(self) -> None:
        app = web.Application(client_max_size=0)
        app.router.add_post("/v1/files", self._make)
        app.router.add_get("/v1/files/{id}", self._show)
        app.router.add_get("/v1/realtime", self._talk)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _make(self, request: web.Request) -> web.Response:
        self.keys.add(request.headers["authorization"])
        async for piece in request.content.iter_any():
            self.stored += len(piece)
        return web.json_response({"id": "file-1", "object": "file", "purpose": "batch"})

    async def _show(self, request: web.Request) -> web.Response:
        self.keys.add(request.headers["authorization"])
        return web.json_response({"id": request.match_info["id"], "object": "file", "purpose": "batch"})

    async def _chat(self, request: web.Request) -> web.Response:
        return web.Response(body=b"".join(HELLO_STREAM), content_type="text/event-stream")

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(max_msg_size=0)
        await ws.prepare(request)
        async for message in ws:
            if message.type is not WSMsgType.TEXT:
                break
            if message.data == "wait":
                await self.may_read.wait()
            self.taken += 1
            await ws.send_str(message.data[:100])
            if message.data == "bye":
                await ws.close(code=4005)
        return ws


@pytest.fixture
async def vendor():
    double = Vendor()
    await double.start()
    yield double
    await double.stop()


def config(url: str) -> str:
    return (
        f"openai-compatibility:\n  - name: acme\n    base-url: {url}\n    models: [{{name: m}}]\n"
        "    api-key-entries:\n      - api-key: first-key\n      - api-key: second-key\n"
    )


def sdk(gateway: Gateway) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0)


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
async def test_a_file_is_found_again_by_another_process(
    vendor, start_gateway: Callable[..., Gateway], server: str
):
    first = start_gateway(config=config(vendor.url), server=server)
    async with sdk(first) as client:
        made = await client.files.create(file=("a.jsonl", b"x" * 3_000_000), purpose="batch")
    assert vendor.stored > 3_000_000
    assert first.stop() == 0
    second = start_gateway(config=config(vendor.url), server=server)
    async with sdk(second) as client:
        assert (await client.files.retrieve(made.id)).id == "file-1"
        assert [entry.id async for entry in client.files.list()] == ["file-1"]
        with pytest.raises(openai.NotFoundError):
            await client.files.retrieve("file-2")
    assert len(vendor.keys) == 1  # of two credentials, always the one that made it
    databases = list(second.data_dir.glob("*.sqlite3"))
    for path in databases:  # none when the tests run on PostgreSQL
        with sqlite3.connect(path) as connection:
            rows = connection.execute("select kind, object_id from routing_objectbinding").fetchall()
        connection.close()
        assert rows == [("file", "file-1")]


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
async def test_sockets_are_served_refused_and_held_back(
    vendor, start_gateway: Callable[..., Gateway], server: str
):
    gateway = start_gateway(config=config(vendor.url), server=server)
    headers = {"authorization": f"Bearer {gateway.key}"}
    async with aiohttp.ClientSession() as session:
        for path, sent, status in (
            ("/v1/realtime?model=m", {}, 401),
            ("/v1/realtime?model=none", headers, 404),
            ("/v1/nothing", headers, 404),
        ):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(gateway.url + path, headers=sent)
            assert refused.value.status == status
        async with session.ws_connect(f"{gateway.url}/v1/v1/realtime?model=m", headers=headers) as ws:
            await ws.send_str("hello")
            assert (await ws.receive()).data == "hello"
            await ws.send_str("wait")
            sent_count = await flood(ws)
            assert sent_count < 900  # of 90 MB; the rest stays with the client
            vendor.may_read.set()
            for _ in range(sent_count + 1):
                await ws.receive()
            await ws.send_str("bye")
            await ws.receive()
            await ws.receive()
            assert ws.close_code == 4005
    assert gateway.stop() == 0
    assert "Traceback" not in gateway.log, gateway.log[-3000:]


async def flood(ws: aiohttp.ClientWebSocketResponse) -> int:
    """Send until the connection takes no more for a while; how many messages it took whole."""
    text = json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 100_000})
    count = 0
    try:
        while count < 900:
            await asyncio.wait_for(ws.send_str(text), 1.5)
            count += 1
    except TimeoutError:
        count += 1  # its frame is written; only the wait for the socket was given up
    return count


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
async def test_responses_are_served_over_a_socket(vendor, start_gateway, server):
    gateway = start_gateway(config=config(vendor.url), server=server)
    async with aiohttp.ClientSession() as session:
        for path in ("/v1/responses", "/v1/responses/ws", "/openai/v1/responses", "/v1/v1/responses/"):
            headers = {"authorization": f"Bearer {gateway.key}"}
            url = f"ws://127.0.0.1:{gateway.port}{path}"
            async with session.ws_connect(url, headers=headers) as ws:
                await ws.send_json({"type": "response.create", "model": "m", "input": "Hi"})
                while (event := await ws.receive_json(timeout=5))["type"] != "response.completed":
                    assert event["type"].startswith("response."), event
        for path, status in (("/v1/responses", 401), ("/v1/nothing", 404)):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(f"ws://127.0.0.1:{gateway.port}{path}")
            assert caught.value.status == status
        for path in ("/", "/api/hello"):
            async with session.head(f"http://127.0.0.1:{gateway.port}{path}") as answer:
                assert answer.status == 200
