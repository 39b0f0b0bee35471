"""What the serving processes share through Redis, looked at once by a process that serves nothing.

Only for ``routing/offline.py``, which imports it where Redis is configured.
"""

from __future__ import annotations

import contextlib

import msgspec
import redis

from routing.state import scripts
from routing.state.memory import MemoryState
from routing.state.messages import HISTORY

ANSWER_WITHIN_S = 2.0
SCAN_BATCH = 500


def read_state(url: str, now: float) -> MemoryState | None:
    """Cooldowns and conversations; None when Redis does not answer."""
    state = MemoryState()
    client = redis.Redis.from_url(url, socket_timeout=ANSWER_WITHIN_S, socket_connect_timeout=ANSWER_WITHIN_S)
    try:
        _read(client, state, now)
    except redis.RedisError:
        return None
    finally:
        client.close()
    return state


def _read(client: redis.Redis, state: MemoryState, now: float) -> None:
    """Cooldowns and conversations as ``routing/state/redis.py`` keeps them."""
    for key in client.scan_iter(match=f"{scripts.PREFIX}rest:*", count=SCAN_BATCH):
        credential, _, model = key.decode().removeprefix(f"{scripts.PREFIX}rest:").partition(":")
        value = client.get(key)
        with contextlib.suppress(msgspec.MsgspecError, ValueError):
            if isinstance(value, bytes):
                state.record_failure(int(credential), model, HISTORY.decode(value))
    for key in client.scan_iter(match=f"{scripts.PREFIX}bind:*", count=SCAN_BATCH):
        value, left_ms = client.get(key), client.pttl(key)
        with contextlib.suppress(ValueError):
            if isinstance(value, bytes) and isinstance(left_ms, int) and left_ms > 0:
                name = key.decode().removeprefix(f"{scripts.PREFIX}bind:")
                state.bind(name, int(value), now, left_ms / 1000)
