"""One request to an endpoint beside generation, in the same six steps: authenticate, read, resolve, attempt,
stream, record. What is an attempt, and who may be asked, follows from the endpoint's ``Way``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode

import msgspec

from providers.adapters.registry import adapter_for
from providers.adapters.relay import can_relay, search_request
from providers.errors import ClientError, UpstreamError, UpstreamRefused
from providers.translation.passthrough import is_set
from providers.values import CredentialEntry, Format, RefusalKind
from routing.core.credentials import fit_credentials
from routing.core.resolve import Candidate
from routing.core.table import ClientEntry, RoutingTable
from routing.proxy.access import authenticate
from routing.proxy.endpoints import CHAT
from routing.proxy.exchange import own_query
from routing.proxy.gateway import Gateway
from routing.proxy.intake import UnknownEncoding, read_body
from routing.proxy.keepalive import while_telling
from routing.proxy.presence import Presence
from routing.proxy.relay import embeddings, images, listing, objects
from routing.proxy.relay.answer import STREAM, PassingAnswer, WholeAnswer
from routing.proxy.relay.call import RelayCall
from routing.proxy.relay.endpoints import STATE_KINDS, Target, UnknownPath, Way, find_target
from routing.proxy.relay.kept import KeptObjects
from routing.proxy.relay.payload import EMPTY, MULTIPART, JsonPayload, Payload, UploadPayload
from routing.proxy.relay.routed import NotServed, Routed
from routing.proxy.relay.upload import Upload
from routing.proxy.wire import Headers, Receive, Scope, Send, error_body, send_json, send_whole

PROVIDER_HEADER = "x-cliproxy-provider"
LARGEST_SEARCH = 16 * 1024 * 1024
"""CLIProxyAPI's limit."""
NO_CACHE: Headers = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
Answer = WholeAnswer | PassingAnswer
JSON_ANSWERS = frozenset({"/embeddings", "/images/generations", "/images/edits", "/images/variations"})
"""Whose answers are JSON, ahead of which a newline may tell that it takes time; others may be files."""


