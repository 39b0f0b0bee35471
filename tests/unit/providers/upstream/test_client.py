"""Whatever fails below becomes one of our errors, by one table, and says nothing that was not ours."""

from __future__ import annotations

import asyncio
import inspect
import ssl

import aiohttp
import pytest

from providers.adapters.base import UpstreamRequest
from providers.errors import UpstreamError, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from providers.upstream.client import FAILURES, UpstreamClient, mapped_error
from providers.upstream.timeouts import Timeouts
from tests.unit.providers.upstream.proxies import Origin, babbles, hangs_up, listening, silent

TIMEOUTS = Timeouts(connect_s=0.3, first_byte_s=0.3, idle_s=0.3)
FALLBACK = "the upstream cannot be reached"


def exception_classes():
    found = [kind for _, kind in inspect.getmembers(aiohttp, inspect.isclass) if issubclass(kind, Exception)]
    clients_own = {kind for kind in found if issubclass(kind, (aiohttp.ClientError, TimeoutError))}
    return sorted(clients_own, key=lambda kind: kind.__qualname__)


def bare(kind):
    """An instance without its arguments: each class wants its own."""
    return kind.__new__(kind)


@pytest.mark.parametrize("kind", exception_classes(), ids=lambda kind: kind.__qualname__)
def test_every_exception_of_the_library_is_mapped(kind):
    assert issubclass(kind, FAILURES), "open() would let it through"
    error = mapped_error(bare(kind), TIMEOUTS)
    assert isinstance(error, UpstreamUnreachable | UpstreamTimeout)
    assert error.message != FALLBACK
    if issubclass(kind, aiohttp.ServerTimeoutError):
        assert isinstance(error, UpstreamTimeout)


def test_the_walk_finds_the_library():
    assert len(exception_classes()) > 20


def test_the_most_specific_cause_decides():
    outer = aiohttp.ClientOSError("x")
    outer.__cause__ = ssl.SSLCertVerificationError()
    assert "refused" not in mapped_error(outer, TIMEOUTS).message
    named = UpstreamUnreachable("said already")
    wrapped = OSError()
    wrapped.__cause__ = named
    assert mapped_error(wrapped, TIMEOUTS) is named


def test_a_cause_that_points_back_ends():
    first, second = OSError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert isinstance(mapped_error(first, TIMEOUTS), UpstreamError)


@pytest.fixture
async def client():
    made = UpstreamClient(TIMEOUTS)
    yield made
    await made.close()


async def fetch(client, url):
    request = UpstreamRequest(
        method="POST", url=url, headers=(("authorization", "Bearer canary-key"),), body=b'{"canary":"body"}'
    )
    response = await client.open(request, proxy_url="direct")
    try:
        return response.status, await response.read()
    finally:
        await response.close()


@pytest.mark.parametrize(
    ("serve", "words"),
    [(hangs_up, "closed the connection without an answer"), (babbles, "does not speak HTTP")],
)
async def test_a_server_that_does_not_answer_properly_is_said_so(client, serve, words):
    async with listening(serve) as port:
        with pytest.raises(UpstreamUnreachable, match=words) as caught:
            await fetch(client, f"http://127.0.0.1:{port}/canary-path")
    assert "canary" not in caught.value.message


async def test_a_port_on_which_nobody_listens_refused(client):
    async with listening(silent) as port:
        pass
    with pytest.raises(UpstreamUnreachable, match="refused the connection"):
        await fetch(client, f"http://127.0.0.1:{port}/")


async def test_a_name_that_does_not_resolve_is_said_so(client):
    with pytest.raises(UpstreamUnreachable, match="a name that does not resolve"):
        await fetch(client, "http://does-not-exist.invalid/")


async def test_https_to_a_server_without_tls_failed_the_handshake(client):
    async with listening(babbles) as port:
        with pytest.raises(UpstreamUnreachable, match="TLS handshake"):
            await fetch(client, f"https://127.0.0.1:{port}/")


@pytest.mark.parametrize("url", ["ftp://example.org/", "example.org", "http://", "http://[::1", ""])
def test_an_address_that_is_no_http_url_is_refused_before_anything_is_sent(url):
    async def refused():
        client = UpstreamClient(TIMEOUTS)
        with pytest.raises(UpstreamUnreachable, match="base URL"):
            await fetch(client, url)
        await client.close()

    asyncio.run(refused())


async def test_silence_before_the_first_byte_times_out_in_that_phase(client):
    async with listening(silent) as port:
        with pytest.raises(UpstreamTimeout) as caught:
            await fetch(client, f"http://127.0.0.1:{port}/")
    assert caught.value.phase == "first_byte"


async def answers_then(reader, writer, head, then):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(head)
    await writer.drain()
    await then()


async def test_silence_after_the_head_is_still_before_the_first_byte(client):
    async def serve(reader, writer):
        await answers_then(
            reader, writer, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", asyncio.Event().wait
        )

    async with listening(serve) as port:
        with pytest.raises(UpstreamTimeout) as caught:
            await fetch(client, f"http://127.0.0.1:{port}/")
    assert caught.value.phase == "first_byte"


