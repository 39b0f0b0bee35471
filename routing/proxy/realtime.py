"""``GET /v1/realtime``: a WebSocket to the client and one to an upstream, and every message passed on.

The upstream is opened first, with failover, so a refusal is still an HTTP answer. Messages are taken from
one side only as fast as the other takes them. Source: https://platform.openai.com/docs/guides/realtime and
/docs/guides/realtime-websocket, "Connect via WebSocket" (sub-protocols of browsers), read 2025.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlencode

import msgspec
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer

from providers.adapters.registry import adapter_for
from providers.adapters.relay import can_relay, relay_request
from providers.errors import ClientError, GatewayError, UpstreamProtocolError, UpstreamRefused
from providers.translation.model import Usage
from providers.upstream.sockets import ABNORMAL, HandshakeRefused, UpstreamSocket
from providers.values import Format
from routing.core.resolve import Candidate
from routing.proxy.access import authenticate
from routing.proxy.endpoints import CHAT
from routing.proxy.exchange import own_query
from routing.proxy.gateway import Gateway
from routing.proxy.relay.refused import classified
from routing.proxy.relay.routed import Routed
from routing.proxy.wire import Message, Scope, Send, error_body, error_headers

logger = logging.getLogger("routing.proxy")

KEY_PROTOCOL = "openai-insecure-api-key."
BETA_PROTOCOL = "openai-beta.realtime-v1"
PROTOCOL = "realtime"
NORMAL, GOING_AWAY, INTERNAL = 1000, 1001, 1011
NO_CODE = 1005
SWITCHED = 101
CLEAN = (NORMAL, GOING_AWAY, NO_CODE)


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Counts(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: _Details | None = None


class _Response(msgspec.Struct):
    usage: _Counts | None = None


class _Done(msgspec.Struct):
    type: str = ""
    response: _Response | None = None


_DONE = msgspec.json.Decoder(_Done)


def sendable(code: int) -> int:
    """``code`` as a close frame may carry it (RFC 6455, 7.4): 1005 and 1006 only exist locally."""
    if code == NO_CODE:
        return NORMAL
    return (
        code
        if 3000 <= code <= 4999 or (NORMAL <= code <= 1014 and code not in (1004, ABNORMAL))
        else INTERNAL
    )


async def refuse(scope: Scope, send: Send, error: GatewayError) -> None:
    """Answer an upgrade with an HTTP error, or with the server's own where it can send no other."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": INTERNAL})
        return
    body = error_body(error, Format.OPENAI)
    headers = [*error_headers(error), (b"content-length", str(len(body)).encode())]
    start = {"type": "websocket.http.response.start", "status": error.client_status, "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": body})


