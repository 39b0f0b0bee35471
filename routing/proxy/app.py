"""The ASGI application of the hot path: finds the endpoint, and answers the small ones itself.

Mounted by ``cliproxy_site/asgi.py`` beside Django for the paths that ``owns`` names. No middleware, no
database; everything it needs is in the Gateway.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from providers.errors import ClientError, GatewayError
from providers.values import Format
from routing.proxy import listing
from routing.proxy.access import authenticate
from routing.proxy.exchange import Exchange
from routing.proxy.gateway import Gateway
from routing.proxy.wire import (
    Receive,
    Scope,
    Send,
    client_headers,
    dialect_of,
    error_body,
    error_headers,
    send_json,
    send_whole,
)

DOUBLED = re.compile(r"^(?:/v1)+(?=/)")
GENERATION = {"/v1/chat/completions": Format.OPENAI}
BARE = {"/chat/completions": "/v1/chat/completions", "/models": "/v1/models"}
"""What a client calls whose base URL lacks ``/v1``."""


class NotFound(ClientError):
    client_status = 404
    code: str | None = "unknown_url"


class MethodNotAllowed(ClientError):
    client_status = 405
    code: str | None = "method_not_allowed"


def normal_path(path: str) -> str:
    """A base URL with a doubled or a missing ``/v1``, or a slash too many, still finds its endpoint."""
    path = path.rstrip("/") or "/"
    path = re.sub(r"/{2,}", "/", path)
    path = DOUBLED.sub("/v1", path)
    return BARE.get(path, path)


def owns(path: str) -> bool:
    """Whether the proxy, and not Django, answers this path."""
    return path.startswith(("/v1/", "/v1beta/", "/chat/")) or path in (
        "/v1",
        "/health",
        "/healthz",
        "/models",
    )


class ProxyApplication:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path not in GENERATION:
            path = normal_path(path)
        dialect = GENERATION.get(path)
        if dialect is not None and scope["method"] == "POST":
            await Exchange(self._gateway, scope, receive, send, dialect).run()
            return
        try:
            await self._small(path, scope, send, is_generation=dialect is not None)
        except GatewayError as error:
            body = error_body(error, dialect_of(path))
            await send_whole(send, error.client_status, error_headers(error), body)

    async def _small(self, path: str, scope: Scope, send: Send, *, is_generation: bool) -> None:
        """The endpoints that need no upstream."""
        method = scope["method"]
        is_known = path in ("/health", "/healthz", "/v1/metrics/providers") or _is_listing(path)
        if is_generation or (is_known and method not in ("GET", "HEAD")):
            allowed = "POST" if is_generation else "GET"
            raise MethodNotAllowed(f"{method} is not allowed for {path}; use {allowed}.")
        if path in ("/health", "/healthz"):
            await send_json(send, 200, {"status": "ok"})
        elif path == "/v1/metrics/providers":
            await send_json(send, 200, self._gateway.metrics.snapshot())
        elif _is_listing(path):
            await self._list(path, scope, send)
        else:
            raise NotFound(
                f"There is no {method} {path} here. Clients use the base URL that ends in /v1, "
                "for example POST /v1/chat/completions."
            )

    async def _list(self, path: str, scope: Scope, send: Send) -> None:
        gateway = self._gateway
        table = gateway.live.table
        client = authenticate(table, client_headers(scope), gateway.digest, gateway.clock())
        if path == "/v1/models":
            query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
            provider = query.get("provider", [""])[0]
            await send_json(send, 200, listing.model_list(table, client, provider))
        else:
            await send_json(send, 200, listing.one_model(table, client, path.removeprefix("/v1/models/")))


def _is_listing(path: str) -> bool:
    return path == "/v1/models" or path.startswith("/v1/models/")
