"""In the steady state a proxied request runs no database query, on any thread."""

from __future__ import annotations

import threading
import time

import httpx
import pytest
from django.db import connections
from django.db.backends.utils import CursorWrapper

from providers.upstream.client import UpstreamClient
from providers.upstream.timeouts import Timeouts
from routing import client_keys
from routing.live import LiveTable
from routing.proxy.app import ProxyApplication
from routing.proxy.gateway import Gateway
from routing.state.memory import MemoryState
from routing.usage import Spool
from tests.integration.proxy.upstream_double import COMPLETION, HELLO_STREAM, FakeUpstream, answers, streams
from tests.integration.routing.makers import make_alias, make_credential, make_provider
from tests.integration.routing.test_live import in_thread

NEVER_S = 3600.0


@pytest.fixture
async def upstream():
    double = FakeUpstream()
    await double.start()
    yield double
    await double.stop()


@pytest.fixture
def statements(monkeypatch):
    """Every statement of every connection, with the name of its thread."""
    seen = []
    execute = CursorWrapper.execute

    def noted(self, sql, params=None):
        seen.append((threading.current_thread().name, sql))
        return execute(self, sql, params)

    monkeypatch.setattr(CursorWrapper, "execute", noted)
    return seen


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("stream", [False, True])
async def test_twenty_requests_run_no_query(upstream, statements, tmp_path, stream):
    def save():
        provider = make_provider(base_url=f"{upstream.url}/v1")
        make_credential(provider)
        make_alias(provider, "gpt")
        return client_keys.create()[1]

    key = await in_thread(save)()
    upstream.then(streams(*HELLO_STREAM) if stream else answers(200, COMPLETION))
    state, client, spool = MemoryState(), UpstreamClient(Timeouts()), Spool(tmp_path)
    live = LiveTable(state, NEVER_S)
    await live.start()
    assert statements
    gateway = Gateway(
        live=live,
        state=state,
        client=client,
        ledger=spool,
        digest=client_keys.digest,
        clock=time.time,
        body_limit=1_000_000,
    )
    transport = httpx.ASGITransport(ProxyApplication(gateway))
    body = {"model": "gpt", "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
            statements.clear()
            for _ in range(20):
                answer = await http.post(
                    "/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}
                )
                assert answer.status_code == 200, answer.text
            listed = await http.get("/v1/models", headers={"x-api-key": key})
            assert listed.json()["data"][0]["id"] == "gpt"
        assert statements == []
        assert len(spool.pending()[0]) == 20
    finally:
        await live.stop()
        await in_thread(connections.close_all)()
        await client.close()
        spool.close()