async def test_silence_within_the_body_is_idle(client):
    async def serve(reader, writer):
        await answers_then(
            reader, writer, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", asyncio.Event().wait
        )

    async with listening(serve) as port:
        with pytest.raises(UpstreamTimeout) as caught:
            await fetch(client, f"http://127.0.0.1:{port}/")
    assert caught.value.phase == "idle"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ],
)
async def test_a_body_that_stops_half_way_is_cut_off(client, head):
    async def close_now():
        return None

    async def serve(reader, writer):
        await answers_then(reader, writer, head, close_now)

    async with listening(serve) as port:
        with pytest.raises(UpstreamProtocolError, match="cut off"):
            await fetch(client, f"http://127.0.0.1:{port}/")


async def test_a_kept_connection_that_the_upstream_closed_meanwhile_is_replaced(client):
    asked = []

    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(17)
        asked.append(head)
        if len(asked) == 2:
            return  # as a server whose keep-alive ended in this very moment
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()
        if len(asked) == 1:
            await serve(reader, writer)

    async with listening(serve) as port:
        for _ in range(2):
            assert await fetch(client, f"http://127.0.0.1:{port}/") == (200, b"ok")
    assert len(asked) == 3


async def test_a_status_of_400_is_an_answer(client):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 400 Bad\r\nX-Two: 1\r\nx-two: 2\r\ncontent-length: 2\r\n\r\nno")
        await writer.drain()
        await reader.read()

    async with listening(serve) as port:
        request = UpstreamRequest(method="POST", url=f"http://127.0.0.1:{port}/", headers=(), body=b"")
        response = await client.open(request, proxy_url="direct")
        assert (response.status, response.headers["x-two"]) == (400, "2")
        assert await response.read() == b"no"
        await response.close()


async def test_an_answer_past_the_limit_is_refused(client):
    async with listening(Origin().serve) as port:
        request = UpstreamRequest(method="POST", url=f"http://127.0.0.1:{port}/", headers=(), body=b"")
        response = await client.open(request, proxy_url="direct")
        with pytest.raises(UpstreamProtocolError, match="more than 5 bytes"):
            await response.read(5)
        await response.close()


async def test_cancelling_closes_the_connection(client):
    closed = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        closed.set()

    async with listening(serve) as port:
        task = asyncio.get_running_loop().create_task(fetch(client, f"http://127.0.0.1:{port}/"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(closed.wait(), 1)


async def test_a_compressed_answer_is_read_though_none_was_asked_for():
    from aiohttp import web

    async def compressed(request: web.Request) -> web.Response:
        response = web.json_response({"id": "1"})
        response.enable_compression(web.ContentCoding.gzip)
        return response

    app = web.Application()
    app.router.add_post("/", compressed)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = UpstreamClient(Timeouts())
    port = runner.addresses[0][1]
    answer = await client.open(
        UpstreamRequest(
            method="POST", url=f"http://127.0.0.1:{port}/", headers=(("accept-encoding", "gzip"),), body=b"{}"
        )
    )
    try:
        assert await answer.read() == b'{"id": "1"}'
    finally:
        await answer.close()
        await client.close()
        await runner.cleanup()


@pytest.mark.parametrize(
    ("lines", "media_type"),
    [
        (b"Content-Type: text/Plain; a=b\r\n", "text/Plain; a=b"),
        (b"CONTENT-TYPE: text/html\r\ncontent-type: text/event-stream\r\n", "text/event-stream"),
        (b"content-type:\r\n", ""),
        (b"x-content-type: a\r\ncontent-typf: b\r\n", ""),
        (b"", ""),
    ],
)
async def test_the_media_type_is_the_last_that_was_named(client, lines, media_type):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + lines + b"content-length: 0\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with listening(serve) as port:
        request = UpstreamRequest(method="POST", url=f"http://127.0.0.1:{port}/", headers=(), body=b"")
        response = await client.open(request, proxy_url="direct")
        assert response.media_type == response.headers.get("content-type", "") == media_type
        assert await response.read() == b""
        await response.close()


ENDINGS = [
    b"",
    b"nonsense\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-le",
    b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 204 Nothing\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
]


@pytest.mark.parametrize("said", ENDINGS)
async def test_whatever_was_said_and_whenever_it_was_given_up_nothing_is_held(client, said):
    """Of the limits that are watched, of the connections and of what counts the users of a pool."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for byte in said:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)

    async def give_up_after(steps, port):
        task = asyncio.create_task(fetch(client, f"http://127.0.0.1:{port}/"))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None or isinstance(task.exception(), UpstreamError)

    async with listening(serve) as port:
        for steps in range(0, 60, 3):
            await give_up_after(steps, port)
    (transport,) = client._pools._transports.values()
    assert not client._deadlines._running
    assert transport._users == 0
    assert not transport._connector._acquired