class Relay(Routed):
    """Serves one request. Make one per request and ``run`` it once."""

    endpoint = CHAT
    """Gives the format of errors."""

    def __init__(self, gateway: Gateway, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        super().__init__(gateway, scope, receive, send, self.endpoint)
        self._path = path
        self._method: str = scope["method"]
        self._query = own_query(scope, self._headers)
        self._pays = True
        """Whether the usage in the answer is this request's: one that reads an object was paid for before."""
        self._upload: Upload | None = None
        if self._headers.get("content-type", "").lower().startswith(MULTIPART):
            self._upload = Upload(receive, self._headers, gateway.body_limit)
            self._receive = self._upload.departure

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            if self._upload is not None:
                self._upload.close()

    async def _serve(self, presence: Presence) -> None:
        gateway, record = self._gateway, self._record
        table = gateway.live.table
        client = authenticate(table, self._headers, gateway.digest, gateway.clock())
        record.client = client
        target = find_target(self._path, self._method)
        if target is None:
            raise UnknownPath(f"There is no {self._method} {self._path} here.")
        if target.path.startswith("/images/") and table.settings.image_generation == "off":
            raise UnknownPath("Image generation is switched off here (`disable-image-generation`).")
        record.route_model = self._path
        self._pays = self._method == "POST" and (target.way is not Way.OBJECT or bool(target.makes))
        payload = await self._read(target)
        presence.begin(self._gateway.presences)
        size = len(payload.raw) if isinstance(payload, JsonPayload) else 0
        self._waited += await self._holds.enter(client, size)
        if target.way is Way.LIST:
            await self._list(table, client, target)
            return
        if target.kind in STATE_KINDS:
            kept = KeptObjects(gateway.responses, client, gateway.clock())
            shown = await kept.answer(self._method, target, payload, self._query)
            if shown is not None:
                await self._show(shown)
                return
        work = self._answered(table, client, target, payload)
        seconds = table.settings.nonstream_keepalive_s
        is_told = bool(seconds) and target.path in JSON_ANSWERS and wants_whole(payload)
        answer = await (while_telling(work, seconds, self._say_that_it_takes_time) if is_told else work)
        if isinstance(answer, WholeAnswer):
            await self._send_answer(client, target, answer)
        else:
            await self._pass(answer)

    # --- read ------------------------------------------------------------------------------

    async def _read(self, target: Target) -> Payload:
        """The body: JSON whole, multipart only as far as the model; nothing of a request without one."""
        if self._method != "POST":
            return EMPTY
        upload = self._upload
        if upload is None:
            if target.takes_file:
                raise ClientError("Upload a file as multipart/form-data.", param="file")
            limit = self._gateway.body_limit
            if target.way is Way.SEARCH:
                limit = min(limit, LARGEST_SEARCH)
            raw = await read_body(self._receive, self._headers, limit)
            return JsonPayload(raw, target.default_model)
        upload.check_length()
        if self._headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise UnknownEncoding("Send the multipart body plain: compressed ones are not understood here.")
        if target.way not in (Way.MODEL, Way.SOURCE):
            return UploadPayload(upload, None)
        return await UploadPayload.read(upload, self._headers["content-type"], target.default_model)

    def _call(self, target: Target, payload: Payload, model: str = "") -> RelayCall:
        kept = [pair for pair in parse_qsl(self._query, keep_blank_values=True) if pair[0] != "provider"]
        return RelayCall(
            client=self._gateway.client,
            method=self._method,
            path=quote(target.path) + (f"?{urlencode(kept)}" if kept else ""),
            headers=self._headers,
            payload=payload,
            upload=self._upload,
            model=model,
            heard=self._hear,
        )

    # --- resolve and attempt ---------------------------------------------------------------

    async def _answered(
        self, table: RoutingTable, client: ClientEntry, target: Target, payload: Payload
    ) -> Answer:
        source = source_of(payload) if target.way is Way.SOURCE else ""
        if target.way is Way.MODEL or (target.way is Way.SOURCE and not source):
            return await self._by_its_model(table, client, target, payload)
        if target.way is Way.SEARCH:
            return await self._searched(table, client, target, payload)
        if target.way is Way.PROVIDER:
            query = parse_qs(self._query)
            wanted = self._headers.get(PROVIDER_HEADER, "") or query.get("provider", [""])[-1]
            gateway = self._gateway
            candidates = objects.provider_candidates(
                table, gateway.state, client, wanted.strip(), target.kind, gateway.clock()
            )
            return await self._from(table, candidates, self._call(target, payload))
        kind, object_id = target.kind, target.object_id or source
        if target.way is Way.INPUT_FILE:
            kind, object_id = "file", input_file_of(payload)
        store = self._gateway.bindings
        binding, candidate = await objects.bound_candidate(
            table, store, client, kind, object_id, self._gateway.clock()
        )
        answer = await self._from(table, [candidate], self._call(target, payload))
        if self._method == "DELETE" and not target.rest:
            await store.forget(binding)
        return answer

    async def _searched(
        self, table: RoutingTable, client: ClientEntry, target: Target, payload: Payload
    ) -> Answer:
        """Codex's search names no model, and goes up as it is."""

        def is_fit(entry: CredentialEntry) -> bool:
            return adapter_for(entry.adapter).searches(entry)

        found = fit_credentials(table, client, is_fit)
        if not found:
            raise NotServed(
                "No provider here has Codex's search: it takes a Codex login, or a codex key with "
                "`alpha-search`."
            )
        candidates = objects.rested_last(found, self._gateway.state, "search", self._gateway.clock())
        call = msgspec.structs.replace(self._call(target, payload), build=search_request)
        return await self._from(table, candidates, call)

    async def _by_its_model(
        self, table: RoutingTable, client: ClientEntry, target: Target, payload: Payload
    ) -> Answer:
        model = payload.model
        if not model:
            raise ClientError("The field `model` is missing.", param="model")
        self._record.route_model = model
        clock = self._gateway.clock
        call = self._call(target, payload, model)
        if target.path == "/embeddings" and isinstance(payload, JsonPayload):
            embedding = embeddings.EmbeddingCall(call, payload)

            async def embed(candidate: Candidate) -> Answer:
                answer = await embedding.attempt(candidate, clock())
                self._record.dropped = embedding.dropped
                return answer

            return await self._by_model(table, client, model, embeddings.is_fit, embed)

        if target.path == images.PATH and isinstance(payload, JsonPayload):
            drawing = images.ImageCall(call, payload, table.settings.gpt_image_2_base_model)

            async def draw(candidate: Candidate) -> Answer:
                answer = await drawing.attempt(candidate, clock())
                self._record.dropped = drawing.dropped
                return answer

            return await self._by_model(table, client, model, images.is_fit, draw)

        async def relay(candidate: Candidate) -> Answer:
            return await call.attempt(candidate, clock())

        return await self._by_model(table, client, model, can_relay, relay)

    async def _from(self, table: RoutingTable, candidates: list[Candidate], call: RelayCall) -> Answer:
        """One round: what belongs to no model is not worth a wait for a cooldown's end."""

        async def relay(candidate: Candidate) -> Answer:
            return await call.attempt(candidate, self._gateway.clock())

        return await self._trials.one_round(table.settings, candidates, relay)

    # --- lists -----------------------------------------------------------------------------

    async def _list(self, table: RoutingTable, client: ClientEntry, target: Target) -> None:
        async def read(candidate: Candidate, object_id: str) -> bytes | None:
            path = f"{target.path}/{quote(object_id, safe='')}"
            call = self._call(msgspec.structs.replace(target, path=path), EMPTY)
            call = msgspec.structs.replace(call, path=path)
            try:
                answer = await self._from(table, [candidate], call)
            except UpstreamRefused as error:
                if error.refusal.kind is RefusalKind.NOT_FOUND:
                    return None
                raise
            if isinstance(answer, PassingAnswer):
                await answer.close()
                return None
            credential_id = candidate.credential.id
            store = self._gateway.bindings
            await objects.keep_made(store, client, credential_id, target.kind, answer.body, is_new=False)
            return answer.body

        page = objects.read_page(self._query)
        now = self._gateway.clock()
        found = await listing.own_objects(table, self._gateway.bindings, client, target.kind, page, read, now)
        await self._show(found)

    async def _show(self, value: dict[str, Any] | bytes) -> None:
        """An answer of this gateway's own: an object, or events."""
        headers = self._answer_headers()
        self._has_answered = True
        self._finish(200, "ok")
        if isinstance(value, bytes):
            await send_whole(
                self._send, 200, [(b"content-type", STREAM.encode()), *NO_CACHE, *headers], value
            )
        else:
            await send_json(self._send, 200, value, headers)

    # --- stream and record -----------------------------------------------------------------

    async def _send_answer(self, client: ClientEntry, target: Target, answer: WholeAnswer) -> None:
        record = self._record
        if target.kind and record.served_by is not None:
            # Before the client can know the id, so that its next request finds the hold.
            await objects.keep_made(
                self._gateway.bindings,
                client,
                record.served_by.credential.id,
                target.makes or target.kind,
                answer.body,
                is_new=bool(target.makes),
                now=self._gateway.clock(),
            )
        await self._send_read(answer)

    async def _send_read(self, answer: WholeAnswer) -> None:
        usage = answer.usage if self._pays else None
        self._record.usage = usage
        self._holds.end(usage)
        content_type = (b"content-type", answer.content_type.encode("latin-1"))
        headers = self._with_passed([content_type, *self._answer_headers()])
        self._finish(answer.status, "ok")
        await self._send_last(answer.status, headers, answer.body)

    async def _pass(
        self, answer: PassingAnswer, hear: Callable[[bytes], Awaitable[None]] | None = None
    ) -> None:
        """Send pieces as they come, each after ``hear``. A cut ends the connection early, or tells of itself
        inside events."""
        send, record = self._send, self._record
        record.is_stream = answer.is_events
        extra = NO_CACHE if answer.is_events else []
        headers = self._with_passed([*answer.headers(), *extra, *self._answer_headers()])
        self._has_answered = True
        try:
            if not self._is_held_open:
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            try:
                async for piece in answer.pieces():
                    if hear is not None:
                        await hear(piece)
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            except UpstreamError as error:
                record.usage = answer.usage if self._pays else None
                self._note_cut(error)
                self._finish(answer.status, "cut", error.code or "")
                if not answer.is_events:
                    raise  # nothing more is sent, so the server breaks the connection
                await send({"type": "http.response.body", "body": self._error_event(error)})
                return
            record.usage = answer.usage if self._pays else None
            self._finish(answer.status, "ok")
            await send({"type": "http.response.body", "body": b""})
        finally:
            await asyncio.shield(answer.close())

    def _error_event(self, error: UpstreamError) -> bytes:
        return b"data: " + error_body(error, Format.OPENAI) + b"\n\n"


def input_file_of(payload: Payload) -> str:
    """The file that a new batch names. Raises ClientError."""
    name = payload.text("input_file_id") if isinstance(payload, JsonPayload) else ""
    if not name:
        raise ClientError("The field `input_file_id` is missing.", param="input_file_id")
    return name


def wants_whole(payload: Payload) -> bool:
    """Whether the request is known to ask for no events."""
    return isinstance(payload, JsonPayload) and not is_set(payload.fields, "stream")


def source_of(payload: Payload) -> str:
    """The video that a request works on, "" when it brings one of its own. Raises ClientError."""
    if not isinstance(payload, JsonPayload) or "video" not in payload.fields:
        return ""
    video = payload.value()["video"]
    name = video.get("id") if isinstance(video, dict) else None
    return name if isinstance(name, str) else ""
