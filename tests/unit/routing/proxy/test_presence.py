"""A client that leaves cancels its exchange, whenever that is, and no other."""

from __future__ import annotations

import asyncio

import pytest

from routing.proxy.presence import GRACE_S, SPACING_S, Presence, Presences
from tests.jumping import cancellations, run

NOTICED_S = GRACE_S + SPACING_S + 0.001
"""After the beginning or, later, at once."""


class Client:
    """The ``receive`` of one that leaves ``after`` seconds (of loop time), or stays; ``calls`` counts."""

    def __init__(self, after=None, *, first=()):
        self.after = after
        self.calls = 0
        self._first = list(first)

    async def __call__(self):
        self.calls += 1
        if self._first:
            return self._first.pop(0)
        if self.after is None:
            await asyncio.Event().wait()
        await asyncio.sleep(max(self.after - asyncio.get_running_loop().time(), 0))
        return {"type": "http.disconnect"}


async def exchange(presences, client, lasts=60.0):
    """When an exchange of this length ended, and whether the client had left."""
    presence = Presence(client)
    presence.begin(presences)
    try:
        await asyncio.sleep(lasts)
    except asyncio.CancelledError:
        if not presence.has_left:
            raise
    finally:
        presence.end()
    return asyncio.get_running_loop().time(), presence.has_left


@pytest.mark.parametrize("after", [0.0, 0.1, GRACE_S, 0.3, 5.0, 59.0])
def test_a_departure_is_noticed_within_the_grace_and_a_bit(after):
    async def main():
        ended, has_left = await exchange(Presences(), Client(after))
        assert has_left
        assert after <= ended <= max(after + 0.001, NOTICED_S)

    run(main())


def test_each_of_many_that_began_at_different_moments_is_noticed():
    async def main():
        presences = Presences()

        async def one(number):
            await asyncio.sleep(number * 0.013)
            began = asyncio.get_running_loop().time()
            stays = number % 3 == 0
            ended, has_left = await exchange(
                presences, Client(None if stays else began + 0.02 * (number % 40))
            )
            assert has_left is not stays
            assert stays or ended - began <= max(NOTICED_S, 0.02 * (number % 40) + 0.001)

        await asyncio.gather(*map(one, range(200)))

    run(main())


def test_a_short_exchange_is_not_watched():
    async def main():
        presences, client = Presences(), Client()
        assert await exchange(presences, client, lasts=GRACE_S / 2) == (pytest.approx(GRACE_S / 2), False)
        await asyncio.sleep(1)
        assert client.calls == 0

    run(main())


def test_one_that_begins_when_none_is_young_any_more_is_watched_too():
    async def main():
        presences = Presences()
        for _ in range(3):
            await exchange(presences, Client(), lasts=1.0)
            began = asyncio.get_running_loop().time()
            ended, has_left = await exchange(presences, Client(began + 0.5))
            assert (ended, has_left) == (pytest.approx(began + 0.5), True)
            await asyncio.sleep(10)

    run(main())


def test_messages_that_are_no_departure_are_passed_by():
    async def main():
        late = [{"type": "http.request", "body": b"", "more_body": False}] * 3
        client = Client(2.0, first=late)
        assert await exchange(Presences(), client) == (pytest.approx(2.0), True)
        assert client.calls == 4

    run(main())


def test_who_leaves_after_the_end_cancels_nothing():
    async def main():
        presences = Presences()
        ended, has_left = await exchange(presences, Client(1.5), lasts=1.0)
        assert (ended, has_left) == (pytest.approx(1.0), False)
        await asyncio.sleep(5)  # the same task serves the next request of the connection
        assert cancellations() == 0

    run(main())


def test_a_cancellation_from_elsewhere_is_no_departure():
    async def main():
        task = asyncio.create_task(exchange(Presences(), Client()))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_nothing_is_kept_of_those_that_are_over():
    async def main():
        presences = Presences()
        for _ in range(50):
            await exchange(presences, Client(), lasts=0.001)
        assert len(presences._young) == 50, "until their moment comes"
        await asyncio.sleep(1)
        assert not presences._young
        assert len(asyncio.all_tasks()) == 1

    run(main())