async def _never() -> NoReturn:
    """``receive`` of a session: Channels does the receiving."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


class RealtimeSession(Routed):
    """The exchange behind one WebSocket: resolved, attempted and recorded like any other."""

    def __init__(self, gateway: Gateway, scope: Scope, send: Send) -> None:
        super().__init__(gateway, scope, _never, send, CHAT)
        self._scope = scope
        self._protocols: list[str] = scope.get("subprotocols") or []
        self._upstream: UpstreamSocket | None = None
        self._pump: asyncio.Task[None] | None = None
        self._is_over = False

    async def open(self) -> None:
        """Open the upstream's side, then accept the client's. Refuses by itself."""
        try:
            self._upstream = await self._opened()
        except GatewayError as error:
            self._is_over = True
            self._finish(error.client_status, "error", error.code or error.error_type)
            await refuse(self._scope, self._send, error)
            return
        chosen = PROTOCOL if PROTOCOL in self._protocols else None
        headers = self._answer_headers()
        await self._send({"type": "websocket.accept", "subprotocol": chosen, "headers": headers})
        self._record.is_stream = True
        self._pump = asyncio.get_running_loop().create_task(self._pass_down(self._upstream))

    async def pass_up(self, message: str | bytes) -> None:
        """Returns when the upstream takes more. What comes after its close is dropped: the client is told."""
        if self._upstream is None or self._is_over:
            return
        try:
            await self._upstream.send(message)
        except (ConnectionError, RuntimeError) as error:
            logger.debug("a realtime message came after the upstream's close: %s", error)

    async def leave(self, code: int) -> None:
        """The client closed with ``code``, or is gone (1006). May be called again; then it does nothing."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
            self._pump = None
        if not self._is_over:
            self._is_over = True
            self._finish(SWITCHED, "ok" if code in CLEAN else "client_gone")
        if self._upstream is not None:
            await self._upstream.close(sendable(code) if code != ABNORMAL else GOING_AWAY)

    async def _opened(self) -> UpstreamSocket:
        gateway, record = self._gateway, self._record
        headers = self._headers
        for protocol in self._protocols:
            if protocol.startswith(KEY_PROTOCOL):
                headers.setdefault("authorization", f"Bearer {protocol.removeprefix(KEY_PROTOCOL)}")
            elif protocol == BETA_PROTOCOL:
                headers.setdefault("openai-beta", "realtime=v1")
        table = gateway.live.table
        client = authenticate(table, headers, gateway.digest, gateway.clock())
        record.client = client
        query = dict(parse_qsl(own_query(self._scope, headers), keep_blank_values=True))
        model = query.get("model", "")
        if not model:
            raise ClientError("Name the model in the query: /v1/realtime?model=…", param="model")
        record.route_model = model
        self._waited += await self._holds.enter(client)

        async def connect(candidate: Candidate) -> UpstreamSocket:
            return await self._connected(candidate, query)

        return await self._by_model(table, client, model, can_relay, connect)

    async def _connected(self, candidate: Candidate, query: dict[str, str]) -> UpstreamSocket:
        """One attempt. Raises UpstreamError."""
        gateway, credential = self._gateway, candidate.credential
        adapter = adapter_for(credential.adapter)
        path = f"/realtime?{urlencode({**query, 'model': candidate.model})}"
        request = relay_request(adapter, credential, "GET", path, self._headers)
        protocols = (PROTOCOL,) if PROTOCOL in self._protocols else ()
        try:
            return await gateway.client.connect(request, protocols=protocols, proxy_url=credential.proxy_url)
        except HandshakeRefused as error:
            if error.status < 400:
                raise UpstreamProtocolError("the upstream did not open a WebSocket") from error
            now = gateway.clock()
            raise UpstreamRefused(
                classified(adapter, credential, error.status, error.headers, b"", now)
            ) from error

    async def _pass_down(self, upstream: UpstreamSocket) -> None:
        code = INTERNAL
        try:
            async for message in upstream.messages():
                if isinstance(message, str):
                    if '"response.done"' in message:
                        self._count(message)
                    await self._send({"type": "websocket.send", "text": message})
                else:
                    await self._send({"type": "websocket.send", "bytes": message})
            code = upstream.close_code
        except OSError:
            return  # the client is gone, which Channels is about to say
        except Exception:
            logger.exception("exchange %s failed inside the gateway", self._record.exchange_id)
        if self._is_over:
            return
        self._is_over = True
        if code in CLEAN:
            self._finish(SWITCHED, "ok")
        else:
            self._finish(SWITCHED, "cut", f"closed_{code}")
        await self._send({"type": "websocket.close", "code": sendable(code)})

    def _count(self, message: str) -> None:
        """Add the usage of one response: a session has many."""
        try:
            done = _DONE.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        counts = done.response.usage if done.type == "response.done" and done.response else None
        if counts is None:
            return
        before = self._record.usage or Usage()
        cached = counts.input_token_details.cached_tokens if counts.input_token_details else None
        self._record.usage = Usage(
            input_total=(before.input_total or 0) + (counts.input_tokens or 0),
            output_total=(before.output_total or 0) + (counts.output_tokens or 0),
            cache_read=(before.cache_read or 0) + (cached or 0),
        )

    def _finish(self, status: int, outcome: str, error_code: str = "") -> None:
        if self._record.first_byte_ms is None:
            self._record.first_byte_ms = (time.perf_counter() - self._began) * 1000
        super()._finish(status, outcome, error_code)


class RealtimeConsumer(AsyncConsumer):  # type: ignore[misc]  # Channels carries no types
    """Channels' side of it. ``gateway`` gives the parts of this process once they are started."""

    def __init__(self, gateway: Callable[[], Awaitable[Gateway]]) -> None:
        self._gateway = gateway
        self._session: RealtimeSession | None = None

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._session is not None:
                await asyncio.shield(self._session.leave(ABNORMAL))

    async def dispatch(self, message: Message) -> None:
        """As Channels does it, without looking after database connections for each message: it has none."""
        match message["type"]:
            case "websocket.connect":
                self._session = RealtimeSession(await self._gateway(), self.scope, self.base_send)
                await self._session.open()
            case "websocket.receive" if self._session is not None:
                text = message.get("text")
                await self._session.pass_up(message["bytes"] if text is None else text)
            case "websocket.disconnect":
                if self._session is not None:
                    await self._session.leave(message.get("code") or NO_CODE)
                raise StopConsumer
