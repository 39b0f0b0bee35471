"""A provider on loopback that does what a test tells it to: the only double of these tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Script = Callable[[web.Request, "Call"], Awaitable[web.StreamResponse]]


@dataclass
class Call:
    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"
    is_cancelled: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FakeUpstream:
    """Answers every request with the next of ``scripts`` (the last one repeats) and remembers the calls."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.calls: list[Call] = []
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        app = web.Application(client_max_size=128 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._answer)
        # handler_cancellation: a caller that hangs up cancels the script, so that a test can see it.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def then(self, *scripts: Script) -> None:
        self.scripts.extend(scripts)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        call = Call(
            request.path_qs,
            {name.lower(): value for name, value in request.headers.items()},
            await request.read(),
            request.method,
        )
        self.calls.append(call)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        try:
            return await script(request, call)
        except (asyncio.CancelledError, ConnectionResetError):
            call.is_cancelled = True
            raise
        finally:
            call.ended.set()


def answers(status: int = 200, body: Any = None, headers: dict[str, str] | None = None) -> Script:
    """A whole answer; ``body`` is bytes or a JSON value."""

    async def script(request: web.Request, call: Call) -> web.StreamResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(
            status=status, body=data, headers={"content-type": "application/json", **(headers or {})}
        )

    return script


def streams(*pieces: bytes, gap_s: float = 0.0, cut: bool = False, then_wait: bool = False) -> Script:
    """An event stream. ``cut`` drops the connection at its end, ``then_wait`` keeps it open for ever."""

    async def script(request: web.Request, call: Call) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(gap_s)
        if then_wait:
            await asyncio.Event().wait()
        if cut and request.transport is not None:
            request.transport.abort()
        return response

    return script


def waits(seconds: float = 3600.0) -> Script:
    """No answer at all."""

    async def script(request: web.Request, call: Call) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.Response()

    return script


def hangs_up() -> Script:
    """The connection is dropped without a byte."""

    async def script(request: web.Request, call: Call) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return script


# --- what OpenAI-compatible upstreams say ------------------------------------------------------

COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_800_000_000,
    "model": "up-2026",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello"},
            "finish_reason": "stop",
            "x_new": 1e3,
        }
    ],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 3,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 1},
    },
}


def chunk(text: str | None = None, finish: str | None = None, **extra: Any) -> bytes:
    value = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_800_000_000,
        "model": "up-2026",
        "choices": [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}],
        **extra,
    }
    return b"data: " + json.dumps(value).encode() + b"\n\n"


USAGE_CHUNK = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1800000000,"model":"up-2026",'
    b'"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}\n\n'
)
DONE = b"data: [DONE]\n\n"
HELLO_STREAM = (chunk("Hel"), chunk("lo"), chunk(finish="stop"), USAGE_CHUNK, DONE)


def openai_error(message: str, kind: str = "server_error", code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code, "param": None}}
