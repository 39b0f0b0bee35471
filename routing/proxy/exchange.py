"""One client request and everything done to answer it, in six steps: authenticate, read, resolve, attempt,
stream, record. Retries happen only before the first byte; after it, a failure is told inside the stream.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from urllib.parse import parse_qsl, urlencode

import msgspec

from providers.adapters.base import NO_CREDITS, Operation
from providers.adapters.registry import adapter_for
from providers.errors import GatewayError, NoCandidate, UpstreamError, UpstreamRefused
from providers.translation.model import Usage
from providers.translation.passthrough import ParsedBody
from providers.translation.registry import PASSTHROUGHS
from providers.values import Format
from routing.core import fallback, rounds
from routing.core.explain import left_out
from routing.core.query import RouteQuery
from routing.core.resolve import Candidate, Incapable, Resolution, resolve
from routing.core.table import ClientEntry, RoutingTable
from routing.demand import COMPACT, bound, query_for
from routing.outgoing import Ask
from routing.proxy.access import QUERY_KEYS, authenticate, note_query_key
from routing.proxy.attempt import Attempt, WholeAnswer
from routing.proxy.delivery import Delivery
from routing.proxy.endpoints import Endpoint
from routing.proxy.gateway import Gateway
from routing.proxy.ids import next_id, next_seed
from routing.proxy.intake import ClientGone, read_body
from routing.proxy.keepalive import BLANK, COMMENT, EVENTS, while_telling, with_comments
from routing.proxy.limits import Holds
from routing.proxy.passed_headers import passed_headers
from routing.proxy.presence import Presence
from routing.proxy.record import Record
from routing.proxy.searching import SearchingAttempt, runs_search
from routing.proxy.trials import Trials
from routing.proxy.usage_so_far import usage_so_far
from routing.proxy.wire import (
    JSON,
    Headers,
    Receive,
    Scope,
    Send,
    client_headers,
    error_body,
    error_headers,
    error_info,
    header_value,
    send_whole,
    status_for,
)

logger = logging.getLogger("routing.proxy")

RESTED_BY_COMPACT = frozenset({401, 402, 403, 429})
"""What ``/responses/compact`` says of a credential; its other failures are the endpoint's own."""
WITHOUT_CREDITS_S = 3600.0
"""How long an account without credits is not asked for them again."""
SPENT = frozenset({429, 503})
"""Last statuses after which an account may pay with credits."""
GONE_STATUS = 499
"""nginx's number for a client that closed the request; only ever recorded, never sent."""


