"""Real processes on one database: one refresh however many there are, and none lost to ``kill -9``."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.integration.oauth.vendor import FakeVendor
from tests.processes import REPOSITORY, clean_environment, free_port, own_database

pytestmark = pytest.mark.timeout(90)


class RotatingVendor(FakeVendor):
    """Every refresh token works once. ``held_s`` passes between taking a request and answering it."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.valid = "refresh-0"
        self.uses: Counter[str] = Counter()
        self.held_s = 0.0

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        given = str(form.get("refresh_token", ""))
        self.uses[given] += 1
        if self.held_s:
            await asyncio.sleep(self.held_s)
        if given != self.valid:
            return web.json_response({"error": "invalid_grant"}, status=400)
        number = int(given.rpartition("-")[2]) + 1
        self.valid = f"refresh-{number}"
        return web.json_response(
            {"access_token": f"access-{number}", "refresh_token": self.valid, "expires_in": 21600}
        )


class Fleet:
    """The process that starts the others (refresher_process.py), as this test speaks to it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.started: list[int] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.oauth.refresher_process"],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **order: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    async def tell(self, do: str, **order: Any) -> Any:
        """``ask`` while the vendor, which lives in this event loop, goes on answering."""
        return await asyncio.to_thread(self.ask, do, **order)

    async def start(self, seconds: float, **order: Any) -> int:
        pid: int = await self.tell("start", seconds=seconds, **order)
        self.started.append(pid)
        return pid

    async def end(self, pid: int, how: str = "kill") -> int:
        self.started.remove(pid)
        code: int = await self.tell(how, pid=pid)
        return code

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, int]]:
    """A fleet on a migrated database, and the port where it looks for the vendor."""
    port = free_port()
    with own_database() as database:
        environment = clean_environment(
            tmp_path_factory.mktemp("fleet"),
            CLIPROXY_OAUTH_QWEN_TOKEN_URL=f"http://127.0.0.1:{port}/token",
            CLIPROXY_LOG_LEVEL="CRITICAL",
            **database,
        )
        fleet = Fleet(environment)
        fleet.ask("migrate")
        yield fleet, port
        fleet.close()


@pytest.fixture
async def fleet(running: tuple[Fleet, int]) -> AsyncIterator[Fleet]:
    made, _ = running
    await made.tell("reset")
    yield made
    for pid in list(made.started):
        await made.end(pid)


@pytest.fixture
async def vendor(running: tuple[Fleet, int]) -> AsyncIterator[RotatingVendor]:
    made = RotatingVendor(running[1])
    await made.start()
    yield made
    await made.stop()


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


async def renewed(fleet: Fleet, seconds: float = 30) -> None:
    """The new token is committed, some time after the vendor gave it."""
    deadline = time.monotonic() + seconds
    while (state := await fleet.tell("state")) != [2, "refresh-1", "ok"]:
        assert time.monotonic() < deadline, state
        await asyncio.sleep(0.05)


async def test_eight_processes_refresh_an_expiring_token_once(fleet: Fleet, vendor: RotatingVendor):
    vendor.held_s = 0.5  # long enough that all of them look while it is under way
    pids = [await fleet.start(1.5) for _ in range(8)]
    assert [await fleet.end(pid, "wait") for pid in pids] == [0] * 8
    assert vendor.uses == {"refresh-0": 1}
    assert await fleet.tell("state") == [2, "refresh-1", "ok"]


async def test_eight_processes_import_one_file_and_refresh_it_once(
    fleet: Fleet, vendor: RotatingVendor, tmp_path: Path
):
    await fleet.tell("empty")
    path = tmp_path / "qwen-alice.json"
    held = {"type": "qwen", "access_token": "access-0", "refresh_token": "refresh-0", "email": "alice"}
    path.write_text(json.dumps({**held, "expired": "2020-01-01T00:00:00Z"}))
    pids = [await fleet.start(2.5, folder=str(tmp_path)) for _ in range(8)]
    assert [await fleet.end(pid, "wait") for pid in pids] == [0] * 8
    assert vendor.uses == {"refresh-0": 1}
    assert (await fleet.tell("state"))[1:] == ["refresh-1", "ok"]
    assert json.loads(path.read_text())["refresh_token"] == "refresh-1"


async def test_a_slow_vendor_costs_nobody_the_lease(fleet: Fleet, vendor: RotatingVendor):
    """Whoever works longer than a lease lasts extends it."""
    vendor.held_s = 1.5
    for _ in range(2):
        await fleet.start(30, lease_s=0.6)
    await until(lambda: vendor.valid == "refresh-1")
    await renewed(fleet)
    await asyncio.sleep(0.2)
    assert vendor.uses == {"refresh-0": 1}
    assert await fleet.tell("state") == [2, "refresh-1", "ok"]


@pytest.mark.parametrize(
    "step", ["before the lease", "with the lease", "with the answer", "after the commit"]
)
async def test_a_process_that_dies_loses_no_token_and_uses_none_twice(
    fleet: Fleet, vendor: RotatingVendor, step: str
):
    doomed = await fleet.start(30, die_at=step, lease_s=0.5)
    assert await fleet.end(doomed, "wait") == -9
    await fleet.start(30, lease_s=0.5)
    await until(lambda: vendor.valid == "refresh-1")
    await renewed(fleet)
    await asyncio.sleep(0.2)
    assert vendor.uses == {"refresh-0": 1}
    assert await fleet.tell("state") == [2, "refresh-1", "ok"]


async def test_a_process_that_dies_while_the_vendor_works_leaves_the_rest_to_another(
    fleet: Fleet, vendor: RotatingVendor
):
    """The vendor took the request of the dead one and never acted on it: another process may ask again."""
    vendor.held_s = 3600
    doomed = await fleet.start(30, lease_s=0.5)
    await until(lambda: vendor.uses["refresh-0"] == 1)
    await fleet.end(doomed)
    vendor.held_s = 0
    await fleet.start(30, lease_s=0.5)
    await until(lambda: vendor.valid == "refresh-1")
    await renewed(fleet)
    await asyncio.sleep(0.2)
    assert await fleet.tell("state") == [2, "refresh-1", "ok"]
    assert vendor.uses == {"refresh-0": 2}
