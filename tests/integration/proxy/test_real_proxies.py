"""Credentials whose way out is a proxy: tinyproxy, microsocks, and a proxy behind TLS."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from providers.upstream.pools import trust
from providers.upstream.timeouts import Timeouts
from tests.integration.proxy.conftest import Proxy
from tests.integration.proxy.upstream_double import COMPLETION, HELLO_STREAM, answers, streams
from tests.real_proxies import behind_tls, microsocks, server_tls, tinyproxy

pytestmark = pytest.mark.timeout(60)
TIMEOUTS = Timeouts(connect_s=3, first_byte_s=5, idle_s=5)


@pytest.fixture(autouse=True)
def no_proxy_of_ours(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def ways(tmp_path):
    """An HTTP and a SOCKS proxy without a login and with one."""
    with ExitStack() as stack:
        yield {
            "http": stack.enter_context(tinyproxy(tmp_path)),
            "http-login": stack.enter_context(tinyproxy(tmp_path, "tinyproxy-login", has_login=True)),
            "socks": stack.enter_context(microsocks(tmp_path)),
            "socks-login": stack.enter_context(microsocks(tmp_path, "microsocks-login", has_login=True)),
        }


@pytest.fixture
def trusted(tmp_path, monkeypatch):
    """A server's TLS context whose certificate every pool made later trusts."""
    context, certificate = server_tls(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    trust.cache_clear()
    yield context
    trust.cache_clear()


@pytest.fixture
async def proxy(trusted):
    running = Proxy(TIMEOUTS)
    await running.start()
    yield running
    await running.stop()


def used(ways, port):
    """Which proxies say that they were asked for ``port``."""
    return {name for name, way in ways.items() if f":{port}" in way.log}


async def test_each_credential_goes_its_own_way_and_no_other(proxy, upstream, ways):
    upstream.then(answers(body=COMPLETION))
    port = upstream.url.rpartition(":")[2]
    for model, proxy_url in {
        "direct": "direct",
        "none": "None",
        "http": f"http://{ways['http'].address}",
        "http-login": f"http://{ways['http-login'].address_with_login}",
        "socks": f"socks5://{ways['socks'].address}",
        "socks-login": f"socks5h://{ways['socks-login'].address_with_login}",
    }.items():
        proxy.offer(model, f"{upstream.url}/v1", proxy_url=proxy_url)
    seen: set[str] = set()
    for model in ("direct", "none", "http", "http-login", "socks", "socks-login"):
        response = await proxy.chat(model)
        assert response.status_code == 200, response.text
        seen |= {model} & ways.keys()
        assert used(ways, port) == seen
    secrets = [call.headers["authorization"] for call in upstream.calls]
    assert secrets == [f"Bearer upstream-secret-{number}" for number in range(1, 7)]
    assert all("proxy-authorization" not in call.headers for call in upstream.calls)


async def test_streams_pass_through_every_proxy(proxy, upstream, ways):
    upstream.then(streams(*HELLO_STREAM, gap_s=0.02))
    for name, scheme in (("http", "http"), ("socks", "socks5"), ("socks-login", "socks5h")):
        proxy.offer(name, f"{upstream.url}/v1", proxy_url=f"{scheme}://{ways[name].address_with_login}")
        response = await proxy.chat(name, stream=True)
        assert response.content.endswith(b"data: [DONE]\n\n")


async def test_https_upstreams_are_reached_through_a_tunnel(proxy, upstream, ways, trusted):
    upstream.then(answers(body=COMPLETION))
    async with behind_tls(int(upstream.url.rpartition(":")[2]), trusted) as port:
        for name, scheme, host in (
            ("http", "http", "localhost"),
            ("http-login", "http", "127.0.0.1"),
            ("socks", "socks5", "localhost"),
            ("socks-login", "socks5h", "localhost"),
        ):
            way = f"{scheme}://{ways[name].address_with_login}"
            proxy.offer(name, f"https://{host}:{port}/v1", proxy_url=way)
            response = await proxy.chat(name)
            assert response.status_code == 200, response.text
        assert used(ways, port) == set(ways)
    assert all("proxy-authorization" not in call.headers for call in upstream.calls)


@pytest.mark.parametrize("is_tunnel", [False, True])
async def test_the_proxy_itself_may_speak_tls(proxy, upstream, ways, trusted, is_tunnel):
    upstream.then(answers(body=COMPLETION))
    upstream_port = int(upstream.url.rpartition(":")[2])
    login = ways["http-login"]
    async with behind_tls(login.port, trusted) as port, behind_tls(upstream_port, trusted) as tls_port:
        way = f"https://{login.address_with_login.rpartition(':')[0]}:{port}"
        target = f"https://localhost:{tls_port}" if is_tunnel else upstream.url
        proxy.offer("m", f"{target}/v1", proxy_url=way)
        response = await proxy.chat()
        assert response.status_code == 200, response.text
        assert used(ways, tls_port if is_tunnel else upstream_port) == {"http-login"}


async def test_only_socks5h_leaves_the_name_to_the_proxy(proxy, upstream, ways):
    upstream.then(answers(body=COMPLETION))
    port = upstream.url.rpartition(":")[2]
    proxy.offer("here", f"http://localhost:{port}/v1", proxy_url=f"socks5://{ways['socks'].address}")
    proxy.offer(
        "there",
        f"http://localhost:{port}/v1",
        proxy_url=f"socks5h://{ways['socks-login'].address_with_login}",
    )
    assert (await proxy.chat("here")).status_code == 200
    assert (await proxy.chat("there")).status_code == 200
    assert f"127.0.0.1:{port}" in ways["socks"].log
    assert f"localhost:{port}" not in ways["socks"].log
    assert f"localhost:{port}" in ways["socks-login"].log


@pytest.mark.parametrize("name", ["http-login", "socks-login"])
async def test_a_wrong_login_or_a_dead_proxy_hands_over_to_the_next_credential(proxy, upstream, ways, name):
    upstream.then(answers(body=COMPLETION))
    scheme = name.partition("-")[0].replace("socks", "socks5")
    wrong = f"{scheme}://gate:wrong-secret@{ways[name].address}"
    proxy.offer("m", f"{upstream.url}/v1", proxy_url=wrong, priority=9)
    dead = ways["http"] if scheme == "http" else ways["socks"]
    dead.kill()
    proxy.offer("m", f"{upstream.url}/v1", proxy_url=f"{scheme}://{dead.address}", priority=5)
    proxy.offer("m", f"{upstream.url}/v1", proxy_url="direct")
    response = await proxy.chat()
    assert response.headers["x-cliproxy-provider"] == "fake-3"
    attempts = json.dumps(proxy.line.attempts)
    assert "wrong-secret" not in attempts + response.text
    assert "proxy" in attempts


async def test_direct_takes_no_proxy_of_the_environment_and_an_empty_value_does(
    proxy, upstream, ways, monkeypatch
):
    upstream.then(answers(body=COMPLETION))
    port = upstream.url.rpartition(":")[2]
    monkeypatch.setenv("http_proxy", f"http://{ways['http'].address}")
    proxy.offer("direct", f"{upstream.url}/v1", proxy_url="DIRECT")
    proxy.offer("own", f"{upstream.url}/v1", proxy_url=f"socks5://{ways['socks'].address}")
    proxy.offer("inherits", f"{upstream.url}/v1")
    assert (await proxy.chat("direct")).status_code == 200
    assert used(ways, port) == set()
    assert (await proxy.chat("own")).status_code == 200
    assert used(ways, port) == {"socks"}
    assert (await proxy.chat("inherits")).status_code == 200
    assert used(ways, port) == {"socks", "http"}


@pytest.mark.parametrize("host", ["169.254.169.254", "metadata.google.internal", "2852039166"])
@pytest.mark.parametrize("name", ["http", "socks"])
async def test_no_proxy_is_asked_for_a_metadata_service(proxy, ways, name, host):
    scheme = {"http": "http", "socks": "socks5h"}[name]
    proxy.offer("m", f"http://{host}/latest", proxy_url=f"{scheme}://{ways[name].address}")
    response = await proxy.chat()
    assert response.status_code == 502
    assert "never called" in response.json()["error"]["message"]
    assert host not in ways[name].log


async def test_a_name_that_leads_to_a_metadata_service_is_not_asked_for(proxy, upstream, ways, monkeypatch):
    async def forged(self, host, port=0, family=0):
        return [
            {"hostname": host, "host": "169.254.169.254", "port": port, "family": 2, "proto": 6, "flags": 0}
        ]

    monkeypatch.setattr("aiohttp.ThreadedResolver.resolve", forged)
    proxy.offer("m", "http://models.example/v1", proxy_url=f"socks5://{ways['socks'].address}")
    assert (await proxy.chat()).status_code == 502
    assert "169.254" not in ways["socks"].log


@pytest.mark.parametrize(
    "proxy_url", ["ftp://127.0.0.1:1", "socks5://", "http://", "http://a:b:c", "nonsense"]
)
async def test_an_address_that_is_no_proxy_is_an_upstream_that_cannot_be_reached(proxy, upstream, proxy_url):
    proxy.offer("m", f"{upstream.url}/v1", proxy_url=proxy_url)
    response = await proxy.chat()
    assert response.status_code == 502
    assert upstream.calls == []


async def test_a_custom_host_header_names_the_authority(proxy, upstream):
    upstream.then(answers(body=COMPLETION))
    headers = (("Host", "tenant.example"), ("X-Team", "$X-Team"), ("X-None", "$X-None"), ("X-Lone", "$"))
    proxy.offer("m", f"{upstream.url}/v1", headers=headers)
    sent = {"model": "m", "messages": []}
    assert (await proxy.post(sent, **{"x-team": "blue"})).status_code == 200
    call = upstream.calls[0]
    assert call.headers["host"] == "tenant.example"
    assert call.headers["x-team"] == "blue"
    assert not {"x-none", "x-lone"} & call.headers.keys()
