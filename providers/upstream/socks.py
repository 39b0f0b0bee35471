"""The way out through a SOCKS proxy. Imported on first need: the library costs 40 ms and few need it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError
from aiohttp_socks.connector import Proxy, _ResponseHandler
from python_socks import parse_proxy_url
from yarl import URL

from providers.errors import UpstreamUnreachable
from providers.upstream.sockets import UpstreamSocket
from providers.upstream.transport import Answer, Transport, note_new


class SocksTransport(Transport):
    """As Transport, over a session with a SOCKS connector, whose errors belong to no known family."""

    async def send(
        self,
        method: str,
        url: URL,
        headers: tuple[tuple[str, str], ...],
        body: bytes | AsyncIterator[bytes] | None,
        connect_s: float,
    ) -> Answer:
        with _named():
            return await super().send(method, url, headers, body, connect_s)

    async def connect(
        self, url: URL, headers: tuple[tuple[str, str], ...], protocols: tuple[str, ...]
    ) -> UpstreamSocket:
        with _named():
            return await super().connect(url, headers, protocols)


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except ProxyTimeoutError as error:
        raise aiohttp.ConnectionTimeoutError("the proxy did not answer") from error
    except ProxyConnectionError as error:
        raise UpstreamUnreachable("the upstream is behind a proxy that cannot be reached") from error
    except ProxyError as error:
        raise UpstreamUnreachable("the upstream is behind a proxy that refused the connection") from error


class _GuardedNames:
    """What the library asks for the address of a name that the proxy shall not resolve itself."""

    def __init__(self, resolver: AbstractResolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> tuple[socket.AddressFamily, str]:
        entries = await self._resolver.resolve(host, port, family)
        found = min(entries, key=lambda entry: entry["family"])  # IPv4 first: few SOCKS proxies have IPv6
        return socket.AddressFamily(found["family"]), found["host"]


class _GuardedProxy(Proxy):  # type: ignore[misc]  # the library ships no types
    def __init__(self, resolver: AbstractResolver, **options: Any) -> None:
        super().__init__(**options)
        self._resolver = _GuardedNames(resolver)


class _Connector(ProxyConnector):  # type: ignore[misc]  # the library ships no types
    """The library's, with names resolved here looked at as on every other way out (``pools.py``)."""

    def __init__(self, names: AbstractResolver, **options: Any) -> None:
        super().__init__(**options)
        self._names = names

    async def _connect_via_proxy(
        self,
        host: str,
        port: int,
        ssl: ssl.SSLContext | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  (the library's signature)
    ) -> tuple[asyncio.Transport, Any]:
        note_new()
        proxy = _GuardedProxy(
            self._names,
            proxy_type=self._proxy_type,
            host=self._proxy_host,
            port=self._proxy_port,
            username=self._proxy_username,
            password=self._proxy_password,
            rdns=self._rdns,
        )
        stream = await proxy.connect(dest_host=host, dest_port=port, dest_ssl=ssl, timeout=timeout)
        transport = stream.writer.transport
        protocol = _ResponseHandler(loop=self._loop, writer=stream.writer)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        return transport, protocol


def connector(
    proxy: str, scheme: str, context: ssl.SSLContext, keepalive_s: float, names: AbstractResolver
) -> aiohttp.BaseConnector:
    """``scheme`` is that of ``proxy``. With socks5h and socks4a the proxy resolves names, else ``names``."""
    plain_scheme = "socks5://" if scheme.startswith("socks5") else "socks4://"
    kind, host, port, username, password = parse_proxy_url(plain_scheme + proxy.partition("://")[2])
    made: aiohttp.BaseConnector = _Connector(
        names,
        proxy_type=kind,
        host=host,
        port=port,
        username=username,
        password=password,
        rdns=scheme in ("socks5h", "socks4a"),
        limit=0,
        ssl=context,
        keepalive_timeout=keepalive_s,
    )
    return made
