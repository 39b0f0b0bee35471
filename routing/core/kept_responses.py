"""Responses that the gateway keeps itself, so that a client's next turn may name the last one instead of
sending the whole conversation. Pure: what is kept, and how a conversation is put together from it.

An upstream that speaks another format keeps no state, so the named response is replaced by everything that
led to it. Where they are kept: ``routing/kept_responses.py`` (the database, for client keys that ask for it)
and one WebSocket's own memory (``routing/proxy/responses_socket.py``).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Protocol

import msgspec

OWN_IDS = "_cliproxy_"
"""In the ids that this gateway gives to items: no upstream knows them."""


class KeptResponse(msgspec.Struct, frozen=True, kw_only=True):
    """``input`` and ``response`` are JSON as bytes: the list of all items that led to the answer, those of
    earlier turns included, and the answer's ``response`` object. Times are Unix seconds."""

    client_key_id: int
    id: str
    input: bytes
    response: bytes
    created_at: float
    expires_at: float
    held_by: int | None = None
    """The credential whose account keeps this response as well, None when no upstream does."""


class KeptConversation(msgspec.Struct, frozen=True, kw_only=True):
    """``metadata`` is JSON as bytes."""

    client_key_id: int
    id: str
    metadata: bytes
    created_at: float
    expires_at: float


class ResponseStore(Protocol):
    """Where responses and conversations outlive their exchange. Asynchronous: it may be a database."""

    async def find(self, client_key_id: int, response_id: str) -> KeptResponse | None:
        """None also for one that has run out, and for one of another client key."""

    async def belongs_to_another(self, client_key_id: int, response_id: str) -> bool: ...

    async def keep(self, kept: KeptResponse) -> None:
        """Returns when it is durable."""

    async def forget(self, client_key_id: int, response_id: str) -> bool:
        """Whether there was one."""

    async def find_conversation(
        self, client_key_id: int, conversation_id: str
    ) -> KeptConversation | None: ...

    async def keep_conversation(self, kept: KeptConversation) -> None:
        """Make it, or put another ``metadata`` into it."""

    async def forget_conversation(self, client_key_id: int, conversation_id: str) -> bool: ...

    async def items(self, client_key_id: int, conversation_id: str) -> list[tuple[str, bytes]]:
        """(id, JSON) of every item of a conversation, oldest first."""

    async def add_items(
        self, client_key_id: int, conversation_id: str, items: list[tuple[str, bytes]]
    ) -> None:
        """Append; a conversation that is gone meanwhile stays gone."""

    async def forget_item(self, client_key_id: int, conversation_id: str, item_id: str) -> bool: ...


class NoResponses:
    """Keeps nothing: for a gateway put together without a database."""

    async def find(self, client_key_id: int, response_id: str) -> KeptResponse | None:
        return None

    async def belongs_to_another(self, client_key_id: int, response_id: str) -> bool:
        return False

    async def keep(self, kept: KeptResponse) -> None:
        return None

    async def forget(self, client_key_id: int, response_id: str) -> bool:
        return False

    async def find_conversation(self, client_key_id: int, conversation_id: str) -> KeptConversation | None:
        return None

    async def keep_conversation(self, kept: KeptConversation) -> None:
        return None

    async def forget_conversation(self, client_key_id: int, conversation_id: str) -> bool:
        return False

    async def items(self, client_key_id: int, conversation_id: str) -> list[tuple[str, bytes]]:
        return []

    async def add_items(
        self, client_key_id: int, conversation_id: str, items: list[tuple[str, bytes]]
    ) -> None:
        return None

    async def forget_item(self, client_key_id: int, conversation_id: str, item_id: str) -> bool:
        return False


class RecentResponses:
    """The last responses of one connection, in memory: bounded in number and in bytes, oldest out first."""

    def __init__(self, *, most: int, most_bytes: int) -> None:
        self._kept: OrderedDict[str, KeptResponse] = OrderedDict()
        self._most = most
        self._most_bytes = most_bytes
        self._size = 0

    def find(self, response_id: str) -> KeptResponse | None:
        return self._kept.get(response_id)

    def keep(self, kept: KeptResponse) -> None:
        self.forget(kept.id)
        self._kept[kept.id] = kept
        self._size += _size(kept)
        # The newest stays whatever its size: the next turn names it.
        while len(self._kept) > 1 and (len(self._kept) > self._most or self._size > self._most_bytes):
            self._size -= _size(self._kept.popitem(last=False)[1])

    def forget(self, response_id: str) -> None:
        if (gone := self._kept.pop(response_id, None)) is not None:
            self._size -= _size(gone)

    def __len__(self) -> int:
        return len(self._kept)


