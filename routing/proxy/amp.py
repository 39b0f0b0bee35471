"""Amp's clients: their provider-shaped paths are served here, everything else goes to Amp unchanged.

What a path stands for: ``amp_paths``; which model serves: ``routing/core/amp.py``. Rules and sources:
docs/protocols/ampcode.md.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec

from providers.errors import ClientError, GatewayError
from providers.translation.passthrough import BAD_JSON, FIELDS
from providers.values import Format
from routing.core.amp import Mapped, decide
from routing.core.resolve import Resolution
from routing.core.table import ClientEntry, RoutingTable
from routing.proxy.access import authenticate, presented_key
from routing.proxy.amp_paths import is_page, provider_path
from routing.proxy.amp_upstream import forward
from routing.proxy.attempt import WholeAnswer
from routing.proxy.endpoints import POSTS, Endpoint, gemini_endpoint
from routing.proxy.exchange import Exchange, own_query
from routing.proxy.gateway import Gateway
from routing.proxy.intake import ClientGone, read_body
from routing.proxy.wire import (
    Receive,
    Scope,
    Send,
    client_headers,
    error_body,
    error_headers,
    send_json,
    send_whole,
)

_LONG_CONTEXT = "context-1m-2025-08-07"
"""A beta of Anthropic's that Amp asks for and that accounts elsewhere seldom have."""
_LOOPBACK = ("127.0.0.1", "::1")
_LISTS = {"anthropic": Format.CLAUDE, "google": Format.GEMINI}
_CHANNELS = {"kiro": "kiro", "cursor": "cursor", "kilo": "kilo", "kilocode": "kilo", "kimi": "kimi"}


class Amp:
    """Serves one request at a path of Amp's. ``inner`` is the proxy's own application."""

    def __init__(self, gateway: Gateway, inner: Any) -> None:
        self._gateway = gateway
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = provider_path(scope["path"])
        try:
            if found is None:
                await self._control(scope, receive, send)
            else:
                await self._provider(scope, receive, send, *found)
        except ClientGone:
            return
        except GatewayError as error:
            body = error_body(error, Format.OPENAI)
            await send_whole(send, error.client_status, error_headers(error), body)

    # --- models ----------------------------------------------------------------------------

    async def _provider(self, scope: Scope, receive: Receive, send: Send, provider: str, path: str) -> None:
        query = scope.get("query_string", b"").decode("latin-1")
        endpoint = POSTS.get(path) or gemini_endpoint(path, query)
        if endpoint is not None and scope["method"] == "POST":
            await self._generation(scope, receive, send, path, endpoint)
        elif path.startswith("/v1beta1/"):
            if scope["method"] == "POST":
                raise ClientError("This path names no model: …/models/{model}:{action} is expected.")
            await self._control(scope, receive, send)
        else:
            await self._inner(_listing(scope, provider, path), receive, send)

    async def _generation(
        self, scope: Scope, receive: Receive, send: Send, path: str, endpoint: Endpoint
    ) -> None:
        """By a model here, by another one that stands in for it, or by Amp."""
        gateway = self._gateway
        headers = client_headers(scope)
        table = gateway.live.table
        body = await read_body(receive, headers, gateway.body_limit)
        model = endpoint.url.model if endpoint.url is not None else _model_in(body)
        decision = decide(table, table.amp, model) if model else True
        if decision is False and table.amp is not None:
            own_query(scope, headers)
            client = authenticate(table, headers, gateway.digest, gateway.clock())
            await forward(gateway, table.amp, scope, send, body, client)
            return
        inner: Scope = {**scope, "path": path, "headers": _own_headers(scope)}
        if isinstance(decision, Mapped):
            again = _Again(_with_params(body, decision.params), receive)
            exchange = StandInExchange(gateway, inner, again, send, endpoint)
            exchange.stand_in = decision.model
            await exchange.run()
        else:
            await self._inner(inner, _Again(body, receive), send)

    # --- control plane -----------------------------------------------------------------------

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gates in this order: an address, this machine, a client key."""
        gateway = self._gateway
        settings = gateway.live.table.amp
        if settings is None or not settings.upstream_url:
            await send_json(send, 503, {"error": "amp upstream proxy not available"})
            return
        if scope["method"] == "OPTIONS":
            await send_whole(send, 403, [], b"")  # no page of another origin may reach the control plane
            return
        if settings.is_local_only and not _is_local(scope):
            words = "Access denied: management routes restricted to localhost"
            await send_json(send, 403, {"error": words})
            return
        headers = client_headers(scope)
        own_query(scope, headers)
        client: ClientEntry | None = None
        if not is_page(scope["path"]) or presented_key(headers):
            client = authenticate(gateway.live.table, headers, gateway.digest, gateway.clock())
        body = await read_body(receive, headers, gateway.body_limit)
        await forward(gateway, settings, scope, send, body, client)


class StandInExchange(Exchange):
    """Served by another model than the one asked for; answers show the one asked for."""

    stand_in: str = ""

    def _resolve(self, table: RoutingTable, client: ClientEntry, parsed: Any) -> Resolution:
        found = super()._resolve(table, client, msgspec.structs.replace(parsed, model=self.stand_in))
        return msgspec.structs.replace(
            found,
            candidates=tuple(msgspec.structs.replace(one, force_mapping=True) for one in found.candidates),
            cooling=tuple(
                (msgspec.structs.replace(one, force_mapping=True), rest) for one, rest in found.cooling
            ),
        )

    async def _send_whole(self, answer: WholeAnswer) -> None:
        if self._dialect is Format.CLAUDE:
            answer = msgspec.structs.replace(answer, body=without_thinking(answer.body))
        await super()._send_whole(answer)


class _Again:
    """``receive`` for a body that was read already; what follows comes from the server."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Any:
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        return await self._receive()


