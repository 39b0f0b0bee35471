"""Responses and conversations that this gateway keeps itself, shown and changed as OpenAI's API does it.

Source: OpenAI API reference, "Responses" and "Conversations" (2026), and the types of the official Python SDK
(``ResponseItemList``, ``ConversationItem``), which ask for an id and a status where requests leave them out.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any
from urllib.parse import parse_qs

import msgspec

from providers.errors import ClientError
from providers.translation.codecs.responses.replay import replayed
from routing.core.kept_responses import KeptConversation, KeptResponse, ResponseStore, items_of, named_items
from routing.core.table import ClientEntry
from routing.proxy.relay.endpoints import NoSuchObject, Target
from routing.proxy.relay.objects import Page, read_page
from routing.proxy.relay.payload import JsonPayload, Payload

MOST_NEW_ITEMS = 20
"""OpenAI's limit for one call."""
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
Json = dict[str, Any]


class KeptObjects:
    """One client key's share of the store. ``answer`` gives what to send, None for what is not kept here."""

    def __init__(self, store: ResponseStore, client: ClientEntry, now: float) -> None:
        self._store = store
        self._client = client
        self._now = now

    async def answer(self, method: str, target: Target, payload: Payload, query: str) -> Json | bytes | None:
        """An object, or the events of a response. Raises ClientError and NoSuchObject."""
        if self._client.keeps_responses_s <= 0:
            return None
        if target.kind == "response":
            kept = await self._store.find(self._client.id, target.object_id)
            return None if kept is None else await self._response(method, target, kept, query)
        if not target.object_id:
            return await self._new_conversation(payload)
        found = await self._store.find_conversation(self._client.id, target.object_id)
        return None if found is None else await self._conversation(method, target, found, payload, query)

    # --- responses -------------------------------------------------------------------------

    async def _response(self, method: str, target: Target, kept: KeptResponse, query: str) -> Json | bytes:
        if method == "DELETE":
            await self._store.forget(self._client.id, kept.id)
            return {"id": kept.id, "object": "response", "deleted": True}
        if target.rest == "cancel":
            raise ClientError("Only a response that was made with `background: true` can be cancelled.")
        if target.rest == "input_items":
            items = [(shown_id(item, place), item) for place, item in enumerate(_ITEMS.decode(kept.input))]
            return page_of([(name, bytes(item)) for name, item in items], read_page(query))
        shown: Json = msgspec.json.decode(kept.response)
        given = {name: values[-1] for name, values in parse_qs(query).items()}
        if given.get("stream", "").lower() != "true":
            return shown
        return replayed(shown, sequence_number(given.get("starting_after", "-1")))

    # --- conversations ---------------------------------------------------------------------

    async def _new_conversation(self, payload: Payload) -> Json:
        given = object_of(payload)
        items = new_items(given.get("items"))
        made = KeptConversation(
            client_key_id=self._client.id,
            id=f"conv_{os.urandom(24).hex()}",
            metadata=metadata_of(given),
            created_at=self._now,
            expires_at=self._now + self._client.keeps_responses_s,
        )
        await self._store.keep_conversation(made)
        if items:
            await self._store.add_items(self._client.id, made.id, items)
        return conversation(made)

    async def _conversation(
        self, method: str, target: Target, found: KeptConversation, payload: Payload, query: str
    ) -> Json:
        store, client_id = self._store, self._client.id
        if target.rest.startswith("items"):
            return await self._items(method, target.rest.partition("/")[2], found, payload, query)
        if method == "DELETE":
            await store.forget_conversation(client_id, found.id)
            return {"id": found.id, "object": "conversation.deleted", "deleted": True}
        if method == "POST":
            found = msgspec.structs.replace(found, metadata=metadata_of(object_of(payload)))
            await store.keep_conversation(found)
        return conversation(found)

    async def _items(
        self, method: str, item_id: str, found: KeptConversation, payload: Payload, query: str
    ) -> Json:
        store, client_id = self._store, self._client.id
        if method == "POST":
            items = new_items(object_of(payload).get("items"))
            if not items:
                raise ClientError("`items` must hold at least one item.", param="items")
            await store.add_items(client_id, found.id, items)
            return page_of(items, Page(after="", limit=len(items), newest_first=False, purpose=""))
        kept = await store.items(client_id, found.id)
        if not item_id:
            return page_of(kept, read_page(query))
        item = dict(kept).get(item_id)
        if item is None:
            raise NoSuchObject(f"There is no item `{item_id}` in this conversation.")
        if method == "DELETE":
            await store.forget_item(client_id, found.id, item_id)
            return conversation(found)
        return shown_item(item_id, item)