def _size(kept: KeptResponse) -> int:
    return len(kept.input) + len(kept.response)


# --- putting conversations together --------------------------------------------------------------

_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Output(msgspec.Struct):
    output: list[msgspec.Raw] = []


_OUTPUT = msgspec.json.Decoder(_Output)


class _Item(msgspec.Struct):
    id: str | None = None
    type: str | None = None
    encrypted_content: str | None = None


_ITEM = msgspec.json.Decoder(_Item)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def items_of(value: msgspec.Raw | None) -> list[msgspec.Raw] | None:
    """A request's ``input`` as a list of items; None for what is neither a text nor a list."""
    raw = bytes(value).strip() if value is not None else b"null"
    if raw == b"null":
        return []
    if raw.startswith(b'"'):
        return [msgspec.Raw(b'{"type":"message","role":"user","content":' + raw + b"}")]
    try:
        return [_as_item(item) for item in _ITEMS.decode(raw)]
    except _UNREADABLE:
        return None


def _as_item(item: msgspec.Raw) -> msgspec.Raw:
    """Texts stand in lists too."""
    raw = bytes(item).strip()
    if raw.startswith(b'"'):
        return msgspec.Raw(b'{"type":"message","role":"user","content":' + raw + b"}")
    return item


def kept_items(kept: KeptResponse) -> list[msgspec.Raw]:
    """Everything up to and with the answer, as a client would send it in ``input``."""
    return [*_ITEMS.decode(kept.input), *output_items(kept.response)]


def output_items(response: bytes) -> list[msgspec.Raw]:
    """What an answer holds, as input of a later turn.

    Ids that this gateway made up go, and reasoning that nobody can read any more: its vendor knows it by
    an id under which nothing was stored.
    """
    carried = []
    for item in _OUTPUT.decode(response).output:
        try:
            head = _ITEM.decode(item)
        except _UNREADABLE:
            continue
        is_own = head.id is not None and OWN_IDS in head.id
        if head.type == "reasoning":
            if head.encrypted_content or is_own:
                carried.append(item)
        elif is_own:
            fields = {key: value for key, value in _OBJECT.decode(item).items() if key != "id"}
            carried.append(msgspec.Raw(msgspec.json.encode(fields)))
        else:
            carried.append(item)
    return carried


def joined(items: list[msgspec.Raw]) -> bytes:
    """The JSON list of ``items``."""
    return b"[" + b",".join(bytes(item) for item in items) + b"]"


def home_of(item_id: str) -> str | None:
    """The response that an item of this gateway's making belongs to, told from the item's id."""
    _, is_own, rest = item_id.partition(OWN_IDS)
    seed, _, place = rest.rpartition("_")
    return f"resp_{seed}" if is_own and seed and place.isdigit() else None


def find_item(kept: KeptResponse, item_id: str) -> msgspec.Raw | None:
    """The item of that id in an answer, as input of a later turn."""
    for item in _OUTPUT.decode(kept.response).output:
        fields = _OBJECT.decode(item)
        if bytes(fields.get("id", b"")) == msgspec.json.encode(item_id):
            return msgspec.Raw(msgspec.json.encode({key: fields[key] for key in fields if key != "id"}))
    return None


_PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
}


def named_items(items: list[msgspec.Raw], seed: str) -> list[tuple[str, bytes]]:
    """Items with their ids: their own, or new ones of the usual form that ``seed`` makes unique."""
    named = []
    for place, item in enumerate(items):
        try:
            head = _ITEM.decode(item)
        except _UNREADABLE:
            head = _Item()
        prefix = _PREFIXES.get(head.type or "message", "item")
        named.append((head.id or f"{prefix}_{seed}{place or ''}", bytes(item)))
    return named


def raw_output(response: bytes) -> list[msgspec.Raw]:
    """What an answer holds, unchanged."""
    return _OUTPUT.decode(response).output


def reference_of(item: msgspec.Raw) -> str | None:
    """The id that an ``item_reference`` names (its type may be left out), None for any other item."""
    try:
        fields = _OBJECT.decode(item)
        kind: Any = msgspec.json.decode(fields["type"]) if "type" in fields else None
        name: Any = msgspec.json.decode(fields["id"]) if "id" in fields else None
    except _UNREADABLE:
        return None
    is_reference = kind == "item_reference" or (kind is None and set(fields) <= {"id", "type"})
    return name if is_reference and isinstance(name, str) else None
