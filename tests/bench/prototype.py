"""The 100 % line: the least an ASGI proxy can do over the gateway's own transport.

A raw ASGI function reads the body, parses the model and the stream flag, sends one ``httpx.Request``
through the aiohttp-backed transport and relays the answer. No authentication, routing, ledger or error
handling. With the model ``rewrite`` every chunk of a stream is parsed and written anew, which is the least
that a translation costs; with any other model bytes pass.

``BENCH_UPSTREAM`` is the base URL. Served by the plain ``daphne`` and ``uvicorn`` commands.
"""

from __future__ import annotations

import os
from typing import Any

import httpx
import msgspec
from httpx_aiohttp import AiohttpTransport

UPSTREAM = os.environ.get("BENCH_UPSTREAM", "http://127.0.0.1:9/v1")


class Body(msgspec.Struct):
    model: str = ""
    stream: bool = False


read_body = msgspec.json.Decoder(Body)
read_json = msgspec.json.Decoder()
write_json = msgspec.json.Encoder()
transport = AiohttpTransport(
    verify=False, trust_env=False, limits=httpx.Limits(max_connections=None, max_keepalive_connections=None)
)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    raw = b""
    while True:
        message = await receive()
        raw += message.get("body", b"")
        if not message.get("more_body"):
            break
    body = read_body.decode(raw) if raw else Body()
    request = httpx.Request(
        "POST",
        f"{UPSTREAM}/chat/completions",
        content=raw,
        headers={"authorization": "Bearer upstream", "content-type": "application/json"},
    )
    response = await transport.handle_async_request(request)
    await send(
        {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": [(b"content-type", response.headers["content-type"].encode())],
        }
    )
    stream = response.stream
    try:
        if body.stream and body.model == "rewrite":
            rest = b""
            async for chunk in stream:
                *events, rest = (rest + chunk).split(b"\n\n")
                # One send for all that arrived together: on uvicorn each send is a system call.
                written = b"".join(map(rewritten, events))
                await send({"type": "http.response.body", "body": written, "more_body": True})
        else:
            async for chunk in stream:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    finally:
        await stream.aclose()
    await send({"type": "http.response.body", "body": b""})


def rewritten(event: bytes) -> bytes:
    if event == b"data: [DONE]":
        return event + b"\n\n"
    value = read_json.decode(event[6:])
    value["model"] = "rewritten"
    return b"data: " + write_json.encode(value) + b"\n\n"
