"""Many changes of ``config.yaml`` while many clients stream: nothing fails, nothing leaks, all is soon seen.

Used by an integration test in small and by ``make bench`` in full size.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.processes import Gateway

PIECES = 12
GAP_S = 0.02
SETTLED_WITHIN_S = 10.0


@dataclass
class Outcome:
    streams: int = 0
    failures: list[str] = field(default_factory=list)
    seen_after_s: list[float] = field(default_factory=list)
    """From the write of each change to the moment when a client saw it."""
    client_sockets_left: int = 0
    """Connections that the gateway holds more than before, when all clients are gone."""


class SlowUpstream:
    """Streams PIECES pieces, one every GAP_S."""

    def __init__(self) -> None:
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> SlowUpstream:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for number in range(PIECES):
            await response.write(
                b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"up","choices":'
                b'[{"index":0,"delta":{"content":"<%d>"},"finish_reason":null}]}\n\n' % number
            )
            await asyncio.sleep(GAP_S)
        await response.write(
            b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"up","choices":'
            b'[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
        )
        return response


def configuration(upstream: str, number: int) -> str:
    """Change ``number``: a new alias, other credentials, headers, limits, priorities and rules each time;
    only the model ``steady`` and one credential of it are always there."""
    keys = "".join(
        f"      - api-key: secret-{place}\n"
        + (f"        proxy-url: {'direct' if number % 3 else 'none'}\n" if place else "")
        for place in range(1 + number % 3)
    )
    passing = (
        ""
        if number % 2
        else f"""  - name: passing-{number % 7}
    base-url: {upstream}
    api-key-entries: [{{api-key: passing-{number}}}]
    models: [{{name: up, alias: other-{number % 5}}}]
"""
    )
    return f"""request-retry: {number % 4}
routing: {{strategy: {("round-robin", "fill-first")[number % 2]}}}
streaming: {{keepalive-seconds: {number % 2 * 5}}}
payload:
  override: [{{models: [{{name: nobody}}], params: {{seed: {number}}}}}]
openai-compatibility:
  - name: steady
    base-url: {upstream}
    headers: {{X-Change: "{number}"}}
    api-key-entries:
{keys}    models: [{{name: up, alias: steady}}, {{name: up, alias: seen-{number}}}]
{passing}"""


def write(path: Path, head: str, text: str) -> None:
    """As an editor does: a new file takes the place of the old one."""
    fresh = path.with_suffix(".new")
    fresh.write_text(head + text, encoding="utf-8")
    fresh.replace(path)


def open_sockets(pid: int) -> int:
    """Of one process (Linux)."""
    folder = Path(f"/proc/{pid}/fd")
    links = []
    for entry in folder.iterdir():
        try:
            links.append(os.readlink(entry))
        except OSError:
            continue
    return sum(link.startswith("socket:") for link in links)


async def run(
    start: Callable[..., Gateway], *, changes: int, clients: int, server: str = "daphne"
) -> Outcome:
    """``start`` as the fixture ``start_gateway``. Raises AssertionError when a change is never seen."""
    outcome = Outcome()
    async with SlowUpstream() as upstream:
        gateway = await asyncio.to_thread(start, config=configuration(upstream.url, 0), server=server)
        assert gateway.config is not None
        head = gateway.config.read_text(encoding="utf-8").partition("request-retry")[0]
        headers = {"authorization": f"Bearer {gateway.key}"}
        is_over = asyncio.Event()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:
            await _seen(session, gateway, 0)
            before = open_sockets(gateway.process.pid)
            async with asyncio.TaskGroup() as tasks:
                for _ in range(clients):
                    tasks.create_task(_client(session, gateway, outcome, is_over))
                for number in range(1, changes + 1):
                    began = time.monotonic()
                    write(gateway.config, head, configuration(upstream.url, number))
                    await _seen(session, gateway, number)
                    outcome.seen_after_s.append(time.monotonic() - began)
                is_over.set()
        idle_upstream = clients  # kept for the next request, one for each stream at once
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while (left := open_sockets(gateway.process.pid) - before - idle_upstream) > 0:
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.05)
        outcome.client_sockets_left = max(left, 0)
    return outcome


async def _client(
    session: aiohttp.ClientSession, gateway: Gateway, outcome: Outcome, is_over: asyncio.Event
) -> None:
    body = {"model": "steady", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    while not is_over.is_set():
        try:
            async with session.post(f"{gateway.url}/v1/chat/completions", json=body) as response:
                text = (await response.read()).decode()
        except aiohttp.ClientError as error:
            outcome.failures.append(repr(error))
            continue
        pieces = [f"<{number}>" in text for number in range(PIECES)]
        if response.status != 200 or not all(pieces) or not text.endswith("data: [DONE]\n\n"):
            outcome.failures.append(f"{response.status}: {text[-300:]}")
        outcome.streams += 1


async def _seen(session: aiohttp.ClientSession, gateway: Gateway, number: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        async with session.get(f"{gateway.url}/v1/models") as response:
            listed = await response.json()
        if f"seen-{number}" in {model["id"] for model in listed["data"]}:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"change {number} was never seen\n{_own_lines(gateway.log)}")


def _own_lines(log: str) -> str:
    """The end of a log without the lines of exchanges."""
    return "\n".join([line for line in log.splitlines() if " exchange id=" not in line][-20:])
