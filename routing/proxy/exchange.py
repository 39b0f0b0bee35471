"""One client request and everything done to answer it, in six steps: authenticate, read, resolve, attempt,
stream, record. Retries happen only before the first byte; after it, a failure is told inside the stream.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from providers.adapters.base import Operation
from providers.adapters.registry import adapter_for
from providers.errors import ClientError, GatewayError, UpstreamError, UpstreamRefused
from providers.translation.passthrough import ParsedBody
from providers.translation.registry import PASSTHROUGHS
from providers.values import Format
from routing.core import rounds
from routing.core.cooldown import CoolingRules, history_after, kind_of, stops
from routing.core.query import RouteQuery
from routing.core.resolve import Candidate, Resolution, resolve
from routing.core.table import ClientEntry, RouteSettings, RoutingTable
from routing.outgoing import Ask
from routing.proxy.access import authenticate
from routing.proxy.attempt import Attempt, WholeAnswer
from routing.proxy.delivery import Delivery
from routing.proxy.endpoints import Endpoint
from routing.proxy.gateway import Gateway
from routing.proxy.intake import ClientGone, read_body
from routing.proxy.limits import Holds
from routing.proxy.presence import Presence
from routing.proxy.record import Record
from routing.proxy.tokens import signed
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
    send_whole,
    status_for,
)

logger = logging.getLogger("routing.proxy")

JITTER_SHARE = 0.25
JITTER_MAX_S = 2.0
GONE_STATUS = 499
"""nginx's number for a client that closed the request; only ever recorded, never sent."""


