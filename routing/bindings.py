"""Holds on objects at upstreams, in the database: they outlive the process. Read through a bounded cache.

Not on the path of generation: a miss costs one read in a thread, a new object one write before its answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

from django.db import DatabaseError, connections
from django.db.models import QuerySet
from django.utils import timezone

from routing.core.bindings import Binding
from routing.models import GatewaySettings, ObjectBinding

LONGEST_ID = 255
CACHED = 10_000
"""Holds kept in memory, those used last; about 4 MB."""
THREADS = 4
FLUSH_AFTER_S = 0.2
MOST_PENDING = 1_000
"""Holds that wait for the database at most; more are written at once."""
RESPONSES_LAST = timedelta(days=31)
"""OpenAI keeps a response for 30 days at least; a hold that is older is of no use."""

logger = logging.getLogger("routing.bindings")

T = TypeVar("T")
Key = tuple[int, str, str]


class DatabaseBindings:
    """Implements ``routing.core.bindings.BindingStore``. Belongs to one event loop; ``close`` at the end."""

    def __init__(self) -> None:
        self._cache: OrderedDict[Key, Binding] = OrderedDict()
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="bindings")
        self._pending: list[Binding] = []
        self._writes: list[Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None

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

    def keep_soon(self, binding: Binding) -> None:
        self._remember(binding)
        self._pending.append(binding)
        if len(self._pending) >= MOST_PENDING:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_AFTER_S, self._flush)

    async def belongs_to_another(self, client_key_id: int, kind: str, object_id: str) -> bool:
        """Looks behind what still waits to be written: an id may be tried the moment it is known."""
        self._flush()
        writes = [asyncio.wrap_future(write) for write in self._writes]
        await asyncio.gather(*writes, return_exceptions=True)
        return await self._in_thread(lambda: _is_of_another((client_key_id, kind, object_id)))

    async def forget(self, binding: Binding) -> None:
        self._pending = [kept for kept in self._pending if _key(kept) != _key(binding)]
        self._cache.pop(_key(binding), None)
        await self._in_thread(lambda: _rows(_key(binding)).delete())

    async def page(
        self, client_key_id: int, kind: str, *, after: str, limit: int, newest_first: bool
    ) -> list[Binding]:
        return await self._in_thread(lambda: _page(client_key_id, kind, after, limit, newest_first))

    def close(self) -> None:
        self._flush()
        self._executor.shutdown(wait=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, _with_connection, work)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pending, self._pending = self._pending, []
        self._writes = [write for write in self._writes if not write.done()]
        if pending:
            self._writes.append(self._executor.submit(_with_connection, lambda: _write_all(pending)))

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
        made_at=row.created_at.timestamp(),
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


def _write_all(bindings: list[Binding]) -> None:
    """Together, or one by one when a credential or a client key among them is gone meanwhile."""
    rows = {
        _key(binding): ObjectBinding(
            client_key_id=binding.client_key_id,
            kind=binding.kind,
            object_id=binding.object_id,
            credential_id=binding.credential_id,
        )
        for binding in bindings
        if len(binding.object_id) <= LONGEST_ID
    }
    try:
        ObjectBinding.objects.bulk_create(
            rows.values(),
            update_conflicts=True,
            unique_fields=["client_key", "kind", "object_id"],
            update_fields=["credential"],
        )
        return
    except DatabaseError as error:
        logger.debug("holds are written one by one: %s", error)
    for binding in bindings:
        try:
            _write(binding)
        except DatabaseError as error:
            logger.warning("the hold on the %s %s was not kept: %s", binding.kind, binding.object_id, error)


def _is_of_another(key: Key) -> bool:
    client_key_id, kind, object_id = key
    others = ObjectBinding.objects.filter(kind=kind, object_id=object_id)
    return others.exclude(client_key_id=client_key_id).exists()


def forget_old() -> int:
    """Delete the holds on responses that no upstream keeps any more, and on videos for which the settings'
    time is over; several processes may do so at once."""
    row = GatewaySettings.objects.filter(pk=1).first() or GatewaySettings()
    ends = {"response": RESPONSES_LAST, "video": timedelta(seconds=row.video_result_ttl_s)}
    now = timezone.now()
    return sum(
        ObjectBinding.objects.filter(kind=kind, created_at__lt=now - age).delete()[0]
        for kind, age in ends.items()
    )


def _page(client_key_id: int, kind: str, after: str, limit: int, newest_first: bool) -> list[Binding]:
    rows = ObjectBinding.objects.filter(client_key_id=client_key_id, kind=kind)
    if after:
        last = rows.filter(object_id=after).values("id")[:1]
        rows = rows.filter(id__lt=last) if newest_first else rows.filter(id__gt=last)
    return [_binding(row) for row in rows.order_by("-id" if newest_first else "id")[:limit]]
