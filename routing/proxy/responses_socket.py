"""``/v1/responses`` as a WebSocket: each ``response.create`` is one ordinary exchange, each event a message.

Whatever its upstream speaks, a turn is routed, retried, counted and refused as over HTTP; only the framing
differs. The connection remembers its last responses, so a turn may go on from one that nobody stored. Turns
of one ``stream_id`` (or of none) run one after another, those of different ones at the same time.

Sources: https://developers.openai.com/docs/guides/websocket-mode (limits, ``generate``, ``stream_id``, error
codes) and the official Python SDK 3.x (``ResponsesClientEvent``), read November 2026. That errors carry their
HTTP status beside the event is what Codex reads (openai/codex, ``responses_websocket.rs``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer

from providers.errors import ClientError, GatewayError, NoCandidate
from providers.translation.codec import AnswerContext, MalformedRequest
from providers.translation.codecs.responses.errors import error_fields
from providers.translation.model import End, Start, Stop, StopKind, Stopped, Usage, UsageUpdate
from providers.translation.names import IDENTITY
from providers.translation.passthrough import ParsedBody, raw_json
from providers.translation.registry import CODECS, PASSTHROUGHS
from providers.translation.sse import SseReader
from providers.values import Format
from routing.core.kept_responses import KeptResponse, RecentResponses, joined
from routing.core.resolve import resolve
from routing.core.table import ClientEntry
from routing.demand import query_for
from routing.proxy.access import authenticate
from routing.proxy.endpoints import POSTS
from routing.proxy.exchange import own_query, request_id
from routing.proxy.gateway import Gateway
from routing.proxy.ids import next_id, next_seed
from routing.proxy.intake import too_large
from routing.proxy.realtime import KEY_PROTOCOL, refuse
from routing.proxy.responses import Continuation, ResponsesExchange
from routing.proxy.wire import Message, Scope, Send, client_headers, error_info

logger = logging.getLogger("routing.proxy")

MOST_KEPT = 32
MOST_KEPT_BYTES = 32 * 1024 * 1024
"""What one connection remembers at most; the vendor's own keeps the last response of each lane."""
MOST_LANES = 32
MOST_AT_ONCE = 16
MOST_WAITING = 16
"""Turns of one lane that wait for the one before."""
LASTS_S = 3600.0
"""The vendor's connections end after an hour, so every client knows how to connect again."""

_CONTROL = frozenset({"type", "stream_id", "event_id", "generate", "stream", "background", "stream_options"})
"""Members of the message that belong to the socket and not to the request."""
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class SocketRefused(ClientError):
    """426: what the client wants over a WebSocket is served over plain HTTP."""

    client_status = 426
    code: str | None = "use_http"


class SocketLimit(ClientError):
    """One of the limits of a connection; the code is OpenAI's."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message, code=code)


class _Create(msgspec.Struct, frozen=True, kw_only=True):
    """One ``response.create``. ``fields`` are those of the request as it would be posted; ``appends`` is for
    the older ``response.append``, which leaves out what the turn before said."""

    fields: dict[str, msgspec.Raw]
    lane: str | None
    size: int = 0
    generates: bool = True
    appends: bool = False


class Lane:
    """The turns of one stream, and what its last one was. Shares the connection's memory."""

    def __init__(self, memory: RecentResponses) -> None:
        self.waiting: deque[_Create] = deque()
        self.task: asyncio.Task[None] | None = None
        self.execution = os.urandom(8).hex()
        """Names the lane's conversation where nothing surer does (routing/core/affinity.py)."""
        self._memory = memory
        self._fields: dict[str, msgspec.Raw] = {}
        self._last_id = ""

    def find(self, response_id: str) -> KeptResponse | None:
        return self._memory.find(response_id)

    def keep(self, kept: KeptResponse) -> None:
        self._memory.keep(kept)
        self._last_id = kept.id

    def body(self, create: _Create) -> bytes:
        """The request of the turn that now begins."""
        fields = create.fields
        if create.appends and self._last_id:
            fields = {**self._fields, **fields, "previous_response_id": raw_json(self._last_id)}
        self._fields = fields
        return msgspec.json.encode({**fields, "stream": True})