class Exchange:
    """Serves one generation request. Make one per request and ``run`` it once."""

    attempt_kind = Attempt
    execution = ""
    """Names the WebSocket session on which the request came."""

    def __init__(
        self, gateway: Gateway, scope: Scope, receive: Receive, send: Send, endpoint: Endpoint
    ) -> None:
        self._gateway = gateway
        self._receive = receive
        self._send = send
        self._endpoint = endpoint
        self._dialect = dialect = endpoint.dialect
        self._headers = client_headers(scope)
        query = own_query(scope, self._headers)
        self._query = "" if dialect is Format.OPENAI else query
        self._began = time.perf_counter()
        self._waited = 0.0
        """Seconds spent waiting for a place before the first byte; the rest is our overhead."""
        exchange_id = next_id()
        self._record = Record(
            exchange_id, request_id(self._headers, exchange_id), dialect.value, gateway.clock()
        )
        self._holds = Holds(gateway.state, gateway.clock)
        # Nothing below refers back to the exchange: what it held is freed with it, and not by the collector.
        self._trials = Trials(gateway, self._record, self._holds, self.says_of_credential(endpoint.operation))
        self._wanted: tuple[ParsedBody, RouteQuery] | None = None
        self._chain = fallback.NONE
        self._detour = ""
        """The registered id that is asked in place of the client's: a fallback."""
        self._upstream_headers: dict[str, str] = {}
        """Of the last attempt that was answered."""
        self._has_answered = False
        self._is_held_open = False
        """The head of a whole answer is out ahead of it, so that the client keeps waiting."""

    @property
    def record(self) -> Record:
        return self._record

    async def run(self) -> None:
        presence = Presence(self._receive)
        try:
            await self._serve(presence)
        except ClientGone:
            self._finish(GONE_STATUS, "client_gone")
        except GatewayError as error:
            await self._refuse(error)
        except asyncio.CancelledError:
            self._finish(GONE_STATUS, "client_gone")
            if not presence.has_left:
                raise
        except Exception:
            logger.exception("exchange %s failed inside the gateway", self._record.exchange_id)
            await self._refuse(GatewayError("The gateway failed to handle this request; its log says why."))
        finally:
            presence.end()
            self._trials.end()
            self._holds.end(self._record.usage)

    async def _serve(self, presence: Presence) -> None:
        gateway, record = self._gateway, self._record
        table = gateway.live.table
        client = authenticate(table, self._headers, gateway.digest, gateway.clock())
        record.client = client
        body = await read_body(self._receive, self._headers, gateway.body_limit)
        presence.begin(self._gateway.presences)
        self._waited += await self._holds.enter(client, len(body))
        await self._respond(table, client, body)

    async def _respond(self, table: RoutingTable, client: ClientEntry, body: bytes) -> None:
        """Resolve, attempt and send."""
        parsed = PASSTHROUGHS[self._dialect].parse(body, self._endpoint.url)
        answer = await self._ask(table, client, parsed)
        if isinstance(answer, WholeAnswer):
            await self._send_whole(answer)
        else:
            await self._send_stream(answer)

    async def _ask(
        self, table: RoutingTable, client: ClientEntry, parsed: ParsedBody
    ) -> WholeAnswer | Delivery:
        record = self._record
        record.route_model, record.is_stream = parsed.model, parsed.stream
        resolution = self._first_resolution(table, client, parsed)
        ask = Ask(
            parsed=parsed,
            suffix=resolution.suffix,
            headers=self._headers,
            format=self._dialect,
            now=int(self._gateway.clock()),
            seed=next_seed(),
            operation=self._endpoint.operation,
            query=self._query,
            payload=table.settings.payload,
            strips_image_tool=table.settings.image_generation in ("off", "chat"),
        )
        answer = self._trials.bounded(table.settings, self._answer(table, client, ask, resolution))
        seconds = table.settings.nonstream_keepalive_s
        if not seconds or parsed.stream:
            return await answer
        return await while_telling(answer, seconds, self._say_that_it_takes_time)

    def _resolve(self, table: RoutingTable, client: ClientEntry, parsed: ParsedBody) -> Resolution:
        """The candidates now; where the request is bound to its format, only those that speak it."""
        gateway = self._gateway
        query = self._query_for(table, parsed)
        resolution = resolve(table, gateway.state, client, query, gateway.clock(), gateway.random, peek=True)
        self._holds.show(resolution)
        bound_by = parsed.bound_by or (COMPACT if self._endpoint.operation is Operation.COMPACT else "")
        return bound(resolution, parsed, bound_by) if bound_by else resolution

    def _query_for(self, table: RoutingTable, parsed: ParsedBody) -> RouteQuery:
        if self._wanted is None or self._wanted[0] is not parsed:
            self._wanted = parsed, query_for(table, parsed, self._headers, self.execution)
        query = self._wanted[1]
        return msgspec.structs.replace(query, model=self._detour) if self._detour else query

    def _first_resolution(self, table: RoutingTable, client: ClientEntry, parsed: ParsedBody) -> Resolution:
        """As ``_resolve``, or of a fallback where nobody can do what is asked."""
        try:
            resolution = self._resolve(table, client, parsed)
        except Incapable as error:
            self._begin_chain(table, error.route_model)
            detour = self._next(error, table, client, parsed)
            if detour is None:
                raise
            return detour
        self._begin_chain(table, resolution.route_model)
        return resolution

    # --- attempts --------------------------------------------------------------------------

    async def _answer(
        self, table: RoutingTable, client: ClientEntry, ask: Ask, resolution: Resolution
    ) -> WholeAnswer | Delivery:
        """The answer of the model asked for, or of its fallbacks one after the other. Raises the asked
        model's own error when none answers: an UpstreamError or NoCandidate."""
        first: UpstreamError | NoCandidate | None = None
        while True:
            try:
                return await self._begun(table, client, ask, resolution)
            except (UpstreamError, NoCandidate) as error:
                paid = await self._on_credit(table, client, ask, error)
                if paid is not None:
                    return paid
                first = first or error
                detour = self._next(error, table, client, ask.parsed)
                if detour is None:
                    raise first from first.__cause__
                resolution = detour
                ask = msgspec.structs.replace(ask, suffix=detour.suffix or ask.suffix, request=None)

    async def _on_credit(
        self, table: RoutingTable, client: ClientEntry, ask: Ask, error: UpstreamError | NoCandidate
    ) -> WholeAnswer | Delivery | None:
        """The answer of an account that pays for it with credits, once its allowances and those of all others
        are spent; None where none does."""
        is_spent = isinstance(error, NoCandidate) or rounds.upstream_status(error) in SPENT
        if not (is_spent and table.settings.antigravity_credits):
            return None
        resolution = self._resolve(table, client, ask.parsed)
        known = (*resolution.candidates, *(candidate for candidate, _ in resolution.cooling))
        poor, now = self._gateway.without_credits, self._gateway.clock()
        able = [one for one in known if on_credit(one) is not one and poor.get(one.credential.id, 0.0) <= now]
        found = list({one.credential.id: one for one in able}.values())
        if not found:
            return None
        attempt = self._attempt_of(ask)

        async def paying(candidate: Candidate) -> WholeAnswer | Delivery:
            try:
                return await attempt(on_credit(candidate))
            except UpstreamRefused as refused:
                if refused.refusal.code == NO_CREDITS:
                    poor[candidate.credential.id] = now + WITHOUT_CREDITS_S
                raise

        return await self._trials.on_credit(table.settings, resolution, found, paying)

    def _next(
        self, error: GatewayError, table: RoutingTable, client: ClientEntry, parsed: ParsedBody
    ) -> Resolution | None:
        """The next fallback that this client may use and that may serve, if there is one."""
        cause = fallback.cause_of(error)
        if cause is None:
            return None
        while (model := self._chain.next(cause)) is not None:
            self._detour = model
            try:
                resolution = self._resolve(table, client, parsed)
            except GatewayError:
                continue  # unknown, not allowed to this key, or not able to
            self._record.fallback = model, cause.value
            self._trials.detour = {"fallback": model, "because": cause.value}
            return resolution
        return None

    def _begin_chain(self, table: RoutingTable, asked: str) -> None:
        fallbacks = table.settings.fallbacks.get(asked)
        if fallbacks is not None and self._endpoint.operation is Operation.GENERATE:
            self._chain = fallback.Chain(fallbacks, asked)

    async def _begun(
        self, table: RoutingTable, client: ClientEntry, ask: Ask, resolution: Resolution
    ) -> WholeAnswer | Delivery:
        """The answer of one model. A stream that opened and failed before its first byte is begun anew,
        ``bootstrap-retries`` times."""
        first: UpstreamError | None = None
        for left in range(table.settings.bootstrap_retries if ask.parsed.stream else 0, -1, -1):
            try:
                return await self._in_rounds(table, client, ask, resolution)
            except UpstreamError as error:
                first = first or error
                if not (left and self._trials.has_opened and rounds.may_begin_anew(error)):
                    raise
            except NoCandidate:
                if first is None or rounds.upstream_status(first) in rounds.BOOTSTRAP:
                    raise
                raise first from first.__cause__
            resolution = self._resolve(table, client, ask.parsed)
        raise AssertionError("unreachable")

    async def _in_rounds(
        self, table: RoutingTable, client: ClientEntry, ask: Ask, resolution: Resolution
    ) -> WholeAnswer | Delivery:
        def needs_place(candidate: Candidate) -> bool:
            return self.attempt_kind is Attempt or self._made(ask, candidate).calls_upstream

        settings = table.settings
        if self._chain.has_spare:  # who is free elsewhere is asked before anybody waits
            settings = msgspec.structs.replace(settings, max_retry_interval_s=0)

        def look() -> Resolution:
            return self._resolve(table, client, ask.parsed)

        return await self._trials.until_answered(
            settings, resolution, look, self._attempt_of(ask), needs_place
        )

    def _attempt_of(self, ask: Ask) -> Callable[[Candidate], Awaitable[WholeAnswer | Delivery]]:
        async def attempt(candidate: Candidate) -> WholeAnswer | Delivery:
            made = self._made(ask, candidate)
            try:
                answer = await made.start()
            finally:
                self._trials.has_opened = made.has_opened
                self._hear(made.answer_headers if self._passes_headers else {})
                if candidate.credential.secret_version and made.answer_headers:
                    self._gateway.tokens.note_headers(candidate.credential, made.answer_headers)
            self._record.dropped = made.dropped
            return answer

        return attempt

    def _made(self, ask: Ask, candidate: Candidate) -> Attempt:
        if candidate.suffix and candidate.suffix != ask.suffix:
            ask = msgspec.structs.replace(ask, suffix=candidate.suffix, request=None)
        kind = self.attempt_kind
        if kind is Attempt and runs_search(ask, candidate):
            kind = SearchingAttempt
        return kind(self._gateway.client, ask, candidate, self._gateway.clock())

    @staticmethod
    def says_of_credential(operation: Operation) -> Callable[[UpstreamError], bool]:
        """Tells whether a failure is one of the credential, and not only of the endpoint asked for."""
        return _of_credential if operation is Operation.COMPACT else _always

    # --- answers ---------------------------------------------------------------------------

    def _answer_headers(self) -> Headers:
        record = self._record
        total = time.perf_counter() - self._began
        own_s = max(total - self._waited - self._trials.waited, 0.0)
        record.first_byte_ms, record.overhead_ms = total * 1000, own_s * 1000
        headers: Headers = [
            (b"x-request-id", record.request_id.encode("latin-1")),
            (b"x-cliproxy-attempts", b"%d" % len(record.attempts)),
            (b"x-cliproxy-overhead-ms", b"%.2f" % record.overhead_ms),
        ]
        if self._dialect is Format.CLAUDE:
            headers.append((b"request-id", record.request_id.encode("latin-1")))
        if record.served_by is not None:
            headers.append((b"x-cliproxy-provider", record.served_by.credential.provider_key.encode()))
        if record.fallback is not None:
            headers.append((b"x-cliproxy-fallback", header_value("; ".join(record.fallback))))
        if record.dropped:
            headers.append((b"x-cliproxy-dropped", header_value(", ".join(record.dropped)[:2000])))
        return headers + self._holds.headers(self._dialect)

    @property
    def _passes_headers(self) -> bool:
        """Whether clients are shown the headers of upstreams."""
        return self._gateway.live.table.settings.passthrough_headers

    def _hear(self, headers: dict[str, str]) -> None:
        self._upstream_headers = headers

    def _with_passed(self, headers: Headers) -> Headers:
        """``headers`` and, where the operator wants it, those of the upstream."""
        if not self._upstream_headers or not self._passes_headers:
            return headers
        return headers + passed_headers(self._upstream_headers, headers)

    async def _send_whole(self, answer: WholeAnswer) -> None:
        self._record.usage = answer.usage
        self._holds.end(answer.usage)
        headers = self._with_passed([JSON, *self._answer_headers(), *answer.headers])
        self._finish(200, "ok")
        await self._send_last(200, headers, answer.body)

    async def _say_that_it_takes_time(self) -> None:
        """A newline ahead of a whole answer, and with the first one its head."""
        if not self._has_answered:
            self._has_answered = self._is_held_open = True
            headers = [JSON, *self._answer_headers()]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": b"\n", "more_body": True})

    async def _send_last(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole answer or error; only its body where the head is out already."""
        self._has_answered = True
        if self._is_held_open:
            await self._send({"type": "http.response.body", "body": body})
        else:
            await send_whole(self._send, status, headers, body)

    async def _send_stream(self, delivery: Delivery) -> None:
        send, record = self._send, self._record
        headers: Headers = [
            (b"content-type", delivery.content_type.encode()),
            (b"cache-control", b"no-cache"),
            (b"x-accel-buffering", b"no"),
            *self._answer_headers(),
        ]
        headers = self._with_passed(headers)
        self._has_answered = True
        pieces = delivery.pieces()
        keepalive_s = self._gateway.live.table.settings.keepalive_s
        if keepalive_s and delivery.content_type.startswith(EVENTS):
            sign = BLANK if self._dialect is Format.GEMINI else COMMENT
            pieces = with_comments(pieces, keepalive_s, sign)
        first, sent = b"", 0
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            try:
                async for piece in pieces:
                    if delivery.is_final:
                        record.usage = delivery.usage
                        record.dropped += delivery.dropped
                        if delivery.failure is not None:
                            self._note_cut(delivery.failure)
                        self._finish(200, "cut" if delivery.has_failed else "ok")
                        await send({"type": "http.response.body", "body": piece})
                    else:
                        first, sent = first or piece, sent + len(piece)
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
            except UpstreamError as error:
                await delivery.close()
                record.usage = self._usage_so_far(delivery, first, sent)
                record.dropped += delivery.dropped
                self._note_cut(error)
                self._finish(200, "cut", error.code or "")
                await send({"type": "http.response.body", "body": delivery.error(error_info(error))})
        finally:
            try:
                if isinstance(pieces, AsyncGenerator):
                    await pieces.aclose()
                await delivery.close()
            finally:
                if not record.is_written:  # the client left
                    record.usage = self._usage_so_far(delivery, first, sent)

    def _usage_so_far(self, delivery: Delivery, first: bytes, sent: int) -> Usage | None:
        if delivery.is_final or self._wanted is None:
            return delivery.usage
        return usage_so_far(delivery.usage, self._wanted[0].raw, first, sent)

    def _note_cut(self, error: UpstreamError) -> None:
        """A stream broke after its first byte: the credential rests as after any failure."""
        record = self._record
        if record.served_by is not None and record.attempts:
            settings = self._gateway.live.table.settings
            self._trials.note_failure(record.attempts[-1], record.served_by, error, settings)

    async def _refuse(self, error: GatewayError) -> None:
        code = error.code or error.error_type
        status = status_for(error, self._dialect)
        record = self._record
        if record.decision is None:  # no model, or nobody able: who hid or lacked it is worth a note
            record.passed_over += left_out(self._gateway.live.table, error, record.route_model)
        self._finish(status, "error", code)
        if self._has_answered and not self._is_held_open:
            return  # the head is out; the connection ends and the client sees a cut body
        headers = self._with_passed(error_headers(error) + self._answer_headers())
        await self._send_last(status, headers, self._error_body(error))

    def _error_body(self, error: GatewayError) -> bytes:
        if isinstance(error, UpstreamRefused) and error.body is not None:
            return error.body
        return error_body(error, self._dialect)

    def _finish(self, status: int, outcome: str, error_code: str = "") -> None:
        record = self._record
        if record.is_written:
            return
        self._holds.end(record.usage)
        duration_ms = (time.perf_counter() - self._began) * 1000
        record.write(
            self._gateway.ledger,
            status=status,
            outcome=outcome,
            duration_ms=duration_ms,
            error_code=error_code,
        )
        self._gateway.metrics.observe(
            record, self._gateway.live.table, status=status, outcome=outcome, duration_ms=duration_ms
        )
        if record.usage is not None and record.served_by is not None:
            tokens = (record.usage.input_total or 0) + (record.usage.output_total or 0)
            self._gateway.metrics.add_tokens(record.served_by.credential.provider_key, tokens)


def on_credit(candidate: Candidate) -> Candidate:
    """``candidate`` with an account that pays with credits; the same where it has no such way."""
    credential = candidate.credential
    paying = adapter_for(credential.adapter).on_credit(credential, candidate.model)
    return candidate if paying is None else msgspec.structs.replace(candidate, credential=paying)


def _always(error: UpstreamError) -> bool:
    return True


def _of_credential(error: UpstreamError) -> bool:
    return isinstance(error, UpstreamRefused) and error.refusal.status in RESTED_BY_COMPACT


def request_id(headers: dict[str, str], fallback: str) -> str:
    """The client's ``x-request-id`` when it is short and printable, else our own."""
    given = headers.get("x-request-id", "")
    if given and len(given) <= 128 and given.isascii() and given.isprintable():
        return given
    return fallback


def own_query(scope: Scope, headers: dict[str, str]) -> str:
    """The client's query without its key, which is noted beside ``headers``."""
    query: str = scope.get("query_string", b"").decode("latin-1")
    if not query:
        return ""
    pairs = parse_qsl(query, keep_blank_values=True)
    for name, value in pairs:
        if name in QUERY_KEYS and value:
            note_query_key(headers, name, value)
    kept = [pair for pair in pairs if pair[0] not in QUERY_KEYS]
    return query if len(kept) == len(pairs) else urlencode(kept)
