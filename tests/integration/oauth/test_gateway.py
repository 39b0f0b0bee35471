"""A real gateway on an ``auth-dir``: a token that is refused, one that has ended, files that come and go, and
no secret in any log.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from tests.integration.oauth.vendor import FakeVendor
from tests.processes import Gateway

pytestmark = pytest.mark.timeout(90)


class QwenVendor(FakeVendor):
    """Issues ``canary-access-<n>`` and serves chat for the newest alone."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 1
        self.refreshes = 0

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            form = await request.post()
            self.refreshes += 1
            if form["refresh_token"] != f"canary-refresh-{self.number - 1}":
                return web.json_response({"error": "invalid_grant"}, status=400)
            fields = {
                "access_token": f"canary-access-{self.number}",
                "refresh_token": f"canary-refresh-{self.number}",
                "expires_in": 21600,
            }
            return web.json_response(fields)
        if request.headers.get("authorization") != f"Bearer canary-access-{self.number}":
            return web.json_response({"error": {"message": "invalid access token"}}, status=401)
        choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
        return web.json_response(
            {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        )


@pytest.fixture
async def qwen() -> AsyncIterator[QwenVendor]:
    vendor = QwenVendor()
    await vendor.start()
    yield vendor
    await vendor.stop()


def write(path: Path, vendor: QwenVendor, number: int, *, life_s: float) -> None:
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + life_s))
    path.write_text(
        json.dumps(
            {
                "type": "qwen",
                "access_token": f"canary-access-{number}",
                "refresh_token": f"canary-refresh-{number}",
                "resource_url": vendor.url,
                "email": "alice",
                "expired": end,
                "last_refresh": end,
                "mine": 1,
            }
        )
    )


async def chat(gateway: Gateway) -> httpx.Response:
    body = {"model": "qwen3-coder-plus", "messages": [{"role": "user", "content": "Hi"}]}
    async with httpx.AsyncClient(timeout=20) as http:
        return await http.post(
            f"{gateway.url}/v1/chat/completions",
            json=body,
            headers={"authorization": f"Bearer {gateway.key}"},
        )


async def until_status(gateway: Gateway, status: int) -> httpx.Response:
    deadline = time.monotonic() + 15
    while (answer := await chat(gateway)).status_code != status:
        assert time.monotonic() < deadline, answer.text
        await asyncio.sleep(0.1)
    return answer


async def test_files_come_tokens_turn_and_calls_go_on(
    start_gateway: Callable[..., Gateway], qwen: QwenVendor, tmp_path: Path
):
    folder = tmp_path / "auth"
    folder.mkdir()
    path = folder / "qwen-alice.json"
    write(path, qwen, 0, life_s=6 * 3600)  # refused by the vendor, though its time has not come
    environment = {
        "CLIPROXY_OAUTH_QWEN_TOKEN_URL": f"{qwen.url}/token",
        "CLIPROXY_TOKEN_REFRESH_INTERVAL_S": "0.5",
    }
    arguments: dict[str, Any] = {"config": f"auth-dir: {folder}\n", "environment": environment}
    gateway = await asyncio.to_thread(lambda: start_gateway(**arguments))
    answer = await until_status(gateway, 200)
    assert answer.json()["choices"][0]["message"]["content"] == "hi"
    assert answer.headers["x-cliproxy-attempts"] == "1"
    assert qwen.refreshes == 1
    # the rotated token is in the file that owns it, and what else stood there
    content = json.loads(path.read_text())
    assert (content["refresh_token"], content["mine"]) == ("canary-refresh-1", 1)
    # the vendor refuses once more: one call of many refreshes, all are answered
    qwen.number = 2
    answers = await asyncio.gather(*(chat(gateway) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert qwen.refreshes == 2
    # a file that is gone takes the model along; one that comes brings it back
    path.unlink()
    assert (await until_status(gateway, 404)).json()["error"]["code"] == "model_not_found"
    write(path, qwen, 1, life_s=-60)  # ended: refreshed before it is ever sent
    await until_status(gateway, 200)
    assert qwen.refreshes == 3
    assert "canary" not in gateway.log
