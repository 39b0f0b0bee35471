"""``/v1/realtime``: the official SDK and plain clients, through the Channels consumer, to a double."""

from __future__ import annotations

import asyncio
import json
import time

import aiohttp
import openai
import pytest
from aiohttp import WSMsgType, web

from providers.upstream.timeouts import Timeouts
from routing.proxy.realtime import RealtimeConsumer, sendable
from tests.integration.proxy.conftest import KEY, Proxy

pytestmark = pytest.mark.timeout(30)
BEARER = {"authorization": f"Bearer {KEY}"}


class Voice:
    """A realtime upstream: says hello, echoes, and does what a message tells it to."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.received: list[str | bytes] = []
        self.closed_with: list[int | None] = []
        self.statuses: list[int] = []
        self.reads = asyncio.Event()
        self.reads.set()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/v1/realtime", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if self.statuses:
            return web.json_response({"error": {"message": "no"}}, status=self.statuses.pop(0))
        ws = web.WebSocketResponse(protocols=("realtime",), max_msg_size=0)
        await ws.prepare(request)
        await ws.send_json({"type": "session.created", "event_id": "e1", "session": {"type": "realtime"}})
        while True:
            await self.reads.wait()
            message = await ws.receive()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            self.received.append(message.data)
            if isinstance(message.data, bytes):
                await ws.send_bytes(message.data[::-1])
            else:
                await self._react(request, ws, message.data)
        self.closed_with.append(ws.close_code)
        return ws

    async def _react(self, request: web.Request, ws: web.WebSocketResponse, text: str) -> None:
        event = json.loads(text)
        if event["type"] == "response.create":
            counts = {"total_tokens": 12, "input_tokens": 9, "output_tokens": 3}
            usage = {**counts, "input_token_details": {"cached_tokens": 4}}
            response = {"id": "resp_1", "object": "realtime.response", "output": [], "usage": usage}
            await ws.send_json({"type": "response.done", "event_id": "e2", "response": response})
        elif event["type"] == "close":
            await ws.close(code=event["code"])
        elif event["type"] == "drop":
            assert request.transport is not None
            request.transport.abort()
        elif event["type"] == "flood":
            for _ in range(event["count"]):
                await ws.send_str("x" * 100_000)
                self.received.append("sent")
        else:
            await ws.send_str(text)


@pytest.fixture
async def voice():
    double = Voice()
    await double.start()
    yield double
    await double.stop()


@pytest.fixture
async def proxy():
    """Only its parts: the sockets are served by the consumer, mounted as ``asgi.py`` does it."""
    running = Proxy(Timeouts(connect_s=2, first_byte_s=2, idle_s=2))

    async def gateway():
        return running.gateway

    await running.start(RealtimeConsumer.as_asgi(gateway=gateway), ws="websockets-sansio")
    yield running
    await running.stop()


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as made:
        yield made


async def written(proxy):
    for _ in range(300):
        if proxy.ledger.written:
            return proxy.line
        await asyncio.sleep(0.01)
    raise AssertionError("nothing was recorded")


async def test_the_sdk_talks_and_its_usage_is_recorded(proxy, voice):
    proxy.offer("m", voice.url, "gpt-realtime")
    async with (
        openai.AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key=KEY) as client,
        client.realtime.connect(model="m") as connection,
    ):
        assert (await connection.recv()).type == "session.created"
        for _ in range(2):
            await connection.response.create()
            assert (await connection.recv()).type == "response.done"
    line = await written(proxy)
    assert (line.status, line.outcome, line.route_model, line.upstream_model) == (
        101,
        "ok",
        "m",
        "gpt-realtime",
    )
    assert (line.input_tokens, line.output_tokens, line.cached_tokens) == (18, 6, 8)
    assert voice.requests[0].query["model"] == "gpt-realtime"
    assert voice.requests[0].headers["authorization"] == "Bearer upstream-secret-1"


async def test_a_browser_sends_its_key_as_a_sub_protocol(proxy, voice, session):
    proxy.offer("m", voice.url)
    offered = ("realtime", f"openai-insecure-api-key.{KEY}", "openai-beta.realtime-v1")
    async with session.ws_connect(f"{proxy.url}/v1/realtime?model=m&x=1", protocols=offered) as ws:
        assert ws.protocol == "realtime"
        assert (await ws.receive_json())["type"] == "session.created"
    request = voice.requests[0]
    assert request.headers["sec-websocket-protocol"] == "realtime"
    assert request.headers["openai-beta"] == "realtime=v1"
    assert request.query["x"] == "1"
    assert KEY not in str(request.headers)


async def test_text_and_bytes_go_both_ways(proxy, voice, session):
    proxy.offer("m", voice.url)
    async with session.ws_connect(f"{proxy.url}/v1/realtime?model=m", headers=BEARER) as ws:
        await ws.receive()
        await ws.send_str('{"type":"echo","text":"héllo"}')
        assert (await ws.receive()).data == '{"type":"echo","text":"héllo"}'
        await ws.send_bytes(b"\x00\x01\xff")
        assert (await ws.receive()).data == b"\xff\x01\x00"


@pytest.mark.parametrize(("code", "outcome"), [(1000, "ok"), (1008, "cut"), (4001, "cut")])
async def test_the_upstreams_close_code_reaches_the_client(proxy, voice, session, code, outcome):
    proxy.offer("m", voice.url)
    async with session.ws_connect(f"{proxy.url}/v1/realtime?model=m", headers=BEARER) as ws:
        await ws.receive()
        await ws.send_json({"type": "close", "code": code})
        await ws.receive()
        assert ws.close_code == code
    assert (await written(proxy)).outcome == outcome


async def test_a_dropped_upstream_closes_the_client_with_1011(proxy, voice, session):
    proxy.offer("m", voice.url)
    async with session.ws_connect(f"{proxy.url}/v1/realtime?model=m", headers=BEARER) as ws:
        await ws.receive()
        await ws.send_json({"type": "drop"})
        await ws.receive()
        assert ws.close_code == 1011
    line = await written(proxy)
    assert (line.outcome, line.error_code) == ("cut", "closed_1006")


async def test_the_clients_close_code_reaches_the_upstream(proxy, voice, session):
    proxy.offer("m", voice.url)
    async with session.ws_connect(f"{proxy.url}/v1/realtime?model=m", headers=BEARER) as ws:
        await ws.receive()
        await ws.close(code=4002)
    assert (await written(proxy)).outcome == "client_gone"
    for _ in range(200):
        if voice.closed_with:
            break
        await asyncio.sleep(0.01)
    assert voice.closed_with == [4002]


async def test_a_client_that_vanishes_frees_the_upstream(proxy, voice, session):
    proxy.offer("m", voice.url)
    ws = await session.ws_connect(f"{proxy.url}/v1/realtime?model=m", headers=BEARER)
    await ws.receive()
    ws._response.connection.transport.abort()
    await written(proxy)  # uvicorn does not tell a lost connection from a close without a code
    for _ in range(200):
        if voice.closed_with:
            break
        await asyncio.sleep(0.01)
    assert voice.closed_with[0] in (1000, 1001)


async def test_a_slow_client_holds_back_the_upstream(proxy, voice, session):
    proxy.offer("m", voice.url)
    async with session.ws_connect(f"{proxy.url}/v1/realtime?model=m", headers=BEARER) as ws:
        await ws.receive()
        await ws.send_json({"type": "flood", "count": 600})
        last = -1
        while len(voice.received) != last:
            last = len(voice.received)
            await asyncio.sleep(0.3)
        assert last < 500  # of 60 MB, less than 50 have left the upstream
        ws._response.connection.transport.abort()


async def test_another_credential_is_tried_before_the_socket_opens(proxy, voice, session):
    voice.statuses = [429]
    proxy.offer("m", voice.url, priority=2)
    proxy.offer("m", voice.url)
    async with session.ws_connect(f"{proxy.url}/v1/realtime?model=m", headers=BEARER) as ws:
        assert (await ws.receive_json())["type"] == "session.created"
    assert proxy.state.cooldown(1, "m", time.time()) is not None
    assert len((await written(proxy)).attempts) == 2


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("?model=m", {}, 401),
        ("?model=m", {"authorization": "Bearer wrong"}, 401),
        ("", BEARER, 400),
        ("?model=none", BEARER, 404),
        ("?model=claude", BEARER, 404),
        ("?model=refused", BEARER, 503),
        ("?model=away", BEARER, 502),
    ],
)
async def test_a_refusal_is_an_http_answer(proxy, voice, session, query, headers, status):
    voice.statuses = [503] * 5
    proxy.offer("m", voice.url)
    proxy.offer("refused", voice.url)
    proxy.offer("away", "http://127.0.0.1:9/v1")
    proxy.offer("claude", voice.url, adapter="claude")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await session.ws_connect(f"{proxy.url}/v1/realtime{query}", headers=headers)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("seen", "sent"),
    [
        (1000, 1000),
        (1001, 1001),
        (1005, 1000),
        (1006, 1011),
        (1015, 1011),
        (4999, 4999),
        (0, 1011),
        (2000, 1011),
    ],
)
def test_only_codes_that_may_be_sent_are_sent(seen, sent):
    assert sendable(seen) == sent
