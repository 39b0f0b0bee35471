"""Limits of waits: one timer for all, none extended or shortened by another."""

from __future__ import annotations

import asyncio

import pytest

from providers.upstream.deadline import SPACING_S, Deadlines
from tests.jumping import cancellations, run

LATE_S = SPACING_S + 0.001


def now() -> float:
    return asyncio.get_running_loop().time()


async def wait_under(deadline):
    with deadline:
        await asyncio.Event().wait()


async def ends_with_an_error():
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError as error:
        raise OSError("ended") from error


async def expired_at(deadline):
    """When the wait for ever under ``deadline`` was ended."""
    with pytest.raises(TimeoutError):
        await wait_under(deadline)
    deadline.close()
    return now()


def test_a_wait_ends_at_its_limit():
    async def main():
        deadlines = Deadlines()
        assert await expired_at(deadlines.begin(30)) == pytest.approx(30)
        assert await expired_at(deadlines.begin(0.5)) == pytest.approx(30.5)

    run(main())


def test_each_of_many_ends_at_its_own_limit():
    async def main():
        deadlines = Deadlines()
        limits = [600, 3, 0.2, 45, 3.01, 0.2, 599.99, 7, 0.25]
        ends = await asyncio.gather(*(expired_at(deadlines.begin(limit)) for limit in limits))
        for limit, end in zip(limits, ends, strict=True):
            assert limit - 1e-6 <= end <= limit + LATE_S

    run(main())


def test_a_shorter_one_that_begins_later_is_not_kept_waiting_by_a_longer_one():
    async def main():
        deadlines = Deadlines()
        long = asyncio.create_task(expired_at(deadlines.begin(600)))
        await asyncio.sleep(10)
        assert await expired_at(deadlines.begin(1)) == pytest.approx(11)
        assert await long == pytest.approx(600, abs=LATE_S)

    run(main())


@pytest.mark.parametrize("to", [0.5, 5.0, 1000.0])
def test_an_extension_counts_from_its_moment_be_it_longer_or_shorter(to):
    async def main():
        deadline = Deadlines().begin(100)
        with deadline:
            await asyncio.sleep(20)
        deadline.extend(to)
        assert 20 + to - 1e-6 <= await expired_at(deadline) <= 20 + to + LATE_S

    run(main())


def test_an_extension_from_another_task_holds_for_the_wait_that_is_on():
    """A body that is still being sent begins the wait for the first byte anew."""

    async def main():
        deadline = Deadlines().begin(10)
        waiting = asyncio.create_task(expired_at(deadline))
        for _ in range(5):
            await asyncio.sleep(8)
            deadline.extend(10)
        assert await waiting == pytest.approx(50, abs=LATE_S)

    run(main())


def test_time_in_which_nobody_waits_does_not_count():
    async def main():
        deadline = Deadlines().begin(5)
        await asyncio.sleep(60)
        with deadline:
            await asyncio.sleep(0)
        deadline.extend(5)
        assert await expired_at(deadline) == pytest.approx(65, abs=LATE_S)

    run(main())


def test_a_wait_that_begins_behind_its_limit_ends_soon():
    async def main():
        deadline = Deadlines().begin(5)
        await asyncio.sleep(60)
        assert await expired_at(deadline) <= 60 + LATE_S

    run(main())


def test_what_ends_in_time_is_left_alone():
    async def main():
        deadline = Deadlines().begin(5)
        with deadline:
            await asyncio.sleep(4.9)
        deadline.close()
        await asyncio.sleep(60)
        assert cancellations() == 0

    run(main())


def test_a_cancellation_from_outside_stays_one():
    async def main():
        deadline = Deadlines().begin(5)
        waiting = asyncio.create_task(expired_at(deadline))
        await asyncio.sleep(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(main())


def test_a_client_that_leaves_at_the_limit_itself_is_no_timeout():
    async def main():
        deadline = Deadlines().begin(5)
        waiting = asyncio.create_task(expired_at(deadline))
        asyncio.get_running_loop().call_at(5.0, waiting.cancel)
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(main())


def test_a_timeout_around_it_is_told_apart():
    async def main():
        deadline = Deadlines().begin(5)
        around = asyncio.timeout(2)
        with pytest.raises(TimeoutError):
            async with around:
                await wait_under(deadline)
        assert around.expired()
        async with asyncio.timeout(100) as around:
            await expired_at(deadline)
        assert not around.expired()
        assert cancellations() == 0

    run(main())


def test_another_error_of_the_wait_comes_through():
    async def main():
        deadline = Deadlines().begin(5)
        with pytest.raises(OSError, match="gone"), deadline:
            raise OSError("gone")
        assert await expired_at(deadline) == pytest.approx(5, abs=LATE_S)

    run(main())


def test_a_wait_that_answers_its_end_with_an_error_of_its_own_is_not_cancelled_later():
    async def main():
        deadline = Deadlines().begin(5)
        with pytest.raises(OSError, match="ended"), deadline:
            await ends_with_an_error()
        assert cancellations() == 0

    run(main())


def test_nothing_is_left_of_those_that_are_over():
    async def main():
        deadlines = Deadlines()
        made = [deadlines.begin(600) for _ in range(100)]
        for deadline in made:
            deadline.close()
            deadline.close()
        assert not deadlines._running
        await asyncio.sleep(3600)
        assert deadlines._timer is None, "nobody is waited for any more"
        assert await expired_at(deadlines.begin(1)) == pytest.approx(3601, abs=LATE_S)

    run(main())


def test_one_that_is_forgotten_neither_ends_nor_delays_another():
    async def main():
        deadlines = Deadlines()
        for _ in range(10):
            deadlines.begin(1)
        await asyncio.sleep(5)
        assert await expired_at(deadlines.begin(2)) == pytest.approx(7, abs=LATE_S)

    run(main())


def test_closing_ends_the_watch():
    async def main():
        deadlines = Deadlines()
        with deadlines.begin(5):
            deadlines.close()
            await asyncio.sleep(60)
        assert await expired_at(deadlines.begin(5)) == pytest.approx(65, abs=LATE_S), "and may be begun anew"

    run(main())
