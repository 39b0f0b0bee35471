"""What serving processes put into Redis is read again by one that serves nothing."""

from __future__ import annotations

import asyncio
import time

from providers.values import RefusalKind
from routing.core.cooldown import Cooldown, History
from routing.offline_redis import read_state
from routing.state.redis import RedisState
from tests.redis_server import running_redis


async def test_cooldowns_and_conversations_are_read(tmp_path):
    now = time.time()
    rest = Cooldown(cause=RefusalKind.TRANSIENT, since=now, until=now + 60, model="up/with:signs")
    with running_redis(tmp_path) as server:
        serving = RedisState(server.url)
        await serving.start()
        serving.record_failure(7, "up/with:signs", History(level=2, cooldown=rest))
        serving.bind("1|header:42|m", 7, now, 3600)
        async with asyncio.timeout(20):
            while (found := await asyncio.to_thread(read_state, server.url, now)) is not None:
                if found.running(7, now) and found.binding("1|header:42|m", now):
                    break
                await asyncio.sleep(0.01)
        await serving.stop()
    assert found is not None
    assert [one.cause for one in found.running(7, now)] == [RefusalKind.TRANSIENT]
    assert found.cooldown(7, "up/with:signs", now) == rest
    assert found.binding("1|header:42|m", now) == 7
    assert await asyncio.to_thread(read_state, server.url, now) is None
