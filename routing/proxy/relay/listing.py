"""A list of the client key's own objects, which may lie at several upstreams: each is read where it is held.

The upstreams' own lists would show the objects of every client key that shares the credential.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from providers.errors import ClientError
from routing.core.bindings import Binding, BindingStore
from routing.core.resolve import Candidate
from routing.core.table import ClientEntry, RoutingTable
from routing.proxy.relay.objects import Page, has_ended, held_by

AT_ONCE = 8
"""Objects read at the same time for one list."""
MOST_READ = 500
"""Objects read for one list that filters by purpose; the client asks on behind the last one."""

Read = Callable[[Candidate, str], Awaitable[bytes | None]]


class _Shown(msgspec.Struct):
    purpose: str | None = None


async def own_objects(
    table: RoutingTable,
    store: BindingStore,
    client: ClientEntry,
    kind: str,
    page: Page,
    read: Read,
    now: float,
) -> dict[str, Any]:
    """One page in OpenAI's shape. ``read`` gives an object's JSON, or None when its upstream has lost it;
    the hold of such a one ends. Raises ClientError, and what ``read`` raises."""
    if page.after and await store.find(client.id, kind, page.after) is None:
        raise ClientError(f"There is no {kind} `{page.after}` that this client key made.", param="after")
    shown: list[tuple[str, bytes]] = []
    after, seen = page.after, 0
    while True:
        room = page.limit - len(shown)
        holds = await store.page(client.id, kind, after=after, limit=room + 1, newest_first=page.newest_first)
        has_more, holds = len(holds) > room, holds[:room]
        known = [hold for hold in holds if not has_ended(hold, table, now)]
        shown += await _read_all(table, store, known, page, read)
        seen += len(holds)
        if not has_more or len(shown) >= page.limit or seen >= MOST_READ:
            break
        after = holds[-1].object_id
    return {
        "object": "list",
        "data": [msgspec.Raw(body) for _, body in shown],
        "first_id": shown[0][0] if shown else None,
        "last_id": shown[-1][0] if shown else None,
        "has_more": has_more,
    }


async def _read_all(
    table: RoutingTable, store: BindingStore, holds: list[Binding], page: Page, read: Read
) -> list[tuple[str, bytes]]:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(hold: Binding) -> bytes | None:
        async with turn:
            body = await read(held_by(table, hold), hold.object_id)
        if body is None:
            await store.forget(hold)
        return body

    bodies = await asyncio.gather(*(one(hold) for hold in holds))
    return [
        (hold.object_id, body)
        for hold, body in zip(holds, bodies, strict=True)
        if body is not None and (not page.purpose or _purpose(body) == page.purpose)
    ]


def _purpose(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body, type=_Shown).purpose
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
