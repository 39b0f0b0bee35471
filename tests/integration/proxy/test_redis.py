"""Two gateways on one Redis that freezes and dies while clients ask: no request is lost."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from providers.upstream.timeouts import Timeouts
from providers.values import Limits
from routing.core.table import ClientEntry
from routing.state import redis as module
from routing.state.redis import RedisState
from tests.integration.proxy.conftest import KEY, Proxy, digest
from tests.integration.proxy.upstream_double import COMPLETION, answers
from tests.redis_server import running_redis


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RETRY_AFTER_S", (0.02,))
    monkeypatch.setattr(module, "ANSWER_WITHIN_S", 0.3)
    with running_redis(tmp_path) as running:
        yield running


@pytest.fixture
async def pair(server, upstream):
    upstream.then(answers(body=COMPLETION))
    async with AsyncExitStack() as stack:
        proxies = []
        for _ in range(2):
            state = RedisState(server.url)
            await state.start()
            stack.push_async_callback(state.stop)
            proxy = Proxy(Timeouts(connect_s=2, first_byte_s=5, idle_s=5), state=state)
            await proxy.start()
            stack.push_async_callback(proxy.stop)
            for number in (1, 2):
                proxy.offer("m", f"{upstream.url}/v1", id=number)
            proxies.append(proxy)
        yield proxies


async def test_one_key_s_limit_holds_over_both(pair):
    for proxy in pair:
        proxy.clients[digest(KEY)] = ClientEntry(id=1, label="alice", limits=Limits(rpm=10))
        proxy.publish()
    statuses = [(await pair[number % 2].chat()).status_code for number in range(14)]
    assert statuses == [200] * 10 + [429] * 4


async def test_credentials_take_turns_over_both(pair):
    served = [(await pair[number % 2].chat()).headers["x-cliproxy-provider"] for number in range(20)]
    assert 8 <= served.count("fake-1") <= 12


async def test_no_request_is_lost_while_redis_freezes_dies_and_comes_back(pair, server):
    for proxy in pair:
        proxy.clients[digest(KEY)] = ClientEntry(
            id=1, label="alice", limits=Limits(rpm=100_000, concurrency=500)
        )
        proxy.publish()
    statuses: list[int] = []
    is_over = False

    async def client(proxy):
        while not is_over:
            statuses.append((await proxy.chat()).status_code)

    async with asyncio.TaskGroup() as clients:
        for number in range(8):
            clients.create_task(client(pair[number % 2]))
        await asyncio.sleep(0.2)
        server.freeze()
        await asyncio.sleep(0.8)
        server.thaw()
        await asyncio.sleep(0.3)
        server.kill()
        await asyncio.sleep(0.3)
        server.start()
        for _ in range(400):
            if all(proxy.state.is_shared for proxy in pair):
                break
            await asyncio.sleep(0.01)
        is_over = True
    assert all(proxy.state.is_shared for proxy in pair)
    assert set(statuses) == {200}
    assert len(statuses) > 20
