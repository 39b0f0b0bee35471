"""``/v1/responses``: an exchange that can go on from an earlier answer.

``previous_response_id``, ``conversation`` and ``item_reference`` name what somebody keeps. What this gateway
keeps (a socket's memory, the response store of client keys that asked for it) is put in their place, so that
any upstream can serve the turn. What an upstream keeps goes to the credential that made it. What another
client key made does not exist. Source: https://platform.openai.com/docs/guides/conversation-state (2026).
"""

from __future__ import annotations

import os
from typing import Any, Protocol

import msgspec

from providers.adapters.base import Operation
from providers.adapters.registry import adapter_for
from providers.errors import ClientError
from providers.translation.kept_state import RESPONSES_BINDING
from providers.translation.passthrough import ParsedBody, is_set
from providers.translation.registry import PASSTHROUGHS
from providers.values import Format
from routing.core.bindings import Binding
from routing.core.kept_responses import (
    KeptConversation,
    KeptResponse,
    find_item,
    home_of,
    items_of,
    joined,
    kept_items,
    named_items,
    output_items,
    raw_output,
    reference_of,
)
from routing.core.resolve import Candidate, Resolution
from routing.core.table import ClientEntry, RoutingTable
from routing.proxy.attempt import WholeAnswer
from routing.proxy.counting import CountingAttempt
from routing.proxy.exchange import Exchange
from routing.proxy.gateway import Gateway
from routing.proxy.intake import too_large
from routing.proxy.kept_stream import BAD_JSON, HeadListener, KeptStream, WholeListener

RESPONSE, CONVERSATION = "response", "conversation"
KEPT_STATUSES = ("completed", "incomplete")


class CompactDisabled(ClientError):
    """404: an admin switched ``/v1/responses/compact`` off."""

    client_status = 404
    code: str | None = "endpoint_not_supported"


class Memory(Protocol):
    """What a connection remembers beside the store."""

    def find(self, response_id: str) -> KeptResponse | None: ...

    def keep(self, kept: KeptResponse) -> None: ...


