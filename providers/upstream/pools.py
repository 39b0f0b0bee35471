"""Connection pools: one transport per proxy, so no traffic shares a wrong way out.

Addresses that no provider has (link-local, cloud metadata) are refused after name resolution, because a name
may point anywhere.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
import ssl
import urllib.request
from collections.abc import Collection
from urllib.parse import urlsplit

import aiohttp
import certifi
from aiohttp.abc import AbstractResolver, ResolveResult

from providers.adapters import addresses
from providers.adapters.addresses import is_forbidden_address
from providers.errors import UpstreamUnreachable
from providers.upstream.transport import MAX_HEADER_BYTES, Transport, WayOut, noted_socket

KEEPALIVE_S = 75.0


def _is_forbidden(address: str) -> bool:
    try:
        return is_forbidden_address(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return False  # a name; what it resolves to is looked at after resolution


class GuardedResolver(AbstractResolver):
    """Resolves in a thread and refuses forbidden addresses."""

    def __init__(self) -> None:
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        allowed = [entry for entry in found if not _is_forbidden(entry["host"])]
        if found and not allowed:
            raise OSError(f"{host} resolves to an address that no provider has")
        return allowed

    async def close(self) -> None:
        await self._inner.close()


@functools.lru_cache(maxsize=4096)
def check_host(host: str) -> None:
    """Refuse what names by itself an address that no provider has: behind a proxy nobody here resolves it.

    Raises UpstreamUnreachable.
    """
    try:
        addresses.check_host(host.strip("[]").rstrip("."))
    except ValueError as error:
        raise UpstreamUnreachable(
            f"the address {host} is link-local or a metadata service and is never called"
        ) from error


def environment_proxy(scheme: str, host: str) -> str:
    """The proxy that ``HTTPS_PROXY`` and its kin name for this host, or ""."""
    if urllib.request.proxy_bypass(host):
        return ""
    proxies = urllib.request.getproxies()
    found = proxies.get(scheme) or proxies.get("all") or ""
    return found if "://" in found or not found else f"http://{found}"


def _proxy_scheme(proxy: str) -> str:
    """The scheme of a proxy's URL. Raises ValueError when it is no URL with a host and a plausible port."""
    parts = urlsplit(proxy)
    if not parts.hostname or parts.port == 0:
        raise ValueError("a proxy's URL must name a host")
    return parts.scheme.lower()


@functools.cache
def trust() -> ssl.SSLContext:
    """Whom we believe: the system's authorities (and ``SSL_CERT_FILE``), and Mozilla's where it has none.

    Read once per process, which takes about 50 ms; shared, and never changed afterwards.
    """
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


class Pools:
    """The transports of one event loop, made on first use. ``keep_only`` closes those of proxies that are no
    longer configured, ``close`` all."""

    def __init__(self) -> None:
        self._transports: dict[str, WayOut] = {}
        self._retired: set[WayOut] = set()
        """Those whose last answers are still under way."""
        self._environment: dict[tuple[str, str], str] = {}
        self._ssl = trust()

    def transport(self, proxy_url: str, scheme: str, host: str) -> WayOut:
        """The way out for ``proxy_url``: "" asks the environment, ``direct``/``none`` forbid any proxy."""
        if proxy_url.lower() in ("direct", "none"):
            proxy = ""
        elif proxy_url:
            proxy = proxy_url
        else:
            key = (scheme, host)
            found = self._environment.get(key)
            if found is None:
                found = self._environment[key] = environment_proxy(scheme, host)
            proxy = found
        transport = self._transports.get(proxy)
        if transport is None:
            try:
                transport = self._transports[proxy] = self._make(proxy)
            except ValueError as error:
                raise UpstreamUnreachable("the address of the proxy cannot be read") from error
        return transport

    def _make(self, proxy: str) -> WayOut:
        scheme = _proxy_scheme(proxy) if proxy else ""
        if scheme in ("socks5", "socks5h", "socks4", "socks4a"):
            from providers.upstream import socks  # costs 40 ms to import and few need it

            way = socks.connector(proxy, scheme, self._ssl, KEEPALIVE_S, GuardedResolver())
            return socks.SocksTransport(self._session(way))
        if scheme not in ("", "http", "https"):
            raise UpstreamUnreachable(f"a proxy of scheme {scheme!r} is not supported")
        connector = aiohttp.TCPConnector(
            limit=0,
            ssl=self._ssl,
            resolver=GuardedResolver(),
            keepalive_timeout=KEEPALIVE_S,
            ttl_dns_cache=30,
            socket_factory=noted_socket,
        )
        return Transport(self._session(connector), proxy)

    def _session(self, connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )

    def keep_only(self, proxy_urls: Collection[str]) -> None:
        """The configuration names these proxies and no other. What is under way through another is answered
        to its end; then its connections are closed."""
        kept = {"", *proxy_urls, *self._environment.values()}
        for proxy in [proxy for proxy in self._transports if proxy not in kept]:
            transport = self._transports.pop(proxy)
            self._retired.add(transport)
            transport.retire(functools.partial(self._retired.discard, transport))

    async def close(self) -> None:
        transports, self._transports = self._transports, {}
        for transport in (*transports.values(), *self._retired):
            await transport.close()
