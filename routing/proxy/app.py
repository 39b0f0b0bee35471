"""The ASGI application of the hot path: finds the endpoint, and answers the small ones itself.

Mounted by ``cliproxy_site/asgi.py`` beside Django for the paths that ``owns`` names. No middleware, no
database; everything it needs is in the Gateway.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

from providers.adapters.base import Operation
from providers.errors import ClientError, GatewayError
from providers.values import Format
from routing.proxy import listing, service
from routing.proxy.access import authenticate
from routing.proxy.amp import Amp
from routing.proxy.amp_paths import is_amps
from routing.proxy.completions import CompletionsExchange
from routing.proxy.counting import CountingExchange
from routing.proxy.endpoints import (
    POSTS,
    Endpoint,
    dialect_of,
    gemini_endpoint,
    normal_path,
    without_doubled_slashes,
)
from routing.proxy.exchange import Exchange, own_query, request_id
from routing.proxy.gateway import Gateway
from routing.proxy.gemini_embedding import GeminiEmbeddingExchange
from routing.proxy.ids import next_id
from routing.proxy.interactions import Interactions, is_interaction
from routing.proxy.relay.endpoints import is_relayed
from routing.proxy.relay.exchange import Relay
from routing.proxy.request_files import FAILED, Capture
from routing.proxy.responses import ResponsesCountingExchange, ResponsesExchange
from routing.proxy.wire import (
    Headers,
    Receive,
    Scope,
    Send,
    client_headers,
    error_body,
    error_headers,
    identified,
    send_json,
    send_whole,
)

_OWNED = (
    "/v1/",
    "/v1beta/",
    "/chat/",
    "/messages/",
    "/responses/",
    "/models/",
    "/images/",
    "/audio/",
    "/backend-api/codex/",
    "/openai/v1/",
    "/v1alpha/",
    "/api/event_logging/",
    "/api/hello",
)
_GREETINGS = ("/", "/health", "/healthz", "/api/hello")
"""Is anybody there? Claude Code asks ``HEAD /`` and ``HEAD /api/hello``."""
_OWNED_WHOLE = frozenset(
    {
        "/v1",
        "/v1beta",
        "/health",
        "/metrics",
        "/healthz",
        "/models",
        "/messages",
        "/responses",
        "/completions",
        "/embeddings",
        "/rerank",
        "/moderations",
    }
)


class NotFound(ClientError):
    client_status = 404
    code: str | None = "unknown_url"


class MethodNotAllowed(ClientError):
    client_status = 405
    code: str | None = "method_not_allowed"


def owns(path: str, method: str = "GET") -> bool:
    """Whether the proxy, and not Django, answers this request. Claude Code probes with ``HEAD /``."""
    if path in POSTS:
        return True
    if service.is_switch(path, method):
        return False
    path = without_doubled_slashes(path)
    if path.startswith(_OWNED) or path in _OWNED_WHOLE or (path == "/" and method == "HEAD"):
        return True
    return is_amps(path, method)


def not_found_here(method: str, path: str) -> NotFound:
    return NotFound(
        f"There is no {method} {path} here. Base URLs: OpenAI clients end in /v1 "
        "(POST /v1/chat/completions, /v1/responses), Anthropic clients have no path "
        "(POST /v1/messages), Gemini clients neither (POST /v1beta/models/<model>:generateContent)."
    )


class ProxyApplication:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    @property
    def gateway(self) -> Gateway:
        return self._gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        endpoint = POSTS.get(path)
        if endpoint is None:
            if is_amps(path, scope["method"]):
                await Amp(self._gateway, self)(scope, receive, send)
                return
            path = normal_path(path)
            endpoint = POSTS.get(path) or gemini_endpoint(path, _query(scope))
        if endpoint is not None and scope["method"] == "POST":
            kind, found = self._exchange(endpoint), endpoint
            await self._counted(
                scope, receive, send, lambda heard, told: kind(self._gateway, scope, heard, told, found)
            )
            return
        headers = client_headers(scope)
        if endpoint is None and (is_interaction(path) or (is_relayed(path) and not _is_anthropics(headers))):
            relay = Interactions if is_interaction(path) else Relay
            await self._counted(
                scope, receive, send, lambda heard, told: relay(self._gateway, scope, heard, told, path)
            )
            return
        dialect = endpoint.dialect if endpoint is not None else dialect_of(path, headers)
        send = identified(send, request_id(headers, next_id()), dialect)
        try:
            await self._small(path, scope, send, headers, dialect, endpoint)
        except GatewayError as error:
            body = error_body(error, dialect)
            await send_whole(send, error.client_status, error_headers(error), body)

    async def _counted(
        self, scope: Scope, receive: Receive, send: Send, make: Callable[[Receive, Send], Exchange]
    ) -> None:
        gateway, metrics = self._gateway, self._gateway.metrics
        settings, files, capture = gateway.live.table.settings, gateway.request_files, None
        if settings.request_log and files is not None and not settings.commercial_mode:
            capture = Capture(scope)
            receive, send = capture.receiving(receive), capture.sending(send)
        exchange = make(receive, send)
        metrics.in_flight += 1
        try:
            await exchange.run()
        finally:
            metrics.in_flight -= 1
            record = exchange.record
            is_noted = capture is not None or (record.outcome in FAILED and not settings.commercial_mode)
            # Without a client key anybody could fill the folder and push out what was worth keeping.
            if is_noted and files is not None and record.client is not None:
                files.note(scope, record, capture, settings)

    def _exchange(self, endpoint: Endpoint) -> type[Exchange]:
        if endpoint.dialect is Format.RESPONSES:
            is_count = endpoint.operation is Operation.COUNT
            return ResponsesCountingExchange if is_count else ResponsesExchange
        if endpoint.embeds:
            return GeminiEmbeddingExchange
        if endpoint.operation is Operation.COUNT:
            return CountingExchange
        return CompletionsExchange if endpoint.is_completion else Exchange

    async def _small(
        self,
        path: str,
        scope: Scope,
        send: Send,
        headers: dict[str, str],
        dialect: Format,
        endpoint: Endpoint | None,
    ) -> None:
        """The endpoints that need no upstream."""
        method = scope["method"]
        if service.serves(path):
            await service.answer(self._gateway, path, scope, send, headers)
            return
        is_listing = _is_listing(path)
        is_known = is_listing or path in _GREETINGS
        if is_listing and method == "POST" and ":" in path:
            raise not_found_here(method, path)  # an action of Gemini's that there is not
        if endpoint is not None or (is_known and method not in ("GET", "HEAD")):
            allowed = "POST" if endpoint is not None else "GET"
            raise MethodNotAllowed(f"{method} is not allowed for {path}; use {allowed}.")
        if path in _GREETINGS:
            await send_json(send, 200, {"status": "ok"})
        elif is_listing:
            await self._list(path, scope, send, headers, dialect)
        elif path.startswith("/api/event_logging/") and method == "POST":
            await send_json(send, 200, {"status": "ok"})  # Claude Code's telemetry: taken, and kept by nobody
        else:
            raise not_found_here(method, path)

    async def _list(
        self, path: str, scope: Scope, send: Send, headers: dict[str, str], dialect: Format
    ) -> None:
        gateway = self._gateway
        table = gateway.live.table
        own_query(scope, headers)
        client = authenticate(table, headers, gateway.digest, gateway.clock())
        query = {name: values[-1] for name, values in parse_qs(_query(scope)).items()}
        version, _, model_id = path.removeprefix("/").partition("/models")
        model_id = model_id.removeprefix("/")
        shape = listing.shape_for(version, query, dialect)
        extra: Headers = []
        if model_id:
            value = listing.one_model(table, client, model_id, shape)
        else:
            value = listing.model_list(table, client, shape, query, gateway.state, gateway.clock())
            if shape is listing.Shape.CODEX:
                extra.append((b"etag", listing.etag(value)))
        await send_json(send, 200, value, extra)


def _is_listing(path: str) -> bool:
    return path in ("/v1/models", "/v1beta/models") or path.startswith(("/v1/models/", "/v1beta/models/"))


def _is_anthropics(headers: dict[str, str]) -> bool:
    """Anthropic's SDK has files and batches of its own form: what it uploads is not another vendor's."""
    return "anthropic-version" in headers


def _query(scope: Scope) -> str:
    query: bytes = scope.get("query_string", b"")
    return query.decode("latin-1")
