"""httpx in front, the upstream client behind: what a caller puts in arrives, what comes back is whole."""

from __future__ import annotations

import httpx
import pytest

from providers.errors import UpstreamUnreachable
from providers.upstream.client import UpstreamClient
from providers.upstream.httpx_transport import UpstreamTransport
from providers.upstream.timeouts import Timeouts
from tests.unit.providers.upstream.proxies import listening


@pytest.fixture
async def transport():
    client = UpstreamClient(Timeouts(connect_s=1, first_byte_s=1, idle_s=1))
    yield UpstreamTransport(client)
    await client.close()


class Vendor:
    """Keeps what it was sent and answers with two cookies and a body that arrives in chunks."""

    def __init__(self):
        self.head = self.body = b""

    async def __call__(self, reader, writer):
        self.head = await reader.readuntil(b"\r\n\r\n")
        self.body = await reader.readexactly(3)
        writer.write(
            b"HTTP/1.1 201 Created\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n"
            b"transfer-encoding: chunked\r\n\r\n2\r\nho\r\n2\r\n!!\r\n0\r\n\r\n"
        )
        await writer.drain()
        writer.close()


async def test_a_request_arrives_once_addressed_and_its_answer_keeps_every_header(transport):
    vendor = Vendor()
    async with listening(vendor) as port:
        request = httpx.Request(
            "POST", f"http://127.0.0.1:{port}/token", headers={"x-a": "b"}, content=b"abc"
        )
        response = await transport.handle_async_request(request)
        body = await response.aread()
        await response.aclose()
    assert vendor.body == b"abc"
    lines = vendor.head.lower().splitlines()
    assert lines[0] == b"post /token http/1.1"
    assert [line for line in lines if line.startswith((b"host:", b"content-length:"))] == [
        f"host: 127.0.0.1:{port}".encode(),
        b"content-length: 3",
    ]
    assert b"x-a: b" in lines
    assert (response.status_code, body) == (201, b"ho!!")
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]


async def test_an_address_that_no_vendor_has_is_refused(transport):
    with pytest.raises(UpstreamUnreachable, match="never called"):
        await transport.handle_async_request(httpx.Request("GET", "http://169.254.169.254/latest"))
