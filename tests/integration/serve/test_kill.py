"""kill -9 under load: the ledger agrees with what the upstream counted, less what was still in flight."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.integration.serve.conftest import records_when
from tests.integration.serve.upstream import CountingUpstream
from tests.processes import CLIENT_KEY, Gateway

REQUESTS = 200
AT_ONCE = 40
RECORDS = "SELECT request_id, input_tokens, output_tokens FROM routing_usagerecord WHERE outcome = 'ok'"


async def drive(gateway: Gateway, numbers: list[int], seen: set[int]) -> None:
    """Ask for each number, every other one as a stream; those answered to the end go into ``seen``."""
    waiting = list(reversed(numbers))

    async def work(session: aiohttp.ClientSession) -> None:
        while waiting:
            number = waiting.pop()
            body = {
                "model": "counted",
                "stream": number % 2 == 0,
                "messages": [{"role": "user", "content": str(number)}],
            }
            headers = {"authorization": f"Bearer {CLIENT_KEY}", "x-request-id": f"n-{number}"}
            try:
                url = f"{gateway.url}/v1/chat/completions"
                async with session.post(url, json=body, headers=headers) as answer:
                    data = await answer.read()
                    assert answer.status == 200, data
                    assert data.endswith(b"data: [DONE]\n\n" if body["stream"] else b"}")
            except (aiohttp.ClientError, ConnectionError):
                continue  # the gateway is dead
            seen.add(number)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(work(session) for _ in range(AT_ONCE)))


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
async def test_the_records_agree_with_the_upstream_after_a_kill(start_gateway, server):
    seen: set[int] = set()
    async with CountingUpstream(pause_s=0.15) as upstream:
        upstream.enough_after = REQUESTS // 2
        config = (
            "request-retry: 0\nopenai-compatibility:\n"
            f"  - name: counting\n    base-url: {upstream.url}\n    models: [{{name: counted}}]\n"
            "    api-key-entries: [{api-key: counted-secret}]\n"
        )
        # Some records are in the database by then, some only in the spool.
        options = {
            "config": config,
            "server": server,
            "environment": {"CLIPROXY_USAGE_FLUSH_INTERVAL_S": "0.3"},
        }
        killed = await asyncio.to_thread(start_gateway, **options)
        load = asyncio.get_running_loop().create_task(drive(killed, list(range(REQUESTS)), seen))
        await asyncio.wait_for(upstream.enough.wait(), 30)
        killed.kill()
        await load
        assert 0 < len(seen) < REQUESTS
        again = await asyncio.to_thread(start_gateway, **options)
        await drive(again, [REQUESTS], seen)
        last = f"n-{REQUESTS}"
        found = await asyncio.to_thread(
            records_when, again, lambda rows: last in {row[0] for row in rows}, RECORDS
        )
    recorded = {int(name[2:]): (given, taken) for name, given, taken in found}
    assert len(recorded) == len(found)
    in_flight = upstream.answered.keys() - seen
    assert len(in_flight) <= AT_ONCE
    assert seen <= recorded.keys() <= upstream.answered.keys()
    assert recorded == {number: (3 + number, number) for number in recorded}
    missing = upstream.answered.keys() - recorded.keys()
    assert missing <= in_flight
    counted = sum(3 + 2 * number for number in upstream.answered)
    assert sum(map(sum, recorded.values())) == counted - sum(3 + 2 * number for number in missing)
