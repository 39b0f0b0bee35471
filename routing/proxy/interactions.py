"""``/v1/interactions``, ``/v1beta/interactions``: Gemini's Interactions, passed to an upstream that has them.

A new interaction finds its upstream by its model; one with an agent by any key. A kept interaction belongs to
the client key and the credential that made it, also as the ``previous_interaction_id`` of another. Nothing is
translated: where no upstream has the endpoint, the client is told. docs/endpoints.md, "Interactions".
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import msgspec

from providers.adapters.base import Adapter
from providers.adapters.interactions import FIRST, can_interact, interaction_request
from providers.adapters.registry import adapter_for
from providers.errors import ClientError, UpstreamError
from providers.values import CredentialEntry, Format
from routing.core.credentials import fit_credentials
from routing.core.resolve import Candidate, Resolution
from routing.core.table import ClientEntry, RoutingTable
from routing.proxy.access import authenticate
from routing.proxy.endpoints import Endpoint
from routing.proxy.intake import read_body
from routing.proxy.kept_stream import HeadListener
from routing.proxy.presence import Presence
from routing.proxy.relay import objects
from routing.proxy.relay.answer import WholeAnswer
from routing.proxy.relay.call import RelayCall
from routing.proxy.relay.endpoints import MethodNotAllowed, UnknownPath
from routing.proxy.relay.exchange import Answer, Relay
from routing.proxy.relay.payload import EMPTY, JsonPayload
from routing.proxy.relay.routed import NotServed

_PATH = re.compile(r"^/(v1|v1beta)/interactions(?:/|$)")
KIND = "interaction"
LONGEST_HEAD = 1024 * 1024
"""Of a stream, within which its first event must name the interaction."""


def is_interaction(path: str) -> bool:
    return _PATH.match(path) is not None


class Interactions(Relay):
    """Serves one request."""

    endpoint = Endpoint(dialect=Format.GEMINI)
    _held_by: int | None = None

    async def _serve(self, presence: Presence) -> None:
        gateway, record = self._gateway, self._record
        table = gateway.live.table
        client = authenticate(table, self._headers, gateway.digest, gateway.clock())
        record.client, record.route_model = client, self._path
        object_id, action = _named(self._path, self._method)
        self._pays = not object_id
        payload = EMPTY
        if self._method == "POST" and not action:
            payload = JsonPayload(await read_body(self._receive, self._headers, gateway.body_limit))
        presence.begin(self._gateway.presences)
        self._waited += await self._holds.enter(client, len(payload.raw))
        if object_id:
            answer = await self._of_object(table, client, object_id, action)
        else:
            answer = await self._new(table, client, payload)
        if isinstance(answer, WholeAnswer):
            if not object_id:
                await self._keep(client, answer.body)
            await self._send_read(answer)
        elif object_id:
            await self._pass(answer)
        else:
            await self._pass(answer, _Listener(lambda body: self._keep(client, body)).hear)

    async def _of_object(
        self, table: RoutingTable, client: ClientEntry, object_id: str, action: str
    ) -> Answer:
        store = self._gateway.bindings
        binding, candidate = await objects.bound_candidate(
            table, store, client, KIND, object_id, self._gateway.clock(), can_interact
        )
        path = f"/{quote(object_id, safe='')}" + (f"/{action}" if action else "")
        answer = await self._from(table, [candidate], self._asking(path, EMPTY))
        if self._method == "DELETE":
            await store.forget(binding)
        return answer

    async def _new(self, table: RoutingTable, client: ClientEntry, payload: JsonPayload) -> Answer:
        earlier = payload.text("previous_interaction_id")
        if earlier:
            store, now = self._gateway.bindings, self._gateway.clock()
            binding, _ = await objects.bound_candidate(table, store, client, KIND, earlier, now, can_interact)
            self._held_by = binding.credential_id
        model = payload.text("model")
        call = self._asking("", payload, model)
        if not model:
            if not payload.text("agent"):
                raise ClientError("The field `model` or `agent` is missing.", param="model")
            return await self._from(table, self._of_agent(table, client), call)
        self._record.route_model = model

        async def relay(candidate: Candidate) -> Answer:
            return await call.attempt(candidate, self._gateway.clock())

        return await self._by_model(table, client, model, can_interact, relay)

    def _asking(self, path: str, payload: JsonPayload, model: str = "") -> RelayCall:
        """``path`` begins behind the collection's."""
        version = self._path[1:].partition("/")[0]
        return RelayCall(
            client=self._gateway.client,
            method=self._method,
            path=f"/{version}/interactions{path}" + (f"?{self._query}" if self._query else ""),
            headers=self._headers,
            payload=payload,
            model=model,
            build=interaction_request,
            heard=self._hear,
        )

    # --- who may be asked ------------------------------------------------------------------

    def _fit_resolution(
        self, table: RoutingTable, client: ClientEntry, model: str, is_fit: Callable[[Adapter], bool]
    ) -> Resolution:
        found = super()._fit_resolution(table, client, model, is_fit)
        candidates = [one for one in found.candidates if self._may(one.credential)]
        cooling = tuple(pair for pair in found.cooling if self._may(pair[0].credential))
        if self._held_by is not None and not candidates and not cooling:
            raise NotServed("The credential that keeps the previous interaction does not serve this model.")
        candidates.sort(key=lambda one: one.credential.provider_key != FIRST)
        return msgspec.structs.replace(found, candidates=tuple(candidates), cooling=cooling)

    def _of_agent(self, table: RoutingTable, client: ClientEntry) -> list[Candidate]:
        def is_fit(entry: CredentialEntry) -> bool:
            return can_interact(adapter_for(entry.adapter)) and self._may(entry)

        found = fit_credentials(table, client, is_fit)
        if not found:
            raise NotServed("No provider here has Gemini's Interactions.")
        found.sort(key=lambda entry: entry.provider_key != FIRST)
        return objects.rested_last(found, self._gateway.state, KIND, self._gateway.clock())

    def _may(self, entry: CredentialEntry) -> bool:
        return self._held_by is None or entry.id == self._held_by

    # --- answers ---------------------------------------------------------------------------

    async def _keep(self, client: ClientEntry, body: bytes) -> None:
        """Before the client can know the id, so that its next request finds the hold."""
        served = self._record.served_by
        if served is not None:
            await objects.keep_made(
                self._gateway.bindings,
                client,
                served.credential.id,
                KIND,
                body,
                is_new=True,
                now=self._gateway.clock(),
            )

    def _error_event(self, error: UpstreamError) -> bytes:
        told = {"code": error.code or error.error_type, "message": error.message}
        return b"event: error\ndata: " + msgspec.json.encode({"event_type": "error", "error": told}) + b"\n\n"


def _named(path: str, method: str) -> tuple[str, str]:
    """(id, action) of a path; ("", "") for the collection. Raises UnknownPath, MethodNotAllowed."""
    object_id, slash, action = _PATH.sub("", path).partition("/")
    if slash and action != "cancel":
        raise UnknownPath(f"There is no {method} {path} here.")
    allowed = ("POST",) if not object_id or action else ("GET", "DELETE")
    if method not in allowed:
        raise MethodNotAllowed(f"{method} is not allowed for {path}; use {' or '.join(allowed)}.")
    return object_id, action


class _Listener:
    """Reads a stream along until an event holds the interaction, which ``keep`` is told once."""

    def __init__(self, keep: Callable[[bytes], Awaitable[None]]) -> None:
        self._keep = keep
        self._head = HeadListener("interaction", LONGEST_HEAD)
        self._is_kept = False

    async def hear(self, piece: bytes) -> None:
        if self._is_kept:
            return
        self._head.feed(piece)
        created = self._head.response
        if created is not None:
            self._is_kept = True
            await self._keep(created)
