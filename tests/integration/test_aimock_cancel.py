"""A client that leaves in the middle of a stream: the upstream request ends within a second."""

from __future__ import annotations

import time

import pytest

from tests.integration.conftest import FORMATS, Aimock
from tests.integration.test_aimock_answers import asking

pytestmark = pytest.mark.parametrize("upstream", FORMATS)


def interrupted(aimock: Aimock) -> int:
    """How many answers aimock could not write to their end."""
    return sum(bool(entry["response"].get("interrupted")) for entry in aimock.journal())


def test_leaving_a_stream_cancels_the_upstream_request(client, aimock: Aimock, upstream):
    before = interrupted(aimock)
    with client.chat.completions.create(**asking(upstream, "count slowly"), stream=True) as stream:
        for chunk in stream:
            if chunk.choices and "one" in (chunk.choices[0].delta.content or ""):
                break
    left = time.monotonic()
    while interrupted(aimock) == before and time.monotonic() - left < 10:
        time.sleep(0.05)
    # aimock notices at its next write, 150 ms apart: the gateway's own second is what is left of this.
    assert interrupted(aimock) == before + 1
    assert time.monotonic() - left < 1.5


def test_the_gateway_serves_on_after_a_cancelled_stream(client, upstream):
    for _ in range(3):
        with client.chat.completions.create(**asking(upstream, "count slowly"), stream=True) as stream:
            next(iter(stream))
    answer = client.chat.completions.create(**asking(upstream, "say hello"))
    assert answer.choices[0].message.content == "Hello from the far side, dear caller."
