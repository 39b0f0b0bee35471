"""Canary secrets of every kind, debug on, every sort of failure: none reaches a log or a client."""

from __future__ import annotations

import asyncio
import json

import httpx
from aiohttp import web

from tests.integration.serve.conftest import QUESTION
from tests.processes import CLIENT_KEY, free_port

CANARIES = {
    "credential": "canary0credential0plain",
    "header": "canary0header0plain",
    "provider header": "canary0token0of0header",
    "proxy": "canary0proxy0password",
    "prompt": "canary0prompt0words",
    "wrong client key": "canary0client0key",
}


def config(upstream: str) -> str:
    """Three models of one vendor that differ in what stands in the way."""
    ways = {
        "echoes": "",
        "unreachable-proxy": f"http://user:{CANARIES['proxy']}@127.0.0.1:{free_port()}",
        "unreachable-socks": f"socks5://user:{CANARIES['proxy']}@127.0.0.1:{free_port()}",
    }
    text = "debug: true\nrequest-retry: 0\nopenai-compatibility:\n"
    for name, proxy in ways.items():
        text += (
            f"  - name: {name}\n    base-url: {upstream}/{name}/v1\n"
            f"    headers: {{x-secret: {CANARIES['header']}, x-token: {CANARIES['provider header']}}}\n"
            f"    models: [{{name: {name}}}]\n    api-key-entries:\n"
            f"      - api-key: {CANARIES['credential']}\n"
        )
        if proxy:
            text += f"        proxy-url: {proxy}\n"
    return text


async def echo(request: web.Request) -> web.StreamResponse:
    """Refuses, and quotes every header that it got, as some vendors do."""
    quoted = json.dumps(dict(request.headers))
    return web.json_response({"error": {"message": f"refused: {quoted}", "type": "x"}}, status=401)


async def test_no_canary_leaves(start_gateway):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        upstream = f"http://127.0.0.1:{runner.addresses[0][1]}"
        gateway = await asyncio.to_thread(
            start_gateway, config=config(upstream), environment={"CLIPROXY_LOG_LEVEL": "DEBUG"}
        )
        told = ""
        async with httpx.AsyncClient(trust_env=False, base_url=gateway.url, timeout=20) as client:
            for name in ("echoes", "unreachable-proxy", "unreachable-socks"):
                for stream in (False, True):
                    body = {"model": name, "stream": stream, "messages": QUESTION}
                    body["messages"] = [{"role": "user", "content": CANARIES["prompt"]}]
                    answer = await client.post(
                        "/v1/chat/completions", json=body, headers={"authorization": f"Bearer {CLIENT_KEY}"}
                    )
                    assert answer.status_code >= 500, answer.text
                    told += f"{answer.headers}{answer.text}\n"
            wrong = {"authorization": f"Bearer {CANARIES['wrong client key']}"}
            for path in ("/v1/models", f"/v1/models/{name}"):
                answer = await client.get(path, headers=wrong)
                assert answer.status_code == 401
                told += answer.text
        assert "debug" in gateway.log.lower()
        assert gateway.log.count(" exchange ") == 6
        for where, canary in CANARIES.items():
            assert canary not in told, f"the {where} was told to the client: {told}"
        await asyncio.to_thread(gateway.stop)
        for where, canary in CANARIES.items():
            assert canary not in gateway.log, f"the {where} stands in the log"
        assert CLIENT_KEY not in gateway.log
        stored = b"".join(path.read_bytes() for path in gateway.data_dir.rglob("*") if path.is_file())
        for where, canary in CANARIES.items():
            assert canary.encode() not in stored, f"the {where} is stored in the clear"
    finally:
        await runner.cleanup()
