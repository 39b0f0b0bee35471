"""Each credential's way out is its own: direct, an HTTP proxy or a SOCKS proxy, never another's pool."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from providers.adapters.base import UpstreamRequest
from providers.errors import UpstreamTimeout, UpstreamUnreachable
from providers.upstream.client import UpstreamClient
from providers.upstream.pools import Pools, check_host, environment_proxy
from providers.upstream.timeouts import Timeouts
from tests.unit.providers.upstream.proxies import HttpProxy, Origin, SocksProxy, listening, silent

TIMEOUTS = Timeouts(connect_s=0.5, first_byte_s=2.0, idle_s=2.0)


@pytest.fixture(autouse=True)
def no_proxy_of_ours(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def client():
    made = UpstreamClient(TIMEOUTS)
    yield made
    await made.close()


async def fetch(client, url, proxy_url=""):
    request = UpstreamRequest(method="POST", url=url, headers=(("x-a", "1"),), body=b"{}")
    response = await client.open(request, proxy_url=proxy_url)
    try:
        return response.status, await response.read()
    finally:
        await response.close()


async def test_each_way_out_is_used_by_its_own_requests_only(client):
    origin, http_proxy, socks_proxy = Origin(), HttpProxy(), SocksProxy()
    async with (
        listening(origin.serve) as port,
        listening(http_proxy.serve) as http_port,
        listening(socks_proxy.serve) as socks_port,
    ):
        url = f"http://127.0.0.1:{port}/v1"
        assert await fetch(client, url) == (200, b"origin")
        assert await fetch(client, url, "direct") == (200, b"origin")
        assert await fetch(client, url, "none") == (200, b"origin")
        assert (http_proxy.seen, socks_proxy.seen) == ([], [])
        assert await fetch(client, url, f"http://127.0.0.1:{http_port}") == (200, b"origin")
        assert (http_proxy.seen, socks_proxy.seen) == ([f"POST {url}"], [])
        assert await fetch(client, url, f"socks5://127.0.0.1:{socks_port}") == (200, b"origin")
        assert (len(http_proxy.seen), socks_proxy.seen) == (1, [f"127.0.0.1:{port}"])
        assert await fetch(client, url) == (200, b"origin")
        assert (http_proxy.connections, socks_proxy.connections) == (1, 1)
        assert origin.connections == 3


async def test_a_way_out_keeps_its_connection_for_the_next_request(client):
    origin, proxy = Origin(), SocksProxy()
    async with listening(origin.serve) as port, listening(proxy.serve) as proxy_port:
        for _ in range(3):
            await fetch(client, f"http://127.0.0.1:{port}/", f"socks5://127.0.0.1:{proxy_port}")
        assert (proxy.connections, origin.connections, len(origin.heads)) == (1, 1, 3)


async def until_closed(connections):
    async with asyncio.timeout(2):
        while connections:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_a_pool_whose_proxy_is_configured_no_more_is_closed_when_its_last_answer_is_through(
    client, kind
):
    open_ones = set()

    def counted(serve):
        async def served(reader, writer):
            open_ones.add(writer)
            try:
                await serve(reader, writer)
            finally:
                open_ones.discard(writer)

        return served

    origin, proxy = Origin(), HttpProxy() if kind == "http" else SocksProxy()
    async with listening(origin.serve) as port, listening(counted(proxy.serve)) as proxy_port:
        way, url = f"{kind}://127.0.0.1:{proxy_port}", f"http://127.0.0.1:{port}/"
        request = UpstreamRequest(method="POST", url=url, headers=(), body=b"{}")
        answer = await client.open(request, proxy_url=way)
        client.keep_only({way, "direct"})
        assert await fetch(client, url, way) == (200, b"origin")
        client.keep_only({"direct"})
        await asyncio.sleep(0.01)
        assert len(open_ones) == 1  # an answer is under way
        assert await answer.read() == b"origin"
        await answer.close()
        await until_closed(open_ones)
        assert await fetch(client, url, way) == (200, b"origin")  # configured again: a new pool
        client.keep_only(())
        await until_closed(open_ones)


@pytest.mark.parametrize("kind", ["http", "socks5", "socks5h"])
async def test_a_proxy_gets_the_login_that_its_address_holds(client, kind):
    origin = Origin()
    proxy = HttpProxy("user:pass") if kind == "http" else SocksProxy("user:pass")
    async with listening(origin.serve) as port, listening(proxy.serve) as proxy_port:
        way = f"{kind}://user:pass@127.0.0.1:{proxy_port}"
        assert await fetch(client, f"http://127.0.0.1:{port}/", way) == (200, b"origin")
    assert len(proxy.seen) == 1


@pytest.mark.parametrize("kind", ["socks5", "socks5h"])
async def test_a_wrong_socks_login_is_a_proxy_that_refused(client, kind):
    proxy = SocksProxy("user:pass")
    async with listening(proxy.serve) as proxy_port:
        with pytest.raises(UpstreamUnreachable, match="a proxy that refused") as caught:
            await fetch(client, "http://127.0.0.1:9/", f"{kind}://user:canary@127.0.0.1:{proxy_port}")
    assert "canary" not in caught.value.message


async def test_only_socks5h_leaves_the_name_to_the_proxy(client):
    origin, proxy = Origin(), SocksProxy()
    async with listening(origin.serve) as port, listening(proxy.serve) as proxy_port:
        await fetch(client, f"http://localhost:{port}/", f"socks5h://127.0.0.1:{proxy_port}")
        assert proxy.seen == [f"localhost:{port}"]
        with contextlib.suppress(UpstreamUnreachable):  # where localhost is ::1, which this proxy has not
            await fetch(client, f"http://localhost:{port}/", f"socks5://127.0.0.1:{proxy_port}")
        assert f"localhost:{port}" not in proxy.seen[1:]


@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_a_proxy_that_is_not_there_is_said_to_be_unreachable(client, kind):
    async with listening(silent) as gone:
        pass
    with pytest.raises(UpstreamUnreachable, match="a proxy that cannot be reached"):
        await fetch(client, "http://127.0.0.1:9/", f"{kind}://user:canary@127.0.0.1:{gone}")


async def test_a_socks_proxy_that_cannot_connect_refused(client):
    proxy = SocksProxy(reply=5)
    async with listening(proxy.serve) as proxy_port:
        with pytest.raises(UpstreamUnreachable, match="a proxy that refused"):
            await fetch(client, "http://127.0.0.1:9/", f"socks5://127.0.0.1:{proxy_port}")


async def test_a_socks_proxy_that_says_nothing_times_out_as_a_connection(client):
    async with listening(silent) as proxy_port:
        with pytest.raises(UpstreamTimeout) as caught:
            await fetch(client, "http://127.0.0.1:9/", f"socks5://127.0.0.1:{proxy_port}")
    assert caught.value.phase == "connect"


async def test_a_proxy_of_another_kind_is_refused(client):
    with pytest.raises(UpstreamUnreachable, match="scheme 'gopher' is not supported"):
        await fetch(client, "http://127.0.0.1:9/", "gopher://127.0.0.1:70")


async def test_the_environment_names_the_proxy_when_the_credential_names_none(client, monkeypatch):
    origin, proxy = Origin(), HttpProxy()
    async with listening(origin.serve) as port, listening(proxy.serve) as proxy_port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy_port}")
        await fetch(client, f"http://127.0.0.1:{port}/a")
        await fetch(client, f"http://127.0.0.1:{port}/b", "direct")
    assert proxy.seen == [f"POST http://127.0.0.1:{port}/a"]


def test_the_environment_may_name_hosts_that_need_no_proxy(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "internal.example")
    assert environment_proxy("https", "api.example") == "http://proxy.example:3128"
    assert environment_proxy("https", "internal.example") == ""
    assert environment_proxy("http", "api.example") == ""


async def test_equal_proxies_share_a_pool_and_different_ones_do_not():
    pools = Pools()
    first = pools.transport("http://127.0.0.1:1", "https", "a")
    assert pools.transport("http://127.0.0.1:1", "https", "b") is first
    assert pools.transport("http://user:x@127.0.0.1:1", "https", "a") is not first
    assert pools.transport("direct", "https", "a") is pools.transport("none", "https", "b")
    await pools.close()


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "fe80::1%eth0"])
def test_an_address_that_no_provider_has_is_refused(host):
    with pytest.raises(UpstreamUnreachable, match="never called"):
        check_host(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "[::1]", "api.example"])
def test_a_local_model_server_and_a_name_may_be_called(host):
    check_host(host)
