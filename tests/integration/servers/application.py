"""A raw ASGI application whose paths each show one behaviour of the server under it.

``/state`` tells what happened inside, as JSON, so that tests in another process can look.
"""

import asyncio
import hashlib
import json
from urllib.parse import parse_qs

STATE = {"sent": 0, "flooding": False, "disconnects": 0, "cancelled": 0}


def flood_chunk(number, size):
    """Chunk ``number`` of a flood: recognisable, and different from its neighbours."""
    return hashlib.sha256(b"%d" % number).digest() * (size // 32)


async def application(scope, receive, send):
    if scope["type"] == "websocket":
        await echo_websocket(receive, send)
        return
    path = scope["path"]
    asked = {key: int(values[0]) for key, values in parse_qs(scope["query_string"].decode()).items()}
    await PATHS[path](scope, receive, send, asked)


async def answer(send, body, status=200):
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def start(send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})


async def part(send, body, more=True):
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def state(scope, receive, send, asked):
    await answer(send, json.dumps(STATE).encode())


async def scheme(scope, receive, send, asked):
    await answer(send, json.dumps(scope["scheme"]).encode())


async def digest(scope, receive, send, asked):
    seen, size, messages, more = hashlib.sha256(), 0, 0, True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        seen.update(message["body"])
        size += len(message["body"])
        messages += 1
        more = message["more_body"]
    told = {"size": size, "sha256": seen.hexdigest(), "messages": messages, "client": scope["client"][0]}
    told["underscored"] = [name.decode() for name, _ in scope["headers"] if b"_" in name]
    await answer(send, json.dumps(told).encode())


async def flood(scope, receive, send, asked):
    STATE["sent"], STATE["flooding"] = 0, True
    try:
        await start(send)
        for number in range(asked["chunks"]):
            await part(send, flood_chunk(number, asked["size"]))
            STATE["sent"] += 1
        await part(send, b"", more=False)
    finally:
        STATE["flooding"] = False


async def ticks(scope, receive, send, asked):
    await start(send)
    for number in range(asked["count"]):
        await part(send, b"tick %d\n" % number)
        await asyncio.sleep(asked["pause_ms"] / 1000)
    await part(send, b"end\n", more=False)


async def listening(scope, receive, send, asked):
    await receive()
    await start(send)
    await part(send, b"waiting")
    assert (await receive())["type"] == "http.disconnect"
    STATE["disconnects"] += 1


async def deaf(scope, receive, send, asked):
    await start(send)
    await part(send, b"waiting")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        STATE["cancelled"] += 1
        raise


async def fails(scope, receive, send, asked):
    raise RuntimeError("the application failed on purpose")


async def fails_midway(scope, receive, send, asked):
    await start(send)
    await part(send, b"half")
    raise RuntimeError("the application failed on purpose")


async def echo_websocket(receive, send):
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"].upper()})
        if message["text"] == "flood":
            STATE["sent"] = 0
            for number in range(3000):
                await send({"type": "websocket.send", "bytes": flood_chunk(number, 16 * 1024)})
                STATE["sent"] += 1


PATHS = {
    "/state": state,
    "/scheme": scheme,
    "/digest": digest,
    "/flood": flood,
    "/ticks": ticks,
    "/listening": listening,
    "/deaf": deaf,
    "/fails": fails,
    "/fails-midway": fails_midway,
}