def without_thinking(body: bytes) -> bytes:
    """An Anthropic answer without its thinking where it calls tools: Amp sends it back, and a model that
    stands in did not sign it."""
    if b'"tool_use"' not in body or b'"thinking"' not in body:
        return body
    try:
        answer = msgspec.json.decode(body)
    except BAD_JSON:
        return body
    content = answer.get("content") if isinstance(answer, dict) else None
    if not isinstance(content, list) or not any(_is(block, "tool_use") for block in content):
        return body
    kept = [block for block in content if not (_is(block, "thinking") or _is(block, "redacted_thinking"))]
    return msgspec.json.encode({**answer, "content": kept})


def _is(block: Any, kind: str) -> bool:
    return isinstance(block, dict) and block.get("type") == kind


def _model_in(body: bytes) -> str:
    try:
        model = msgspec.json.decode(FIELDS.decode(body).get("model", b'""'))
    except BAD_JSON:
        return ""
    return model if isinstance(model, str) else ""


def _with_params(body: bytes, params: dict[str, Any]) -> bytes:
    if not params:
        return body
    try:
        return msgspec.json.encode({**FIELDS.decode(body), **params})
    except BAD_JSON:
        return body


def _own_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Without the beta that other accounts lack, and without the compression that the body has no more."""
    kept = []
    for name, value in scope["headers"]:
        if name == b"content-encoding":
            continue
        if name == b"anthropic-beta":
            asked = [beta.strip() for beta in value.decode("latin-1").split(",")]
            value = ",".join(beta for beta in asked if beta and beta != _LONG_CONTEXT).encode("latin-1")
            if not value:
                continue
        kept.append((name, value))
    return kept


def _listing(scope: Scope, provider: str, path: str) -> Scope:
    """A model list in the shape that the provider's own clients expect, or of one channel alone."""
    inner: Scope = {**scope, "path": path}
    if path != "/v1/models":
        return inner
    shape = _LISTS.get(provider)
    if shape is Format.GEMINI:
        inner["path"] = "/v1beta/models"
    elif shape is Format.CLAUDE:
        inner["headers"] = [*scope["headers"], (b"anthropic-version", b"2023-06-01")]
    elif provider in _CHANNELS:
        inner["query_string"] = urlencode({"provider": _CHANNELS[provider]}).encode()
    return inner


def _is_local(scope: Scope) -> bool:
    """By the peer's address: what a proxy says in ``X-Forwarded-For`` anybody could say."""
    peer = scope.get("client")
    return peer is not None and str(peer[0]).removeprefix("::ffff:") in _LOOPBACK
