"""What the explanation says before a request is what the request then does."""

from __future__ import annotations

import random
import time

import pytest

from routing.core.table import RouteSettings, Strategy
from routing.offline import StoredRouting
from routing.preview import Question
from routing.why import explain_route
from tests.integration.proxy.conftest import KEY, digest
from tests.integration.proxy.upstream_double import answers

COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
}
REFUSED = answers(429, {"error": {"message": "slow down"}})


@pytest.mark.parametrize("strategy", [Strategy.ROUND_ROBIN, Strategy.WEIGHTED, Strategy.FILL_FIRST])
async def test_the_first_attempt_goes_where_it_was_said(proxy, upstream, strategy):
    proxy.settings = RouteSettings(request_retry=0, strategy=strategy)
    for number in range(4):
        proxy.offer("m", f"{upstream.url}/v1", weight=number + 1, priority=number % 2)
    draw = random.Random(7)
    client = proxy.clients[digest(KEY)]
    for _ in range(12):
        told = explain_route(
            StoredRouting(proxy.live.table, proxy.state), Question(model="m", client=client), time.time()
        )
        upstream.then(*[REFUSED if draw.random() < 0.3 else answers(body=COMPLETION) for _ in range(4)])
        proxy.ledger.written.clear()
        await proxy.chat()
        upstream.scripts.clear()
        tried = [attempt["credential"] for attempt in proxy.line.attempts]
        said = [choice.credential_id for choice in told.candidates if choice.in_first_round]
        assert tried[:1] == said[:1]
        assert set(tried) <= set(said)