# --- shapes ------------------------------------------------------------------------------------


def conversation(kept: KeptConversation) -> Json:
    return {
        "id": kept.id,
        "object": "conversation",
        "created_at": int(kept.created_at),
        "metadata": msgspec.Raw(kept.metadata),
    }


def sequence_number(text: str) -> int:
    """The number behind which a stream goes on; -1 for all of it. Raises ClientError."""
    if text != "-1" and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ClientError("`starting_after` must be the number of an event.", param="starting_after")
    return int(text)


def object_of(payload: Payload) -> Json:
    """The JSON body of a request; {} for an empty one. Raises ClientError."""
    if not isinstance(payload, JsonPayload):
        raise ClientError("The request body must be JSON.")
    value: Json = payload.value() if payload.raw.strip() else {}
    return value


def metadata_of(given: Json) -> bytes:
    metadata = given.get("metadata") or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ClientError("`metadata` must be an object of strings.", param="metadata")
    if len(metadata) > 16:
        raise ClientError("`metadata` holds 16 pairs at most.", param="metadata")
    return msgspec.json.encode(metadata)


def new_items(value: Any) -> list[tuple[str, bytes]]:
    """Items with the ids under which they are kept. Raises ClientError."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ClientError("`items` must be a list of items.", param="items")
    if len(value) > MOST_NEW_ITEMS:
        raise ClientError(f"{MOST_NEW_ITEMS} items can be added at once.", param="items")
    items = items_of(msgspec.Raw(msgspec.json.encode(value)))
    return named_items(items or [], os.urandom(12).hex())


def page_of(items: list[tuple[str, bytes]], page: Page) -> Json:
    """One page of a list, oldest first in ``items``. Raises ClientError."""
    ordered = items[::-1] if page.newest_first else items
    names = [name for name, _ in ordered]
    if page.after and page.after not in names:
        raise ClientError(f"There is no item `{page.after}` in this list.", param="after")
    start = names.index(page.after) + 1 if page.after else 0
    shown = ordered[start : start + page.limit]
    return {
        "object": "list",
        "data": [shown_item(name, item) for name, item in shown],
        "first_id": shown[0][0] if shown else None,
        "last_id": shown[-1][0] if shown else None,
        "has_more": start + page.limit < len(ordered),
    }


def shown_id(item: msgspec.Raw, place: int) -> str:
    """The item's own id, or one that is the same at every look."""
    digest = hashlib.sha256(f"{place}:".encode() + bytes(item)).hexdigest()[:32]
    return named_items([item], digest)[0][0]


def shown_item(name: str, item: bytes) -> Json:
    """An item as lists show it: with id and status, and content as parts."""
    try:
        fields = msgspec.json.decode(item)
    except _BAD_JSON:
        fields = {}
    if "role" in fields:
        fields.setdefault("type", "message")
    content = fields.get("content")
    if fields.get("type") == "message" and isinstance(content, str):
        is_output = fields.get("role") == "assistant"
        kind = "output_text" if is_output else "input_text"
        fields["content"] = [{"type": kind, "text": content, **({"annotations": []} if is_output else {})}]
    return {**fields, "id": name, "status": fields.get("status") or "completed"}