class Exchange:
    """Serves one generation request. Make one per request and ``run`` it once."""

    attempt_kind = Attempt

    def __init__(
        self, gateway: Gateway, scope: Scope, receive: Receive, send: Send, endpoint: Endpoint
    ) -> None:
        self._gateway = gateway
        self._receive = receive
        self._send = send
        self._endpoint = endpoint
        self._dialect = dialect = endpoint.dialect
        self._headers = client_headers(scope)
        self._query = "" if dialect is Format.OPENAI else own_query(scope, self._headers, dialect)
        self._began = time.perf_counter()
        self._waited = 0.0
        """Seconds spent waiting for upstreams before the first byte; the rest is our overhead."""
        exchange_id = os.urandom(16).hex()
        self._record = Record(
            exchange_id, request_id(self._headers, exchange_id), dialect.value, gateway.clock()
        )
        self._holds = Holds(gateway.state, gateway.clock)
        self._has_answered = False

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
            self._holds.end(self._record.usage)

    async def _serve(self, presence: Presence) -> None:
        gateway, record = self._gateway, self._record
        table = gateway.live.table
        client = authenticate(table, self._headers, gateway.digest, gateway.clock())
        record.client = client
        body = await read_body(self._receive, self._headers, gateway.body_limit)
        presence.begin()
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
        resolution = self._resolve(table, client, parsed)
        ask = Ask(
            parsed=parsed,
            suffix=resolution.suffix,
            headers=self._headers,
            format=self._dialect,
            now=int(self._gateway.clock()),
            seed=record.exchange_id,
            operation=self._endpoint.operation,
            query=self._query,
            payload=table.settings.payload,
            strips_image_tool=table.settings.image_generation in ("off", "chat"),
        )
        return await self._answer(table, client, ask, resolution)

    def _resolve(self, table: RoutingTable, client: ClientEntry, parsed: ParsedBody) -> Resolution:
        """The candidates now; where the request is bound to its format, only those that speak it."""
        gateway = self._gateway
        query = RouteQuery(model=parsed.model, stream=parsed.stream)
        resolution = resolve(table, gateway.state, client, query, gateway.clock(), random.random)
        self._holds.show(resolution)
        bound_by = parsed.bound_by or ("compact" if self._endpoint.operation is Operation.COMPACT else "")
        return bound(resolution, parsed, bound_by) if bound_by else resolution

    # --- attempts --------------------------------------------------------------------------

    async def _answer(
        self, table: RoutingTable, client: ClientEntry, ask: Ask, resolution: Resolution
    ) -> WholeAnswer | Delivery:
        """Rounds of attempts until one answers. Raises the last upstream error, or NoCandidate."""
        settings = table.settings
        last: UpstreamError | None = None
        round_number = 0
        while True:
            candidates = rounds.admitted(resolution.candidates, round_number, settings)
            if not candidates and round_number == 0 and (waking := rounds.first_to_wake(resolution)):
                candidates = [waking]
            for candidate in candidates:
                try:
                    return await self._attempt(ask, candidate, settings)
                except UpstreamError as error:
                    last = error
                    if stops(error):
                        raise
            if last is not None and rounds.upstream_status(last) not in rounds.REPEATABLE:
                raise last
            round_number += 1
            now = self._gateway.clock()
            resolution = self._resolve(table, client, ask.parsed)
            wait = rounds.wait_before_round(resolution, round_number, settings, now)
            if wait is None:
                raise last or rounds.nobody_free(resolution, now)
            if wait:
                await self._rest(wait, settings)
                resolution = self._resolve(table, client, ask.parsed)

    async def _rest(self, wait: float, settings: RouteSettings) -> None:
        jitter = random.uniform(0, min(wait * JITTER_SHARE, JITTER_MAX_S))  # noqa: S311  (spreads load)
        began = time.perf_counter()
        await asyncio.sleep(min(wait + jitter, max(settings.max_retry_interval_s, wait)))
        self._waited += time.perf_counter() - began

    async def _attempt(
        self, ask: Ask, candidate: Candidate, settings: RouteSettings
    ) -> WholeAnswer | Delivery:
        gateway, record = self._gateway, self._record
        attempt = self.attempt_kind(gateway.client, ask, candidate, gateway.clock())
        if attempt.calls_upstream:
            self._waited += await self._holds.admit(candidate.credential)
        record.served_by = candidate
        began = time.perf_counter()
        note: dict[str, Any] = {
            "provider": candidate.credential.provider_key,
            "credential": candidate.credential.id,
            "model": candidate.model,
        }
        record.attempts.append(note)
        has_answered = False

        async def start(signed_with: Candidate) -> WholeAnswer | Delivery:
            nonlocal attempt
            if signed_with is not candidate:
                attempt = self.attempt_kind(gateway.client, ask, signed_with, gateway.clock())
            try:
                return await attempt.start()
            finally:
                if attempt.answer_headers and signed_with.credential.secret_version:
                    gateway.tokens.note_headers(signed_with.credential, attempt.answer_headers)

        try:
            answer = await signed(gateway.tokens, candidate, start)
            has_answered = True
        except UpstreamError as error:
            self._note_failure(note, candidate, error, settings)
            raise
        except BaseException:
            note["reason"] = "cancelled"
            raise
        finally:
            spent = time.perf_counter() - began
            self._waited += spent
            note["ms"] = round(spent * 1000, 2)
            self._holds.settle(has_answered=has_answered)
        note["status"] = 200
        record.dropped = attempt.dropped
        gateway.state.record_success(candidate.credential.id, candidate.model, gateway.clock())
        gateway.metrics.count(candidate.credential.provider_key, is_success=True, latency_ms=spent * 1000)
        return answer

    def _note_failure(
        self, note: dict[str, Any], candidate: Candidate, error: UpstreamError, settings: RouteSettings
    ) -> None:
        gateway, credential = self._gateway, candidate.credential
        logger.debug(
            "attempt failed",
            extra={
                "fields": {
                    "id": self._record.request_id,
                    "provider": credential.provider_key,
                    "credential": credential.id,
                    "model": candidate.model,
                    "why": error.message,
                }
            },
        )
        note["status"] = error.refusal.status if isinstance(error, UpstreamRefused) else None
        note["reason"] = f"{kind_of(error).value}: {error.message}"[:300]
        gateway.metrics.count(credential.provider_key, is_success=False, latency_ms=0.0)
        disabled = (
            settings.disable_cooling if credential.disable_cooling is None else credential.disable_cooling
        )
        rules = CoolingRules(is_enabled=not disabled, transient_s=settings.transient_cooldown_s)
        state = gateway.state
        history = history_after(
            error, candidate.model, state.history(credential.id, candidate.model), rules, gateway.clock()
        )
        if history is not None:
            state.record_failure(credential.id, candidate.model, history)

    # --- answers ---------------------------------------------------------------------------

    def _answer_headers(self) -> Headers:
        record = self._record
        total = time.perf_counter() - self._began
        record.first_byte_ms = total * 1000
        headers: Headers = [
            (b"x-request-id", record.request_id.encode("latin-1")),
            (b"x-cliproxy-attempts", str(len(record.attempts)).encode()),
            (b"x-cliproxy-overhead-ms", f"{max(total - self._waited, 0.0) * 1000:.2f}".encode()),
        ]
        if self._dialect is Format.CLAUDE:
            headers.append((b"request-id", record.request_id.encode("latin-1")))
        if record.served_by is not None:
            headers.append((b"x-cliproxy-provider", record.served_by.credential.provider_key.encode()))
        if record.dropped:
            headers.append(
                (b"x-cliproxy-dropped", ", ".join(record.dropped)[:2000].encode("latin-1", "replace"))
            )
        return headers + self._holds.headers(self._dialect)

    async def _send_whole(self, answer: WholeAnswer) -> None:
        self._record.usage = answer.usage
        self._holds.end(answer.usage)
        headers = [JSON, *self._answer_headers(), *answer.headers]
        self._has_answered = True
        self._finish(200, "ok")
        await send_whole(self._send, 200, headers, answer.body)

    async def _send_stream(self, delivery: Delivery) -> None:
        send, record = self._send, self._record
        headers: Headers = [
            (b"content-type", delivery.content_type.encode()),
            (b"cache-control", b"no-cache"),
            (b"x-accel-buffering", b"no"),
            *self._answer_headers(),
        ]
        self._has_answered = True
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            try:
                async for piece in delivery.pieces():
                    if delivery.is_final:
                        record.usage = delivery.usage
                        self._finish(200, "cut" if delivery.has_failed else "ok")
                        await send({"type": "http.response.body", "body": piece})
                    else:
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
            except UpstreamError as error:
                await delivery.close()
                record.usage = delivery.usage
                self._note_cut(error)
                self._finish(200, "cut", error.code or "")
                await send({"type": "http.response.body", "body": delivery.error(error_info(error))})
        finally:
            try:
                await delivery.close()
            finally:
                record.usage = delivery.usage or record.usage

    def _note_cut(self, error: UpstreamError) -> None:
        """A stream broke after its first byte: the credential rests as after any failure."""
        record = self._record
        if record.served_by is not None and record.attempts:
            settings = self._gateway.live.table.settings
            self._note_failure(record.attempts[-1], record.served_by, error, settings)

    async def _refuse(self, error: GatewayError) -> None:
        code = error.code or error.error_type
        status = status_for(error, self._dialect)
        self._finish(status, "error", code)
        if self._has_answered:
            return  # the head is out; the connection ends and the client sees a cut body
        self._has_answered = True
        headers = error_headers(error) + self._answer_headers()
        await send_whole(self._send, status, headers, self._error_body(error))

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
        if record.usage is not None and record.served_by is not None:
            tokens = (record.usage.input_total or 0) + (record.usage.output_total or 0)
            self._gateway.metrics.add_tokens(record.served_by.credential.provider_key, tokens)