class _Answer(msgspec.Struct):
    id: str = ""
    status: str | None = None
    store: bool | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One request, made complete. ``input`` is the whole conversation, None when some of it is unknown
    here; ``new`` are the items of this request alone."""

    parsed: ParsedBody
    input: list[msgspec.Raw] | None = None
    new: list[msgspec.Raw] = []
    held_by: int | None = None
    """The only credential that can serve it."""
    conversation: str | None = None


class ResponsesExchange(Exchange):
    """Serves one request in the responses format. ``memory`` is that of the socket it came by."""

    memory: Memory | None = None
    _held_by: int | None = None

    async def _respond(self, table: RoutingTable, client: ClientEntry, body: bytes) -> None:
        parsed = PASSTHROUGHS[Format.RESPONSES].parse(body, None)
        self._check_compact(table, parsed)
        turn = await Continuation(self._gateway, client, self.memory).turn(parsed)
        self._held_by = turn.held_by
        answer = await self._ask(table, client, turn.parsed)
        keeper = self._keeper(client, turn)
        if isinstance(answer, WholeAnswer):
            if keeper is not None:
                await keeper.keep(answer.body)
            await self._send_whole(answer)
        elif keeper is None:
            await self._send_stream(answer)
        else:
            await self._send_stream(KeptStream(answer, keeper.listener(), keeper.keep))

    def _check_compact(self, table: RoutingTable, parsed: ParsedBody) -> None:
        if self._endpoint.operation is not Operation.COMPACT:
            return
        if not table.settings.responses_compact:
            raise CompactDisabled("/responses/compact is disabled by this gateway's configuration.")
        if parsed.stream:
            raise ClientError("Streaming is not supported for /responses/compact.", param="stream")

    def _resolve(self, table: RoutingTable, client: ClientEntry, parsed: ParsedBody) -> Resolution:
        resolution = super()._resolve(table, client, parsed)
        if self._held_by is None:
            return resolution
        return only(resolution, self._held_by, parsed)

    def _keeper(self, client: ClientEntry, turn: Turn) -> Keeper | None:
        """None when nobody could ever name this answer."""
        served = self._record.served_by
        if self._endpoint.operation is not Operation.GENERATE or served is None:
            return None
        keeper = Keeper(self._gateway, client, turn, served, self.memory)
        return keeper if keeper.has_work else None


class ResponsesCountingExchange(ResponsesExchange):
    attempt_kind = CountingAttempt


def only(resolution: Resolution, credential_id: int, parsed: ParsedBody) -> Resolution:
    """The candidates of one credential. Raises ClientError when it does not serve the model at all."""

    def fits(candidate: Candidate) -> bool:
        return candidate.credential.id == credential_id

    candidates = tuple(filter(fits, resolution.candidates))
    cooling = tuple(pair for pair in resolution.cooling if fits(pair[0]))
    if not candidates and not cooling:
        raise ClientError(
            f"What `{parsed.bound_by}` names is kept by a credential that does not serve the model "
            f"`{parsed.model}` now. Send the whole conversation instead.",
            param=parsed.bound_by,
            code="previous_response_not_found" if parsed.bound_by == "previous_response_id" else None,
        )
    return msgspec.structs.replace(resolution, candidates=candidates, cooling=cooling)


class Continuation:
    """Puts what this gateway keeps in the place of what a request names."""

    def __init__(self, gateway: Gateway, client: ClientEntry, memory: Memory | None) -> None:
        self._gateway = gateway
        self._client = client
        self._memory = memory
        self._echo: dict[str, Any] = {}
        self._seen: dict[str, KeptResponse] = {}

    async def turn(self, parsed: ParsedBody) -> Turn:
        """Raises ClientError: what is named belongs to another client key, or the whole is too large."""
        new = items_of(parsed.fields.get("input"))
        if new is None:  # not a conversation at all: whoever reads it next says so
            return Turn(parsed=parsed)
        if is_set(parsed.fields, "previous_response_id") and is_set(parsed.fields, CONVERSATION):
            raise ClientError(
                "`previous_response_id` cannot be used together with `conversation`.", param=CONVERSATION
            )
        if is_set(parsed.fields, "previous_response_id"):
            return await self._from_response(parsed, new)
        if is_set(parsed.fields, CONVERSATION):
            return await self._from_conversation(parsed, new)
        items = await self._resolved(new)
        if items is new and not self._will_keep(parsed):
            return Turn(parsed=parsed, input=new, new=new)
        return self._complete(parsed, [], items, is_edited=items is not new)

    async def _from_response(self, parsed: ParsedBody, new: list[msgspec.Raw]) -> Turn:
        name = self._text(parsed, "previous_response_id")
        kept = await self._find(name)
        if kept is not None and kept.held_by is not None:
            return Turn(parsed=parsed, input=[*kept_items(kept), *new], new=new, held_by=kept.held_by)
        if kept is not None:
            self._echo["previous_response_id"] = name
            return self._complete(parsed, kept_items(kept), await self._resolved(new), is_edited=True)
        held_by = await self._holder(RESPONSE, name)
        if held_by is None and (
            await self._gateway.bindings.belongs_to_another(self._client.id, RESPONSE, name)
            or await self._gateway.responses.belongs_to_another(self._client.id, name)
        ):
            raise ClientError(
                f"Previous response with id '{name}' not found.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        return Turn(parsed=parsed, new=new, held_by=held_by)

    async def _from_conversation(self, parsed: ParsedBody, new: list[msgspec.Raw]) -> Turn:
        name = conversation_id(parsed.fields[CONVERSATION])
        kept = await self._conversation(name) if name else None
        if kept is not None:
            found = await self._gateway.responses.items(self._client.id, kept.id)
            earlier = output_items(b'{"output":' + joined([msgspec.Raw(item) for _, item in found]) + b"}")
            self._echo[CONVERSATION] = {"id": kept.id}
            turn = self._complete(parsed, earlier, await self._resolved(new), is_edited=True)
            return msgspec.structs.replace(turn, conversation=kept.id)
        held_by = await self._holder(CONVERSATION, name) if name else None
        if held_by is None and await self._gateway.bindings.belongs_to_another(
            self._client.id, CONVERSATION, name
        ):
            raise ClientError(f"Conversation with id '{name}' not found.", param=CONVERSATION)
        return Turn(parsed=parsed, new=new, held_by=held_by)

    def _complete(
        self, parsed: ParsedBody, earlier: list[msgspec.Raw], new: list[msgspec.Raw], *, is_edited: bool
    ) -> Turn:
        """The request with the whole conversation in it, and without the names that stood for it."""
        if self._will_keep(parsed):
            self._echo["store"] = True
        whole = [*earlier, *new]
        if is_edited:
            fields = {key: value for key, value in parsed.fields.items() if key not in self._echo}
            if "store" in parsed.fields:
                fields["store"] = parsed.fields["store"]
            fields["input"] = msgspec.Raw(joined(whole))
            raw = msgspec.json.encode(fields)
            if len(raw) > self._gateway.body_limit:
                raise too_large(self._gateway.body_limit)
            bound_by = next((name for name in RESPONSES_BINDING if is_set(fields, name)), "")
            parsed = msgspec.structs.replace(parsed, raw=raw, fields=fields, bound_by=bound_by)
        parsed = msgspec.structs.replace(parsed, echo=self._echo)
        return Turn(parsed=parsed, input=whole, new=new)

    async def _resolved(self, items: list[msgspec.Raw]) -> list[msgspec.Raw]:
        """``items`` with those put in that an ``item_reference`` names and that are kept here."""
        resolved: list[msgspec.Raw] | None = None
        for place, item in enumerate(items):
            if b'"id"' not in bytes(item) or (name := reference_of(item)) is None:
                continue
            home = home_of(name)
            kept = await self._find(home) if home is not None else None
            if kept is not None and (found := find_item(kept, name)) is not None:
                resolved = resolved or list(items)
                resolved[place] = found
        return items if resolved is None else resolved

    async def _find(self, response_id: str) -> KeptResponse | None:
        if response_id in self._seen:
            return self._seen[response_id]
        kept = self._memory.find(response_id) if self._memory is not None else None
        if kept is None and self._client.keeps_responses_s > 0:
            kept = await self._gateway.responses.find(self._client.id, response_id)
        if kept is not None:
            self._seen[response_id] = kept
        return kept

    async def _conversation(self, name: str) -> KeptConversation | None:
        if self._client.keeps_responses_s <= 0:
            return None
        return await self._gateway.responses.find_conversation(self._client.id, name)

    async def _holder(self, kind: str, name: str) -> int | None:
        binding = await self._gateway.bindings.find(self._client.id, kind, name)
        return None if binding is None else binding.credential_id

    def _will_keep(self, parsed: ParsedBody) -> bool:
        return self._client.keeps_responses_s > 0 and wants_storing(parsed)

    @staticmethod
    def _text(parsed: ParsedBody, name: str) -> str:
        try:
            return msgspec.json.decode(parsed.fields[name], type=str)
        except BAD_JSON as error:
            raise ClientError(f"The field `{name}` must be a string.", param=name) from error


def wants_storing(parsed: ParsedBody) -> bool:
    """OpenAI stores an answer unless the request says ``store: false``."""
    return bytes(parsed.fields.get("store", b"null")).strip() != b"false"


def conversation_id(value: msgspec.Raw) -> str:
    """``"conv_…"`` or ``{"id": "conv_…"}``; "" for anything else."""
    try:
        found = msgspec.json.decode(value)
    except BAD_JSON:
        return ""
    if isinstance(found, dict):
        found = found.get("id")
    return found if isinstance(found, str) else ""


class Keeper:
    """What remains of one answer: in the socket's memory, in the store, or as a hold on its credential."""

    def __init__(
        self,
        gateway: Gateway,
        client: ClientEntry,
        turn: Turn,
        served: Candidate,
        memory: Memory | None,
    ) -> None:
        self._gateway = gateway
        self._client = client
        self._turn = turn
        self._served = served
        self._memory = memory
        adapter = adapter_for(served.credential.adapter)
        wants = wants_storing(turn.parsed)
        self._may_be_held = wants and Format.RESPONSES in adapter.formats(served.credential)
        self._is_stored = wants and client.keeps_responses_s > 0 and turn.input is not None

    @property
    def has_work(self) -> bool:
        return (
            self._may_be_held or self._is_stored or self._memory is not None or bool(self._turn.conversation)
        )

    def listener(self) -> WholeListener | HeadListener:
        if self._is_stored or self._memory is not None or self._turn.conversation:
            return WholeListener()
        return HeadListener()

    async def keep(self, response: bytes) -> None:
        """``response`` is the answer's object; for a hold alone, that of the first event will do."""
        try:
            answer = _ANSWER.decode(response)
        except BAD_JSON:
            return
        if not answer.id:
            return
        held_by = self._served.credential.id if self._may_be_held and answer.store else None
        if held_by is not None:
            self._gateway.bindings.keep_soon(
                Binding(
                    client_key_id=self._client.id, kind=RESPONSE, object_id=answer.id, credential_id=held_by
                )
            )
        if answer.status not in KEPT_STATUSES:
            return
        await self._keep_whole(answer.id, response, held_by)

    async def _keep_whole(self, name: str, response: bytes, held_by: int | None) -> None:
        turn, gateway = self._turn, self._gateway
        if turn.input is None:
            return
        now = gateway.clock()
        kept = KeptResponse(
            client_key_id=self._client.id,
            id=name,
            input=joined(turn.input),
            response=response,
            created_at=now,
            expires_at=now + self._client.keeps_responses_s,
            held_by=held_by,
        )
        if self._memory is not None:
            self._memory.keep(kept)
        if self._is_stored and held_by is None:
            await gateway.responses.keep(kept)
        if turn.conversation is not None:
            items = named_items([*turn.new, *raw_output(response)], os.urandom(12).hex())
            await gateway.responses.add_items(self._client.id, turn.conversation, items)
