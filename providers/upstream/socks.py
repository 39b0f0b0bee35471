"""The way out through a SOCKS proxy. Imported on first need: the library costs 40 ms and few need it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import httpx
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError

from providers.errors import UpstreamUnreachable
from providers.upstream.sockets import UpstreamSocket
from providers.upstream.transport import Transport


class SocksTransport(Transport):
    """As Transport, over a session with a SOCKS connector, whose errors belong to no known family."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with _named():
            return await super().handle_async_request(request)

    async def connect(
        self, url: str, headers: tuple[tuple[str, str], ...], protocols: tuple[str, ...]
    ) -> UpstreamSocket:
        with _named():
            return await super().connect(url, headers, protocols)


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except ProxyTimeoutError as error:
        raise httpx.ConnectTimeout("the proxy did not answer") from error
    except ProxyConnectionError as error:
        raise UpstreamUnreachable("the upstream is behind a proxy that cannot be reached") from error
    except ProxyError as error:
        raise UpstreamUnreachable("the upstream is behind a proxy that refused the connection") from error


def connector(proxy: str, scheme: str, context: ssl.SSLContext, keepalive_s: float) -> aiohttp.BaseConnector:
    """``scheme`` is that of ``proxy``; with socks5h and socks4a the proxy resolves names."""
    plain_scheme = "socks5://" if scheme.startswith("socks5") else "socks4://"
    made: aiohttp.BaseConnector = ProxyConnector.from_url(
        plain_scheme + proxy.partition("://")[2],
        rdns=scheme in ("socks5h", "socks4a"),
        limit=0,
        ssl=context,
        keepalive_timeout=keepalive_s,
    )
    return made
