"""``/v1/ws``: a page connects, serves the gateway's clients, and leaves."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import msgspec
import pytest
from channels.routing import ProtocolTypeRouter

from providers.upstream.client import UpstreamClient
from providers.upstream.timeouts import Timeouts
from routing.core.relay_model import RelayModel
from routing.core.table import RouteSettings
from routing.proxy.app import ProxyApplication
from routing.proxy.relay_socket import RelayPageConsumer
from tests.integration.proxy.conftest import KEY, Proxy
from tests.integration.proxy.pairs.spoken import HELLO, gemini_chunks, gemini_whole, sse

pytestmark = pytest.mark.timeout(30)
BEARER = {"authorization": f"Bearer {KEY}"}
CHAT = {"model": "gemini-2.5-pro", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
async def proxy():
    running = Proxy(Timeouts(connect_s=2, first_byte_s=2, idle_s=2))
    pages = running.gateway.pages
    client = UpstreamClient(Timeouts(connect_s=2, first_byte_s=2, idle_s=2), relays=pages.sessions)
    object.__setattr__(running.gateway, "client", client)
    models = tuple(RelayModel(id=name, upstream=name, owned_by="aistudio") for name in ("gemini-2.5-pro",))
    bare = msgspec.structs.replace(running.live.table, relayed=models)

    def refresh():
        running.live.table = pages.overlaid(bare)

    pages.changed = refresh

    async def gateway():
        return running.gateway

    app = ProtocolTypeRouter(
        {"http": ProxyApplication(running.gateway), "websocket": RelayPageConsumer.as_asgi(gateway=gateway)}
    )
    await running.start(app, ws="websockets-sansio")
    yield running
    await client.close()
    await running.stop()


async def connected(session, proxy, **options):
    socket_ = await session.ws_connect(f"{proxy.url}/v1/ws", **options)
    while not proxy.gateway.pages.sessions:
        await asyncio.sleep(0.005)
    return socket_


async def ask(proxy, body):
    return await proxy.http.post(f"{proxy.url}/v1/chat/completions", json=body, headers=BEARER)


async def test_a_page_serves_clients_while_it_is_connected(proxy):
    async with aiohttp.ClientSession() as session:
        page = await connected(session, proxy, headers=BEARER)
        asking = asyncio.ensure_future(ask(proxy, {**CHAT, "max_tokens": 5}))
        frame = await page.receive_json()
        assert frame["payload"]["url"].endswith("/v1beta/models/gemini-2.5-pro:generateContent")
        body = {"status": 200, "headers": {}, "body": json.dumps(gemini_whole(HELLO))}
        await page.send_json({"id": frame["id"], "type": "http_response", "payload": body})
        answer = await asking
        assert answer.json()["choices"][0]["message"]["content"] == HELLO.text
        assert answer.headers["x-cliproxy-provider"] == "aistudio"
        assert "generationConfig.maxOutputTokens" in answer.headers["x-cliproxy-dropped"]
        await page.close()
        while proxy.gateway.pages.sessions:
            await asyncio.sleep(0.005)
        assert (await ask(proxy, CHAT)).status_code == 404
    assert proxy.ledger.written[0].credential_id is None
    assert proxy.ledger.written[0].provider_key == "aistudio"


async def test_a_stream_comes_through_a_page_and_a_lost_page_cuts_it(proxy):
    async with aiohttp.ClientSession() as session:
        page = await connected(session, proxy, headers=BEARER)
        for is_lost in (False, True):
            asking = asyncio.ensure_future(ask(proxy, {**CHAT, "stream": True}))
            request_id = (await page.receive_json())["id"]
            head = {"status": 200, "headers": {"content-type": "text/event-stream"}}
            await page.send_json({"id": request_id, "type": "stream_start", "payload": head})
            for chunk in gemini_chunks(HELLO)[: 3 if is_lost else None]:
                payload = {"data": sse(chunk).decode()}
                await page.send_json({"id": request_id, "type": "stream_chunk", "payload": payload})
            if is_lost:
                await page.close()
            else:
                await page.send_json({"id": request_id, "type": "stream_end", "payload": {}})
            text = (await asking).text
            assert ("[DONE]" in text) is not is_lost
            assert ('"error"' in text) is is_lost


@pytest.mark.parametrize("options", [{}, {"headers": {"authorization": "Bearer wrong"}}])
async def test_a_page_without_a_client_key_is_refused(proxy, options):
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(f"{proxy.url}/v1/ws", **options)
    assert caught.value.status == 401


async def test_a_key_in_the_query_is_enough(proxy):
    async with aiohttp.ClientSession() as session:
        page = await session.ws_connect(f"{proxy.url}/v1/ws?auth_token={KEY}")
        await page.send_json({"id": "p", "type": "ping", "payload": {}})
        assert (await page.receive_json())["type"] == "pong"


async def test_without_ws_auth_a_page_needs_no_key_until_it_is_switched_on(proxy):
    table = proxy.live.table
    proxy.live.table = msgspec.structs.replace(table, settings=RouteSettings(ws_auth=False))
    async with aiohttp.ClientSession() as session:
        page = await connected(session, proxy)
        proxy.gateway.pages.follow(table)
        message = await page.receive()
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert page.close_code == 1008


async def test_a_page_that_speaks_nonsense_is_sent_away(proxy):
    async with aiohttp.ClientSession() as session:
        page = await connected(session, proxy, headers=BEARER)
        await page.send_str("nonsense")
        await page.receive()
        assert page.close_code == 1008
