"""A client that leaves at any moment of its exchange leaves nothing behind, and one record."""

from __future__ import annotations

import asyncio
import json

import pytest

from routing.proxy import presence
from tests.rig import DONE, KEY, MESSAGES, Rig, Says, chunk

CLAUDE = (
    b'data: {"type":"message_start","message":{"id":"m","role":"assistant","content":[],'
    b'"usage":{"input_tokens":7,"output_tokens":1}}}\n\n'
    b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n',
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}\n\n',
    b'data: {"type":"content_block_stop","index":0}\n\n'
    b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}\n\n'
    b'data: {"type":"message_stop"}\n\n',
)
MOST_STEPS = 100


class Leaver:
    """Stays for a number of turns of the loop, then leaves, or has its task cancelled as Daphne does."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.has_begun_to_read = False
        self._gone = asyncio.Event()
        body = json.dumps({"model": "m", "messages": MESSAGES, "stream": True}).encode()
        self._incoming = [{"type": "http.request", "body": body, "more_body": False}]

    async def stay(self, steps: int, *, is_cancelled: bool) -> bool:
        """Whether the exchange was over before."""
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "query_string": b"",
            "headers": [(b"authorization", f"Bearer {KEY}".encode())],
        }
        task = asyncio.create_task(self.rig.application(scope, self._receive, self._send))
        for _ in range(steps):
            await asyncio.sleep(0)
        is_over = task.done()
        if is_cancelled:
            task.cancel()
        self._gone.set()
        await asyncio.wait([task], timeout=2)
        assert task.done()
        return is_over

    async def _receive(self):
        if self._incoming:
            self.has_begun_to_read = True
            return self._incoming.pop()
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        await asyncio.sleep(0)


@pytest.mark.parametrize("is_cancelled", [False, True], ids=["leaves", "is cancelled"])
@pytest.mark.parametrize("fails_first", [False, True], ids=["answers", "fails over"])
@pytest.mark.parametrize("adapter", ["openai-compatibility", "claude"])
async def test_a_client_that_leaves_at_any_moment_leaves_nothing_behind(
    monkeypatch, adapter, fails_first, is_cancelled
):
    monkeypatch.setattr(presence, "GRACE_S", 0.0)
    outcomes, so_far, is_over, steps = [], [], False, 0
    while not is_over:
        rig = Rig()
        if fails_first:
            rig.offer("b", adapter=adapter)
            rig.script("b", 500)
        rig.offer("a", adapter=adapter)
        pieces = CLAUDE if adapter == "claude" else (chunk("Hel"), chunk("lo", "stop"), DONE)
        rig.script("a", Says(pieces=pieces))
        client = Leaver(rig)
        is_over = await client.stay(steps, is_cancelled=is_cancelled)
        await asyncio.sleep(0)
        assert all(rig.state.in_flight(number) == 0 for number in rig.names), steps
        assert all(answer.closed for answer in rig.upstream.answers), steps
        assert not rig.gateway.client._deadlines._running, steps
        assert len(rig.lines.written) == client.has_begun_to_read, steps
        assert asyncio.all_tasks() == {asyncio.current_task()}, steps
        outcomes += [(line.outcome, line.input_tokens) for line in rig.lines.written]
        so_far += [line for line in rig.lines.written if line.attempts and "usage" in line.attempts[-1]]
        steps += 1
        assert steps < MOST_STEPS
    assert outcomes[0][0] == "client_gone"
    assert outcomes[-1][0] == "ok"
    assert so_far, "what was used until then is guessed where it was not told"
    assert all(line.input_tokens and line.attempts[-1]["usage"] == "estimated" for line in so_far)
    if adapter == "claude":
        assert ("client_gone", 7) in outcomes, "what was told until then is recorded"
