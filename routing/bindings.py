"""Holds on objects at upstreams, in the database: they outlive the process. Read through a bounded cache.

Not on the path of generation: a miss costs one read in a thread, a new object one write before its answer.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections
from django.db.models import QuerySet

from routing.core.bindings import Binding
from routing.models import ObjectBinding

CACHED = 10_000
"""Holds kept in memory, those used last; about 4 MB."""
THREADS = 4

T = TypeVar("T")
Key = tuple[int, str, str]


class DatabaseBindings:
    """Implements ``routing.core.bindings.BindingStore``. Belongs to one event loop; ``close`` at the end."""

    def __init__(self) -> None:
        self._cache: OrderedDict[Key, Binding] = OrderedDict()
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="bindings")

    async def find(self, client_key_id: int, kind: str, object_id: str) -> Binding | None:
        """What another process forgot may still be found here; the upstream then says 404 itself."""
        key = (client_key_id, kind, object_id)
        if (known := self._cache.get(key)) is not None:
            self._cache.move_to_end(key)
            return known
        found = await self._in_thread(lambda: _read(key))
        if found is not None:
            self._remember(found)
        return found

    async def keep(self, binding: Binding) -> None:
        await self._in_thread(lambda: _write(binding))
        self._remember(binding)

    async def forget(self, binding: Binding) -> None:
        self._cache.pop(_key(binding), None)
        await self._in_thread(lambda: _rows(_key(binding)).delete())

    async def page(
        self, client_key_id: int, kind: str, *, after: str, limit: int, newest_first: bool
    ) -> list[Binding]:
        return await self._in_thread(lambda: _page(client_key_id, kind, after, limit, newest_first))

    def close(self) -> None:
        self._executor.shutdown(wait=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, _with_connection, work)

    def _remember(self, binding: Binding) -> None:
        self._cache[_key(binding)] = binding
        self._cache.move_to_end(_key(binding))
        if len(self._cache) > CACHED:
            self._cache.popitem(last=False)


def _with_connection(work: Callable[[], T]) -> T:
    """Work with a connection of its own: misses and new objects are rare, idle connections are not free."""
    try:
        return work()
    finally:
        connections.close_all()


def _key(binding: Binding) -> Key:
    return binding.client_key_id, binding.kind, binding.object_id


def _rows(key: Key) -> QuerySet[ObjectBinding]:
    client_key_id, kind, object_id = key
    return ObjectBinding.objects.filter(client_key_id=client_key_id, kind=kind, object_id=object_id)


def _binding(row: ObjectBinding) -> Binding:
    return Binding(
        client_key_id=row.client_key_id,
        kind=row.kind,
        object_id=row.object_id,
        credential_id=row.credential_id,
    )


def _read(key: Key) -> Binding | None:
    row = _rows(key).first()
    return None if row is None else _binding(row)


def _write(binding: Binding) -> None:
    ObjectBinding.objects.update_or_create(
        client_key_id=binding.client_key_id,
        kind=binding.kind,
        object_id=binding.object_id,
        defaults={"credential_id": binding.credential_id},
    )


def _page(client_key_id: int, kind: str, after: str, limit: int, newest_first: bool) -> list[Binding]:
    rows = ObjectBinding.objects.filter(client_key_id=client_key_id, kind=kind)
    if after:
        last = rows.filter(object_id=after).values("id")[:1]
        rows = rows.filter(id__lt=last) if newest_first else rows.filter(id__gt=last)
    return [_binding(row) for row in rows.order_by("-id" if newest_first else "id")[:limit]]
