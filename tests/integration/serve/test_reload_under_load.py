"""The file changes while clients stream. In full size, against a clock: ``make bench``."""

from __future__ import annotations

from tests import reload_under_load


async def test_no_stream_feels_a_change_and_each_is_soon_in_force(start_gateway):
    outcome = await reload_under_load.run(start_gateway, changes=5, clients=12)
    assert outcome.failures == []
    assert outcome.streams > 24
    assert outcome.client_sockets_left == 0
    assert min(outcome.seen_after_s) < 1.0  # the others wait for a machine that runs other tests beside