def request_id(headers: dict[str, str], fallback: str) -> str:
    """The client's ``x-request-id`` when it is short and printable, else our own."""
    given = headers.get("x-request-id", "")
    if given and len(given) <= 128 and given.isascii() and given.isprintable():
        return given
    return fallback


def own_query(scope: Scope, headers: dict[str, str], dialect: Format) -> str:
    """The client's query without its key; a key found there (Gemini's ``?key=``) is put into ``headers``."""
    query: str = scope.get("query_string", b"").decode("latin-1")
    if not query:
        return ""
    pairs = parse_qsl(query, keep_blank_values=True)
    if dialect is Format.GEMINI:
        for name, value in pairs:
            if name == "key" and value:
                headers.setdefault("x-goog-api-key", value)
    if not any(name == "key" for name, _ in pairs):
        return query
    return urlencode([pair for pair in pairs if pair[0] != "key"])


def bound(resolution: Resolution, parsed: ParsedBody, field: str) -> Resolution:
    """Only the candidates whose upstream speaks the format of the body.

    Raises ClientError when there is none at all: dropping ``field`` would change what is asked.
    """

    def speaks(candidate: Candidate) -> bool:
        adapter = adapter_for(candidate.credential.adapter)
        return parsed.format in adapter.formats(candidate.credential, candidate.model)

    kept = tuple(candidate for candidate in resolution.candidates if speaks(candidate))
    cooling = tuple(pair for pair in resolution.cooling if speaks(pair[0]))
    limited = tuple(pair for pair in resolution.limited if speaks(pair[0]))
    if not any((kept, cooling, limited)) and any(
        (resolution.candidates, resolution.cooling, resolution.limited)
    ):
        is_state = field == "previous_response_id"
        raise ClientError(
            f"`{field}` needs an upstream that speaks the {parsed.format} format and keeps its state; "
            f"none that serves the model `{parsed.model}` does. Send the whole conversation instead.",
            param=field,
            code="previous_response_not_found" if is_state else "unsupported_parameter",
        )
    return msgspec.structs.replace(resolution, candidates=kept, cooling=cooling, limited=limited)
