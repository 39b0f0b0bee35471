"""A provider on loopback that counts what it has answered: 3 + n input tokens and n output tokens for the
request numbered n, whose number is the text of its only message.
"""

from __future__ import annotations

import asyncio
import json

from aiohttp import web


class CountingUpstream:
    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self.answered: dict[int, int] = {}
        """Number -> how often it was answered to the end."""
        self.enough = asyncio.Event()
        self.enough_after = 0
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> CountingUpstream:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def _count(self, number: int) -> None:
        """Before the last bytes are handed over: once they are, the gateway may be faster than we."""
        self.answered[number] = self.answered.get(number, 0) + 1
        if len(self.answered) >= self.enough_after:
            self.enough.set()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        number = int(body["messages"][0]["content"])
        usage = {"prompt_tokens": 3 + number, "completion_tokens": number, "total_tokens": 3 + 2 * number}
        head = {"id": f"c-{number}", "created": 1, "model": body["model"]}
        if not body.get("stream"):
            await asyncio.sleep(self._pause_s)
            message = {"role": "assistant", "content": "word " * 5}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self._count(number)
            return web.json_response(
                {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
            )
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        head["object"] = "chat.completion.chunk"
        for delta, finish in [({"content": "word "}, None)] * 5 + [({}, "stop")]:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            await response.write(_event({**head, "choices": [choice]}))
            await asyncio.sleep(self._pause_s / 6)
        self._count(number)
        await response.write(_event({**head, "choices": [], "usage": usage}) + b"data: [DONE]\n\n")
        return response


def _event(value: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"
