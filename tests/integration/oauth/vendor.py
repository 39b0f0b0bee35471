"""A vendor of logins on loopback: answers by path from scripts, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        if self.headers.get("content-type", "").startswith("application/json"):
            found: dict[str, Any] = json.loads(self.body or b"{}")
            return found
        return dict(parse_qsl(self.body.decode()))


class FakeVendor:
    """``answers[path]``: a list of (status, body[, headers]), ``"drop"`` or ``"hang"``; the last stays."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Any]] = {}
        self.asked: list[Asked] = []
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.url = ""
        self.delay_s = 0.0
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(Asked(request.method, path, headers, await request.read()))
        self.counts[path] += 1
        script = self.answers.get(path)
        if not script:
            return web.json_response({"error": "not_found"}, status=404)
        answer = script.pop(0) if len(script) > 1 else script[0]
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if answer == "hang":
            await asyncio.sleep(3600)
        if answer == "drop":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        status, body, *rest = answer
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(
            status=status,
            body=raw,
            headers={"content-type": "application/json", **(rest[0] if rest else {})},
        )
