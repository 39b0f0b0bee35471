"""Who holds an object that a client made at an upstream: a file, a batch, a video.

Only the credential that made it can read it again, so the hold outlives the process; and only the client
key that made it may see it. ``routing/bindings.py`` keeps the holds in the database. Pure.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """``kind`` is ``file``, ``batch``, ``video``, ``response``, …; ``object_id`` is the upstream's own."""

    client_key_id: int
    kind: str
    object_id: str
    credential_id: int
    made_at: float = 0.0
    """Unix seconds; 0 is not known."""


class BindingStore(Protocol):
    """Where holds are kept. Asynchronous, because a miss may read a database."""

    async def find(self, client_key_id: int, kind: str, object_id: str) -> Binding | None: ...

    async def keep(self, binding: Binding) -> None:
        """Returns when the hold is durable. A second object of the same id takes the place of the first."""

    def keep_soon(self, binding: Binding) -> None:
        """Known here at once, durable and known to other processes a moment later: for what is made with
        every answer, where the last byte shall not wait."""

    async def belongs_to_another(self, client_key_id: int, kind: str, object_id: str) -> bool:
        """Whether another client key made this object. Asked only after ``find`` found nothing."""

    async def forget(self, binding: Binding) -> None: ...

    async def page(
        self, client_key_id: int, kind: str, *, after: str, limit: int, newest_first: bool
    ) -> list[Binding]:
        """Up to ``limit`` holds of one client key behind the object ``after`` ("" begins at the end)."""


class MemoryBindings:
    """Holds that end with the process: for a gateway put together without a database."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str, str], Binding] = {}

    async def find(self, client_key_id: int, kind: str, object_id: str) -> Binding | None:
        return self._kept.get((client_key_id, kind, object_id))

    async def keep(self, binding: Binding) -> None:
        self.keep_soon(binding)

    def keep_soon(self, binding: Binding) -> None:
        self._kept[binding.client_key_id, binding.kind, binding.object_id] = binding

    async def belongs_to_another(self, client_key_id: int, kind: str, object_id: str) -> bool:
        return any(key[0] != client_key_id and key[1:] == (kind, object_id) for key in self._kept)

    async def forget(self, binding: Binding) -> None:
        self._kept.pop((binding.client_key_id, binding.kind, binding.object_id), None)

    async def page(
        self, client_key_id: int, kind: str, *, after: str, limit: int, newest_first: bool
    ) -> list[Binding]:
        own = [kept for kept in self._kept.values() if kept.client_key_id == client_key_id]
        own = [kept for kept in own if kept.kind == kind]
        if newest_first:
            own.reverse()
        ids = [kept.object_id for kept in own]
        start = ids.index(after) + 1 if after in ids else 0
        return own[start : start + limit]
