"""What the first and the second signal mean."""

import asyncio
import os
import signal

from cliproxy_site.servers import drain
from cliproxy_site.servers.drain import StopSignals, run_stop_hook


async def test_the_first_signal_asks_and_a_later_one_insists(monkeypatch):
    monkeypatch.setattr(drain, "SAME_REQUEST_S", 0.0)
    signals, seen = StopSignals(), []
    signals.on_signal(lambda: seen.append(signals.insisted.is_set()))
    with signals.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(signals.asked.wait(), 5)
        assert not signals.insisted.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(signals.insisted.wait(), 5)
    assert seen == [False, True]


async def test_two_signals_at_once_are_one_request():
    signals = StopSignals()
    signals.stop()
    signals.stop()
    assert signals.asked.is_set()
    assert not signals.insisted.is_set()


async def test_waiting_ends_with_what_is_waited_for():
    await asyncio.wait_for(StopSignals().wait_unless_insisted(asyncio.sleep(0), 60), 5)


async def test_waiting_ends_when_the_time_is_up():
    await asyncio.wait_for(StopSignals().wait_unless_insisted(asyncio.Event().wait(), 0.01), 5)


async def test_waiting_ends_when_stopping_is_insisted_on():
    signals = StopSignals()
    signals.insisted.set()
    await asyncio.wait_for(signals.wait_unless_insisted(asyncio.Event().wait(), 60), 5)


async def test_a_pause_ends_early_when_asked_to_stop():
    signals = StopSignals()
    await signals.wait_unless_asked(0.01)
    signals.stop()
    await asyncio.wait_for(signals.wait_unless_asked(60), 5)


async def test_a_stop_hook_that_hangs_is_cancelled_and_logged(monkeypatch, caplog):
    monkeypatch.setattr(drain, "HOOK_S", 0.01)
    await run_stop_hook(lambda: asyncio.sleep(60))
    assert "did not finish" in caplog.text
