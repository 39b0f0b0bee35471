"""Two processes' states on one Redis, as it lives, freezes, dies and comes back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from providers.values import Limits, RefusalKind
from routing.core.cooldown import Cooldown, History
from routing.core.state import Claim, Ticket
from routing.state import redis as module
from routing.state.redis import RedisState
from tests.redis_server import running_redis


@pytest.fixture
def server(tmp_path):
    with running_redis(tmp_path) as running:
        yield running


@pytest.fixture(autouse=True)
def soon_again(monkeypatch):
    monkeypatch.setattr(module, "RETRY_AFTER_S", (0.02,))
    monkeypatch.setattr(module, "ASK_EVERY_S", 0.1)
    monkeypatch.setattr(module, "ANSWER_WITHIN_S", 0.3)


@asynccontextmanager
async def processes(server, count=2):
    states = [RedisState(server.url) for _ in range(count)]
    for state in states:
        await state.start()
    try:
        yield states
    finally:
        for state in states:
            await state.stop()


async def until(is_so, seconds=8.0):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.005)


def failed(seconds=60.0, model="gpt", since=None):
    now = time.time() if since is None else since
    rest = Cooldown(cause=RefusalKind.QUOTA, since=now, until=now + seconds, model=model, status=429)
    return History(level=3, cooldown=rest)


def claim(tokens=0, scope="client:1", **limits):
    return (Claim(scope=scope, limits=Limits(**limits), tokens=tokens),)


def resting(state, credential=1, model="gpt"):
    return state.cooldown(credential, model, time.time())


# --- start and stop ------------------------------------------------------------------------------


@pytest.mark.parametrize("has_news", [False, True])
async def test_it_stops_at_whatever_moment_it_is_told_to(server, has_news):
    """The library loses a cancellation that meets its own timeouts: nothing may wait for one for ever."""
    for steps in range(16):
        state = RedisState(server.url)
        if has_news:
            await state.start()
            state.turn("m")
        starting = asyncio.create_task(state.start()) if not has_news else None
        for _ in range(steps):
            await asyncio.sleep(0)
        async with asyncio.timeout(3):
            await state.stop()
        if starting is not None:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)


# --- what is shared ---------------------------------------------------------------------------


async def test_a_cooldown_and_its_end_reach_the_other_process_and_who_starts_later(server):
    async with processes(server) as (one, other):
        one.record_failure(1, "gpt", failed())
        await until(lambda: resting(other))
        assert other.history(1, "gpt").level == 3
        async with processes(server, 1) as (late,):
            assert resting(late)
        other.record_success(1, "gpt", time.time())
        await until(lambda: not resting(one))
        async with processes(server, 1) as (late,):
            assert not resting(late)


async def test_clearing_in_one_process_clears_in_all(server):
    async with processes(server) as (one, other):
        one.record_failure(1, "gpt", failed())
        one.record_failure(1, "", failed(model=""))
        await until(lambda: len(other.running(1, time.time())) == 2)
        other.clear(1, time.time())
        await until(lambda: not one.running(1, time.time()))


async def test_one_rotation_runs_through_all_processes(server):
    async with processes(server) as (one, other):
        turns = []
        for number in range(40):
            turns.append((one, other)[number % 2].turn("m"))
            await asyncio.sleep(0.01)
        # At most a turn or two was taken twice, or by nobody, at the same moment.
        assert len(set(turns)) >= 38
        assert max(turns) <= 41


async def test_rotations_agree_after_turns_taken_all_at_once(server):
    async with processes(server, 3) as states:
        for state in states:
            for _ in range(100):
                state.turn("m")
        await until(lambda: all(state.turn("m", peek=True) == 300 for state in states))


async def test_who_was_served_last_is_known_to_all(server):
    async with processes(server) as (one, other):
        one.note_served("ring", 7)
        await until(lambda: other.last_served("ring") == 7)
        async with processes(server, 1) as (late,):
            assert late.last_served("ring") == 7


async def test_weights_hold_over_both_processes_together(server):
    async with processes(server) as (one, other):
        weights = ((1, 5), (2, 1), (3, 1))
        chosen: Counter[int] = Counter()
        for number in range(70):
            chosen[(one, other)[number % 2].weighted_turn("m", weights)] += 1
            await asyncio.sleep(0.004)
        assert abs(chosen[1] - 50) <= 4
        assert abs(chosen[2] - 10) <= 3


async def test_a_conversation_is_bound_in_all_processes_and_let_go_in_all(server):
    async with processes(server) as (one, other):
        now = time.time()
        one.bind("claude:s", 7, now, 60)
        await until(lambda: other.binding("claude:s", now) == 7)
        async with processes(server, 1) as (late,):
            assert late.binding("claude:s", now) == 7
        other.unbind(7)
        await until(lambda: one.binding("claude:s", now) is None)
        async with processes(server, 1) as (late,):
            assert late.binding("claude:s", now) is None


async def test_a_probe_is_sent_by_one_process(server):
    async with processes(server) as (one, other):
        one.record_failure(1, "gpt", failed())
        await until(lambda: resting(other))
        assert one.claim_probe(1, "gpt", time.time())
        await until(lambda: not other.claim_probe(1, "gpt", time.time(), peek=True))


# --- limits -------------------------------------------------------------------------------------


async def ask(states, claims, times):
    found = await asyncio.gather(
        *(states[number % len(states)].admit(claims, time.time()) for number in range(times))
    )
    return [one for one in found if isinstance(one, Ticket)], [
        one for one in found if not isinstance(one, Ticket)
    ]


async def test_two_processes_together_let_through_what_the_limit_says(server):
    async with processes(server) as states:
        tickets, waits = await ask(states, claim(rpm=10), 30)
        assert len(tickets) == 10
        assert all(59 <= wait <= 61.1 for wait in waits)
        for state in states:
            assert state.limit_wait_s("client:1", Limits(rpm=10), time.time()) > 0 or not waits
            left = state.allowance("client:1", Limits(rpm=10), time.time()).requests
            assert left is not None
            assert left.limit == 10
        assert [len(found) for found in await ask(states, claim(rpm=10), 4)] == [0, 4]


async def test_places_at_once_are_shared_and_freed_by_either(server):
    async with processes(server) as states:
        limit = {"concurrency": 2}
        tickets, waits = await ask(states, claim(**limit), 6)
        assert len(tickets) == 2
        assert waits
        for ticket in tickets:
            states[int(ticket.lease.startswith(states[1]._origin))].give_back(ticket, 0, time.time())
        deadline = time.monotonic() + 5
        while not isinstance(await states[0].admit(claim(**limit), time.time()), Ticket):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)


async def test_tokens_are_reserved_then_counted(server):
    async with processes(server) as (one, other):
        limits = Limits(tpm=100)
        ticket = await one.admit(claim(tokens=100, tpm=100), time.time())
        assert isinstance(ticket, Ticket)
        assert await other.admit(claim(tpm=100), time.time()) != 0
        one.give_back(ticket, 30, time.time())

        async def passes():
            other._limits._full.clear()
            found = await other.admit(claim(tpm=100), time.time())
            return isinstance(found, Ticket)

        deadline = time.monotonic() + 5
        while not await passes():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        left = other.allowance("client:1", limits, time.time()).tokens
        assert left is not None
        assert left.remaining == 70


async def test_of_several_claims_all_or_none_is_taken(server):
    async with processes(server, 1) as (state,):
        both = claim(rpm=5) + claim(scope="provider:1", rpm=1)
        assert isinstance(await state.admit(both, time.time()), Ticket)
        assert not isinstance(await state.admit(both, time.time()), Ticket)
        tickets, _ = await ask([state], claim(rpm=5), 9)
        assert len(tickets) == 4


async def test_places_of_a_process_that_stops_are_free(server):
    async with processes(server, 1) as (one,):
        assert isinstance(await one.admit(claim(concurrency=1), time.time()), Ticket)
    async with processes(server, 1) as (other,):
        assert isinstance(await other.admit(claim(concurrency=1), time.time()), Ticket)


# --- trouble --------------------------------------------------------------------------------------


def told(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "routing.state"]


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_redis_away_is_told_once_and_its_return_once_and_both_sides_meet_again(server, caplog, how):
    caplog.set_level(logging.WARNING, "routing.state")
    async with processes(server) as (one, other):
        one.turn("m")
        await until(lambda: other.turn("m", peek=True) == 1)
        server.kill() if how == "killed" else server.freeze()
        began = time.monotonic()
        tickets, _ = await ask([one, other], claim(rpm=100), 20)
        assert len(tickets) == 20
        await until(lambda: not (one.is_shared or other.is_shared))
        assert time.monotonic() - began < 3
        one.record_failure(1, "gpt", failed())
        other.bind("s", 9, time.time(), 60)
        for _ in range(5):
            one.turn("m")
        assert resting(one)
        assert not resting(other)
        await asyncio.sleep(0.3)
        assert len(told(caplog)) == 2  # one per process
        server.start() if how == "killed" else server.thaw()
        await until(lambda: one.is_shared and other.is_shared)
        await until(lambda: resting(other) and one.binding("s", time.time()) == 9)
        other.turn("m")
        await until(lambda: one.turn("m", peek=True) == other.turn("m", peek=True) >= 7)
        assert len(told(caplog)) == 4
        assert all(text.startswith("Redis is back") for text in told(caplog)[2:])
    assert len(told(caplog)) == 4


async def test_what_worked_while_redis_was_away_does_not_come_back_as_a_cooldown(server):
    async with processes(server, 1) as (state,):
        state.record_failure(1, "gpt", failed())
        await asyncio.sleep(0.05)
        server.freeze()
        await until(lambda: not state.is_shared)
        state.record_success(1, "gpt", time.time())
        server.thaw()
        await until(lambda: state.is_shared)
        assert not resting(state)
        async with processes(server, 1) as (late,):
            assert not resting(late)


async def test_without_redis_at_the_start_it_is_memory_until_redis_comes(server, caplog):
    server.kill()
    async with processes(server, 1) as (state,):
        assert not state.is_shared
        assert isinstance(await state.admit(claim(rpm=1), time.time()), Ticket)
        assert await state.admit(claim(rpm=1), time.time()) > 0
        server.start()
        await until(lambda: state.is_shared)


async def test_messages_of_another_version_are_passed_over(server):
    async with processes(server, 1) as (state,):
        for data in (b"", b"\xff", b"{}", b'{"origin":"x","turns":{},"changes":[{"type":"new"}]}'):
            state._hear(data)
        assert state.is_shared
