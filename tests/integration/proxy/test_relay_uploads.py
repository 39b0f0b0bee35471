"""Multipart bodies: streamed up, only the model rewritten, replayed on failover, never whole in memory."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
import tracemalloc

import openai
import pytest
from aiohttp import web

from providers.upstream.timeouts import Timeouts
from tests.integration.proxy.conftest import KEY, Proxy
from tests.integration.proxy.upstream_double import answers, openai_error

pytestmark = pytest.mark.timeout(60)
MEGABYTE = 1024 * 1024
HEADERS = {"authorization": f"Bearer {KEY}"}
TEXT = {
    "text": "hello",
    "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 2, "total_tokens": 16},
}


@pytest.fixture
async def proxy():
    running = Proxy(Timeouts(connect_s=2, first_byte_s=1, idle_s=1), body_limit=64 * MEGABYTE)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def sdk(proxy):
    async with openai.AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


class Listener:
    """An upstream that reads uploads piece by piece, keeps a digest, and no body."""

    def __init__(self) -> None:
        self.seen: list[dict[str, object]] = []
        self.answers: list[web.Response] = []
        self.url = ""

    async def start(self) -> None:
        app = web.Application(client_max_size=0)
        app.router.add_post("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        digest, size, head = hashlib.sha256(), 0, b""
        async for piece in request.content.iter_any():
            digest.update(piece)
            size += len(piece)
            head = (head + piece)[:2000]
        length = request.headers.get("content-length")
        self.seen.append({"size": size, "digest": digest.hexdigest(), "head": head, "length": length})
        return self.answers.pop(0) if self.answers else web.json_response(TEXT)


@pytest.fixture
async def listener():
    double = Listener()
    await double.start()
    yield double
    await double.stop()


def form(model: str | None, size: int, *, model_last: bool = False, boundary: str = "BoUnD") -> bytes:
    """A form as curl would send it. The file holds what looks like a delimiter but is none."""
    content = (b"\r\n--BoUnX\r\n\x00\xff" * (size // 12 + 1))[:size]
    file = b'Content-Disposition: form-data; name="file"; filename="model"\r\n\r\n' + content
    parts = [file]
    if model is not None:
        field = b'content-disposition: form-data; name="model"\r\n\r\n' + model.encode()
        parts.insert(1 if model_last else 0, field)
    mark = b"--" + boundary.encode()
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


async def upload(proxy, body, path="/v1/audio/transcriptions", **headers):
    kind = {"content-type": "multipart/form-data; boundary=BoUnD"}
    return await proxy.http.post(
        f"{proxy.url}{path}", content=body, headers={**HEADERS, **kind, **headers}, timeout=30
    )


async def test_the_sdk_transcribes(proxy, upstream, sdk):
    upstream.then(answers(body=TEXT))
    proxy.offer("whisper", f"{upstream.url}/v1", "whisper-1")
    result = await sdk.audio.transcriptions.create(model="whisper", file=("a.mp3", b"ID3" * 100))
    assert result.text == "hello"
    call = upstream.calls[0]
    assert call.path == "/v1/audio/transcriptions"
    assert re.search(rb'name="model"\r\n\r\nwhisper-1\r\n', call.body)
    assert b"ID3" * 100 in call.body
    assert (proxy.line.input_tokens, proxy.line.route_model) == (14, "whisper")


@pytest.mark.parametrize("path", ["/v1/audio/translations", "/v1/images/edits", "/v1/images/variations"])
@pytest.mark.parametrize("model_last", [False, True])
async def test_only_the_model_changes_wherever_it_stands(proxy, upstream, path, model_last):
    upstream.then(answers(body=TEXT))
    proxy.offer("m", f"{upstream.url}/v1", "a-longer-name")
    response = await upload(proxy, form("m", 3 * MEGABYTE, model_last=model_last), path)
    assert response.status_code == 200
    assert upstream.calls[0].body == form("a-longer-name", 3 * MEGABYTE, model_last=model_last)
    assert upstream.calls[0].headers["content-length"] == str(len(upstream.calls[0].body))


async def test_the_sdk_edits_an_image_with_the_default_model(proxy, upstream, sdk):
    upstream.then(answers(body={"created": 1, "data": [{"b64_json": "AA=="}]}))
    proxy.offer("gpt-image-2", f"{upstream.url}/v1", "painter")
    result = await sdk.images.edit(image=("i.png", b"\x89PNG"), prompt="bluer")
    assert result.data[0].b64_json == "AA=="
    body = upstream.calls[0].body
    assert re.search(rb'name="model"\r\n\r\npainter\r\n', body)
    assert re.search(rb'name="prompt"\r\n\r\nbluer\r\n', body)


@pytest.mark.parametrize("model_last", [False, True])
async def test_thirty_megabytes_pass_in_bounded_memory(proxy, listener, model_last):
    proxy.offer("m", listener.url, "up")
    whole = form("m", 30 * MEGABYTE, model_last=model_last)
    expected = hashlib.sha256(form("up", 30 * MEGABYTE, model_last=model_last)).hexdigest()

    async def pieces():
        for start in range(0, len(whole), 65536):
            yield whole[start : start + 65536]

    tracemalloc.start()
    try:
        response = await upload(proxy, pieces())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert response.status_code == 200
    assert listener.seen[0]["digest"] == expected
    assert listener.seen[0]["length"] is None  # the client told no length
    assert peak < 8 * MEGABYTE


async def test_an_upload_is_replayed_to_the_next_credential(proxy, listener):
    listener.answers = [web.json_response(openai_error("busy"), status=503)]
    proxy.offer("m", listener.url, "first", priority=2)
    proxy.offer("m", listener.url, "second-one")
    response = await upload(proxy, form("m", 5 * MEGABYTE))
    assert (response.status_code, response.headers["x-cliproxy-attempts"]) == (200, "2")
    assert b"first" in listener.seen[0]["head"]
    assert listener.seen[1]["digest"] == hashlib.sha256(form("second-one", 5 * MEGABYTE)).hexdigest()


async def test_an_upstream_that_refuses_before_reading_does_not_spoil_the_next(proxy, upstream, listener):
    async def refuses(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"error":{"message":"no"}}'
        writer.write(
            b"HTTP/1.1 503 No\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (len(body), body)
        )
        await writer.drain()
        writer.close()

    hasty = await asyncio.start_server(refuses, "127.0.0.1", 0)
    port = hasty.sockets[0].getsockname()[1]
    proxy.offer("m", f"http://127.0.0.1:{port}/v1", priority=2)
    proxy.offer("m", listener.url)
    whole = form("m", 4 * MEGABYTE)
    response = await upload(proxy, whole)
    assert response.status_code == 200
    assert listener.seen[0]["digest"] == hashlib.sha256(whole).hexdigest()
    hasty.close()


async def test_the_client_is_read_no_faster_than_the_upstream_takes(proxy):
    taken, over = asyncio.Event(), asyncio.Event()

    async def stalls(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        taken.set()
        await over.wait()
        writer.transport.abort()

    server = await asyncio.start_server(stalls, "127.0.0.1", 0, limit=65536)
    proxy.upstream_client._timeouts = Timeouts(5, 4, 4)
    proxy.offer("m", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    whole, sent = form("m", 60 * MEGABYTE), 0

    async def pieces():
        nonlocal sent
        for start in range(0, len(whole), 65536):
            yield whole[start : start + 65536]
            sent = start

    sending = asyncio.ensure_future(upload(proxy, pieces()))
    await asyncio.wait_for(taken.wait(), 5)
    last = -1
    while sent != last:
        last = sent
        await asyncio.sleep(0.4)
    assert sent < 30 * MEGABYTE
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    over.set()
    server.close()
    await server.wait_closed()


async def test_a_client_that_stalls_is_told_408_and_no_credential_rests(proxy, listener):
    proxy.offer("m", listener.url)
    whole = form("m", MEGABYTE)

    async def pieces():
        yield whole[:1000]
        await asyncio.sleep(3)
        yield whole[1000:]

    response = await upload(proxy, pieces())
    assert (response.status_code, response.json()["error"]["code"]) == (408, "upload_stalled")
    assert proxy.state.cooldown(1, "m", time.time()) is None


async def test_a_client_that_leaves_while_it_uploads_rests_no_credential(proxy, listener):
    proxy.offer("m", listener.url)
    whole = form("m", MEGABYTE)
    _, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
    writer.write(
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n"
        b"content-type: multipart/form-data; boundary=BoUnD\r\ncontent-length: %d\r\n\r\n%b"
        % (KEY.encode(), len(whole), whole[:100_000])
    )
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.close()
    for _ in range(200):
        if proxy.ledger.written:
            break
        await asyncio.sleep(0.01)
    assert (proxy.line.status, proxy.line.outcome) == (499, "client_gone")
    assert proxy.state.cooldown(1, "m", time.time()) is None


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (form(None, 100), {}, 400),
        (form("m", 100)[:-20], {}, 200),  # the model is known; what follows is the upstream's to judge
        (form(None, 100)[:-20], {}, 400),
        (form("m", 100), {"content-type": "multipart/form-data"}, 400),
        (form("m" * 3000, 100), {}, 400),
        (b"nonsense", {}, 400),
        (b"", {}, 400),
    ],
)
async def test_a_bad_form_is_refused(proxy, upstream, body, headers, status):
    upstream.then(answers(body=TEXT))
    proxy.offer("m", f"{upstream.url}/v1")
    response = await upload(proxy, body, **headers)
    assert response.status_code == status, response.text


async def test_more_than_the_limit_is_refused_while_it_arrives(proxy, listener):
    proxy.offer("m", listener.url)

    async def pieces():
        yield form("m", 0)[:-12]
        for _ in range(70):
            yield b"x" * MEGABYTE

    response = await upload(proxy, pieces())
    assert (response.status_code, response.json()["error"]["code"]) == (413, "request_too_large")
