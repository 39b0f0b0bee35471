import asyncio

import pytest

from routing.proxy.keepalive import COMMENT, while_telling, with_comments


async def scripted(*steps):
    for step in steps:
        if isinstance(step, float):
            await asyncio.sleep(step)
        elif isinstance(step, Exception):
            raise step
        else:
            yield step


async def collect(*steps, seconds=0.02):
    return [piece async for piece in with_comments(scripted(*steps), seconds)]


async def test_silence_between_events_is_filled_with_comments():
    got = await collect(b"data: 1\n\n", 0.05, b"data: 2\n\n")
    assert b"".join(piece for piece in got if piece != COMMENT) == b"data: 1\n\ndata: 2\n\n"
    assert got[0] == b"data: 1\n\n"
    assert COMMENT in got


async def test_no_comment_breaks_an_event():
    assert await collect(b"data: hal", 0.05, b"f\r\n\r\n", b"data: x\r\n\r\n") == [
        b"data: hal",
        b"f\r\n\r\n",
        b"data: x\r\n\r\n",
    ]


async def test_no_silence_no_comment():
    assert await collect(b"a\n\n", b"b\n\n", seconds=5) == [b"a\n\n", b"b\n\n"]


async def test_a_failure_passes_through():
    with pytest.raises(RuntimeError, match="broke"):
        await collect(b"a\n\n", RuntimeError("broke"))


async def test_closing_it_ends_the_wait():
    ended = asyncio.Event()

    async def endless():
        try:
            yield b"a\n\n"
            await asyncio.sleep(60)
            yield b"never"
        finally:
            ended.set()

    pieces = with_comments(endless(), 0.01)
    assert await anext(pieces) == b"a\n\n"
    assert await anext(pieces) == COMMENT
    await pieces.aclose()
    await asyncio.wait_for(ended.wait(), 1)


async def test_slow_work_is_told_of_until_it_is_done():
    told = []

    async def tell():
        told.append(1)

    async def work(seconds):
        await asyncio.sleep(seconds)
        return "done"

    assert await while_telling(work(0.06), 0.02, tell) == "done"
    assert len(told) >= 2
    told.clear()
    assert await while_telling(work(0), 1, tell) == "done"
    assert told == []


async def test_work_ends_with_its_waiter_and_its_failure_is_the_waiter_s():
    ended = asyncio.Event()

    async def endless():
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def tell():
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await while_telling(endless(), 0.01, tell)
    assert ended.is_set()

    async def failing():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await while_telling(failing(), 1, tell)