class ResponsesSession:
    """One accepted connection. Every method is called by the consumer, one at a time."""

    def __init__(self, gateway: Gateway, scope: Scope, send: Send, client: ClientEntry) -> None:
        self._gateway = gateway
        self._scope = scope
        self._send = send
        self._client = client
        self._memory = RecentResponses(most=MOST_KEPT, most_bytes=MOST_KEPT_BYTES)
        self._lanes: dict[str | None, Lane] = {}
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        self._began = asyncio.get_running_loop().time()
        self._waiting_bytes = 0
        self._is_over = False

    async def take(self, message: str | bytes | None) -> None:
        """One message of the client: queue the turn, or say what is wrong with it."""
        lane = None
        try:
            lane, create = self._read(message)
            if create is not None:
                self._queue(create)
        except GatewayError as error:
            await self.tell(error, lane)

    def _read(self, message: str | bytes | None) -> tuple[str | None, _Create | None]:
        """(the lane, what to do). Raises ClientError."""
        raw = message.encode() if isinstance(message, str) else message or b""
        if len(raw) > self._gateway.body_limit:
            raise too_large(self._gateway.body_limit)
        try:
            fields = _FIELDS.decode(raw)
        except _BAD_JSON as error:
            raise MalformedRequest(f"The message is not a JSON object: {error}.") from error
        kind = _text(fields, "type")
        lane = _text(fields, "stream_id") or None
        if kind == "response.processed":  # Codex's receipt for an answer: nothing waits for it
            return lane, None
        if kind not in ("response.create", "response.append"):
            raise ClientError(f"Unknown message type `{kind}`; send `response.create`.", param="type")
        # Older clients put the request into a member of its own.
        if "response" in fields and "model" not in fields:
            try:
                fields = {**_FIELDS.decode(fields["response"]), **fields}
            except _BAD_JSON as error:
                raise MalformedRequest("`response` must be an object.", param="response") from error
            del fields["response"]
        if _flag(fields, "background"):
            raise ClientError("`background` is not supported over a WebSocket.", param="background")
        generates = _flag(fields, "generate") is not False
        return lane, _Create(
            fields={name: value for name, value in fields.items() if name not in _CONTROL},
            lane=lane,
            size=len(raw),
            generates=generates,
            appends=kind == "response.append",
        )

    def _queue(self, create: _Create) -> None:
        """Raises SocketLimit."""
        if asyncio.get_running_loop().time() - self._began > LASTS_S:
            raise SocketLimit(
                "Responses websocket connection limit reached (60 minutes). Create a new websocket "
                "connection to continue.",
                "websocket_connection_limit_reached",
            )
        lane = self._lanes.get(create.lane)
        if lane is None:
            if len(self._lanes) >= MOST_LANES:
                raise SocketLimit(
                    f"One connection has {MOST_LANES} streams at most.", "websocket_stream_limit_reached"
                )
            lane = self._lanes[create.lane] = Lane(self._memory)
        if len(lane.waiting) >= MOST_WAITING:
            raise SocketLimit(
                f"{MOST_WAITING} responses are waiting on this stream already.", "too_many_waiting_responses"
            )
        # One request may be as large as any; those that wait hold no more than that together.
        if self._waiting_bytes and self._waiting_bytes + create.size > self._gateway.body_limit:
            raise SocketLimit(
                "The responses that wait on this connection are too large together.",
                "too_many_waiting_responses",
            )
        self._waiting_bytes += create.size
        lane.waiting.append(create)
        if lane.task is None:
            lane.task = asyncio.get_running_loop().create_task(self._work(lane))

    async def _work(self, lane: Lane) -> None:
        try:
            while lane.waiting:
                async with self._turns:
                    create = lane.waiting.popleft()
                    self._waiting_bytes -= create.size
                    await self._run(lane, create)
        finally:
            lane.task = None

    async def _run(self, lane: Lane, create: _Create) -> None:
        try:
            body = lane.body(create)
            if create.generates:
                send = partial(self._send_event, create.lane)
                await Turn(self._gateway, self._scope, lane, body, send).run()
            else:
                await self._prepare(lane, create, body)
        except GatewayError as error:
            await self.tell(error, create.lane)
        except OSError:
            logger.debug("a response could not be sent: the client is gone")
        except Exception:
            logger.exception("a turn on a WebSocket failed inside the gateway")
            await self.tell(GatewayError("The gateway failed here; its log says why."), create.lane)

    async def _prepare(self, lane: Lane, create: _Create, body: bytes) -> None:
        """``generate: false``: no upstream is asked; the items are remembered for the next turn."""
        parsed = PASSTHROUGHS[Format.RESPONSES].parse(body)
        self._check_model(parsed)
        turn = await Continuation(self._gateway, self._client, lane).turn(parsed)
        if turn.input is None:
            raise ClientError(
                "`generate: false` needs a conversation that is known here.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        events = _empty_answer(parsed, int(self._gateway.clock()))
        kept = KeptResponse(
            client_key_id=self._client.id,
            id=events[-1]["response"]["id"],
            input=joined(turn.input),
            response=msgspec.json.encode(events[-1]["response"]),
            created_at=self._gateway.clock(),
            expires_at=self._gateway.clock(),
        )
        lane.keep(kept)
        for event in events:
            await self._send_event(create.lane, msgspec.json.encode(event).decode())

    def _check_model(self, parsed: ParsedBody) -> None:
        """Raises what a turn that generates would raise of its model: UnknownModel and its like. One that
        rests now may be back when the next turn comes."""
        gateway, table = self._gateway, self._gateway.live.table
        query = query_for(table, parsed, client_headers(self._scope), "")
        with contextlib.suppress(NoCandidate):
            resolve(table, gateway.state, self._client, query, gateway.clock(), gateway.random, peek=True)

    async def tell(self, error: GatewayError, lane: str | None) -> None:
        await self._send_event(lane, error_event(error))

    async def leave(self) -> None:
        """The client is gone: end what runs for it."""
        self._is_over = True
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send_event(self, lane: str | None, text: str) -> None:
        if not self._is_over:
            await self._send({"type": "websocket.send", "text": _labelled(text, lane)})


class Turn:
    """One exchange, its HTTP answer turned into messages as it comes."""

    def __init__(
        self,
        gateway: Gateway,
        scope: Scope,
        memory: Lane,
        body: bytes,
        say: Callable[[str], Awaitable[None]],
    ) -> None:
        self._body = body
        self._say = say
        self._status = 200
        self._head: dict[str, str] = {}
        self._refusal = b""
        self._reader = SseReader()
        self._has_body = False
        self._exchange = ResponsesExchange(
            gateway, {**scope, "method": "POST"}, self._receive, self._answer, POSTS["/v1/responses"]
        )
        self._exchange.memory = memory
        self._exchange.execution = memory.execution

    async def run(self) -> None:
        await self._exchange.run()

    async def _receive(self) -> Message:
        """The request; then nothing more: a client that leaves cancels the turn."""
        if self._has_body:
            await asyncio.Event().wait()
        self._has_body = True
        return {"type": "http.request", "body": self._body}

    async def _answer(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._head = {
                name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]
            }
            return
        piece, is_last = message.get("body", b""), not message.get("more_body")
        if self._status >= 400:
            self._refusal += piece
            if is_last:
                await self._say(refused_event(self._status, self._head, self._refusal))
            return
        events = self._reader.feed(piece)
        if is_last:
            events += self._reader.close()
        for text in without_doubled_failure([event.data for event in events]):
            await self._say(text)


# --- events ------------------------------------------------------------------------------------

_TOLD = ("retry-after", "x-request-id", "x-cliproxy-provider", "x-cliproxy-attempts")
"""Headers of a refusal that a client acts on, or that a person looks for."""


def error_event(error: GatewayError) -> str:
    event = {
        "type": "error",
        "status": error.client_status,
        **error_fields(error_info(error)),
        "sequence_number": 0,
    }
    return msgspec.json.encode(event).decode()


def refused_event(status: int, headers: dict[str, str], body: bytes) -> str:
    """An HTTP refusal as an event: the body's ``error`` as it is, and its fields flat beside it."""
    try:
        error = msgspec.json.decode(body).get("error")
    except (*_BAD_JSON, AttributeError):
        error = None
    if not isinstance(error, dict):
        error = {"message": body.decode("utf-8", "replace")[:2000]}
    told = {name: headers[name] for name in _TOLD if name in headers}
    error = {
        **error,
        "type": error.get("type") or "server_error",
        "message": error.get("message") or "The request failed.",
        "headers": told,
    }
    event = {
        "type": "error",
        "status": status,
        "code": error.get("code"),
        "message": error.get("message"),
        "param": error.get("param"),
        "error": error,
        "headers": told,
        "sequence_number": 0,
    }
    return msgspec.json.encode(event).decode()


def without_doubled_failure(events: list[str]) -> list[str]:
    """``events`` without the ``error`` that stands before ``response.failed``.

    Over HTTP a failure is told both ways and the stream is over. Here the next turn follows, and a client
    would take the second one for that turn's.
    """
    if len(events) < 2 or '"response.failed"' not in events[-1] or '"error"' not in events[-2]:
        return events
    try:
        before, last = (_FIELDS.decode(text) for text in events[-2:])
    except _BAD_JSON:
        return events
    kinds = [msgspec.json.decode(fields.get("type", b"null")) for fields in (before, last)]
    if kinds != ["error", "response.failed"]:
        return events
    last["sequence_number"] = before.get("sequence_number", last.get("sequence_number", msgspec.Raw(b"0")))
    return [*events[:-2], msgspec.json.encode(last).decode()]


def _labelled(text: str, lane: str | None) -> str:
    """``text`` with the stream that the client named, as its last member."""
    if lane is None or not text.endswith("}"):
        return text
    return f'{text[:-1]},"stream_id":{msgspec.json.encode(lane).decode()}}}'


def _empty_answer(parsed: ParsedBody, now: int) -> list[dict[str, Any]]:
    """The events of an answer without output, decoded."""
    request = CODECS[Format.RESPONSES].decode_request(parsed.value())
    seed = next_seed()
    context = AnswerContext(
        model=parsed.model, now=now, seed=seed, names=IDENTITY, request=request, stream=True
    )
    encoder = CODECS[Format.RESPONSES].stream_encoder(context)
    frames = b"".join(
        encoder.encode(event)
        for event in (
            Start(),
            UsageUpdate(usage=Usage(input_total=0, output_total=0, total=0)),
            Stopped(stop=Stop(StopKind.END)),
            End(),
        )
    )
    return [msgspec.json.decode(event.data) for event in SseReader().feed(frames)]


def _text(fields: dict[str, msgspec.Raw], name: str) -> str:
    if name not in fields:
        return ""
    try:
        return msgspec.json.decode(fields[name], type=str | None) or ""
    except _BAD_JSON as error:
        raise MalformedRequest(f"`{name}` must be a string.", param=name) from error


def _flag(fields: dict[str, msgspec.Raw], name: str) -> bool | None:
    if name not in fields:
        return None
    try:
        return msgspec.json.decode(fields[name], type=bool | None)
    except _BAD_JSON as error:
        raise MalformedRequest(f"`{name}` must be true or false.", param=name) from error


# --- Channels ----------------------------------------------------------------------------------


class ResponsesConsumer(AsyncConsumer):  # type: ignore[misc]  # Channels carries no types
    """Channels' side of it. ``gateway`` gives the parts of this process once they are started."""

    def __init__(self, gateway: Callable[[], Awaitable[Gateway]]) -> None:
        self._gateway = gateway
        self._session: ResponsesSession | None = None

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._session is not None:
                await asyncio.shield(self._session.leave())

    async def dispatch(self, message: Message) -> None:
        """As Channels does it, without looking after database connections for each message: it has none."""
        match message["type"]:
            case "websocket.connect":
                await self._connect()
            case "websocket.receive" if self._session is not None:
                text = message.get("text")
                await self._session.take(message.get("bytes") if text is None else text)
            case "websocket.disconnect":
                if self._session is not None:
                    await self._session.leave()
                raise StopConsumer

    async def _connect(self) -> None:
        """Who calls is known before the connection is accepted."""
        gateway = await self._gateway()
        scope, send = self.scope, self.base_send
        headers = client_headers(scope)
        protocols: list[str] = scope.get("subprotocols") or []
        for protocol in protocols:
            if protocol.startswith(KEY_PROTOCOL):
                headers.setdefault("authorization", f"Bearer {protocol.removeprefix(KEY_PROTOCOL)}")
        own_query(scope, headers)
        table = gateway.live.table
        try:
            client = authenticate(table, headers, gateway.digest, gateway.clock())
            if not table.settings.responses_websocket:
                # Codex tries a socket first: at 426 it goes to HTTP at once, after a 404 it tries for 7 s
                # (observed with @openai/codex 0.169.0, 2026-11-21).
                raise SocketRefused("Responses are served over HTTP here: POST /v1/responses.")
        except GatewayError as error:
            await refuse(scope, send, error)
            return
        sent = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        self._session = ResponsesSession(gateway, {**scope, "headers": sent}, send, client)
        plain = [one for one in protocols if not one.startswith(KEY_PROTOCOL)]
        identity = request_id(headers, next_id())
        await send(
            {
                "type": "websocket.accept",
                "subprotocol": plain[0] if plain else None,
                "headers": [(b"x-request-id", identity.encode("latin-1"))],
            }
        )
