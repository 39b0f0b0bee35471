"""The response store in the database: for client keys that ask for it, as long as each key says.

Rows are compressed JSON, read and written in threads. Nothing here is on the path of a request that neither
names an earlier response nor is to be stored. Rows that have run out are deleted by ``Retention``, which may
run in every process: a deletion that was done already finds nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from django.db import DatabaseError, IntegrityError, connections, transaction
from django.db.models import QuerySet
from django.utils import timezone

from providers.errors import GatewayError
from routing.bindings import forget_old
from routing.core.kept_responses import KeptConversation, KeptResponse
from routing.models import ConversationItem, StoredConversation, StoredResponse

logger = logging.getLogger("routing.responses")

THREADS = 4
LONGEST_ID = 255
RETENTION_EVERY_S = 600.0
AT_ONCE = 500
"""Rows deleted in one statement, so that no lock lasts."""
_LENGTH = struct.Struct("!I")

T = TypeVar("T")


class StoreUnavailable(GatewayError):
    """503: what the client names may exist, but the database does not answer."""

    client_status = 503
    code: str | None = "store_unavailable"
    retry_after_s = 5.0


class DatabaseResponses:
    """Implements ``routing.core.kept_responses.ResponseStore``. Belongs to one event loop; ``close`` at the
    end. What cannot be read raises StoreUnavailable; what cannot be written is logged: the answer exists."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="responses")

    async def find(self, client_key_id: int, response_id: str) -> KeptResponse | None:
        return await self._read(lambda: _find(client_key_id, response_id))

    async def belongs_to_another(self, client_key_id: int, response_id: str) -> bool:
        rows = StoredResponse.objects.filter(response_id=response_id).exclude(client_key_id=client_key_id)
        return await self._read(rows.exists)

    async def keep(self, kept: KeptResponse) -> None:
        if len(kept.id) <= LONGEST_ID:
            await self._write(lambda: _keep(kept), f"the response {kept.id}")

    async def forget(self, client_key_id: int, response_id: str) -> bool:
        return await self._read(lambda: _rows(client_key_id, response_id).delete()[0] > 0)

    async def find_conversation(self, client_key_id: int, conversation_id: str) -> KeptConversation | None:
        return await self._read(lambda: _find_conversation(client_key_id, conversation_id))

    async def keep_conversation(self, kept: KeptConversation) -> None:
        await self._read(lambda: _keep_conversation(kept))

    async def forget_conversation(self, client_key_id: int, conversation_id: str) -> bool:
        return await self._read(lambda: _conversations(client_key_id, conversation_id).delete()[0] > 0)

    async def items(self, client_key_id: int, conversation_id: str) -> list[tuple[str, bytes]]:
        return await self._read(lambda: _items(client_key_id, conversation_id))

    async def add_items(
        self, client_key_id: int, conversation_id: str, items: list[tuple[str, bytes]]
    ) -> None:
        await self._write(
            lambda: _add_items(client_key_id, conversation_id, items), f"items of {conversation_id}"
        )

    async def forget_item(self, client_key_id: int, conversation_id: str, item_id: str) -> bool:
        return await self._read(lambda: _forget_item(client_key_id, conversation_id, item_id))

    def close(self) -> None:
        self._executor.shutdown(wait=True)

    async def _read(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, _with_connection, work)
        except DatabaseError as error:
            logger.error("the response store cannot be reached: %s", error)
            raise StoreUnavailable("The response store cannot be reached now.") from error

    async def _write(self, work: Callable[[], None], what: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._executor, _with_connection, work)
        except DatabaseError as error:
            logger.error("%s could not be stored: %s", what, error)


def _with_connection(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        connections.close_all()


# --- responses ---------------------------------------------------------------------------------


def _rows(client_key_id: int, response_id: str) -> QuerySet[StoredResponse]:
    return StoredResponse.objects.filter(client_key_id=client_key_id, response_id=response_id)


def _find(client_key_id: int, response_id: str) -> KeptResponse | None:
    row = _rows(client_key_id, response_id).filter(expires_at__gt=timezone.now()).first()
    if row is None:
        return None
    given, answer = _unpacked(bytes(row.content))
    return KeptResponse(
        client_key_id=client_key_id,
        id=response_id,
        input=given,
        response=answer,
        created_at=row.created_at.timestamp(),
        expires_at=row.expires_at.timestamp(),
    )


def _keep(kept: KeptResponse) -> None:
    StoredResponse.objects.update_or_create(
        client_key_id=kept.client_key_id,
        response_id=kept.id,
        defaults={
            "content": _packed(kept.input, kept.response),
            "created_at": _moment(kept.created_at),
            "expires_at": _moment(kept.expires_at),
        },
    )


def _packed(given: bytes, answer: bytes) -> bytes:
    """Both in one: the length of the first, then the two."""
    return zlib.compress(_LENGTH.pack(len(given)) + given + answer, 1)


def _unpacked(content: bytes) -> tuple[bytes, bytes]:
    data = zlib.decompress(content)
    end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    return data[_LENGTH.size : end], data[end:]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


# --- conversations -----------------------------------------------------------------------------


def _conversations(client_key_id: int, conversation_id: str) -> QuerySet[StoredConversation]:
    rows = StoredConversation.objects.filter(client_key_id=client_key_id, conversation_id=conversation_id)
    return rows.filter(expires_at__gt=timezone.now())


def _find_conversation(client_key_id: int, conversation_id: str) -> KeptConversation | None:
    row = _conversations(client_key_id, conversation_id).first()
    if row is None:
        return None
    return KeptConversation(
        client_key_id=client_key_id,
        id=conversation_id,
        metadata=msgspec.json.encode(row.metadata),
        created_at=row.created_at.timestamp(),
        expires_at=row.expires_at.timestamp(),
    )


def _keep_conversation(kept: KeptConversation) -> None:
    StoredConversation.objects.update_or_create(
        client_key_id=kept.client_key_id,
        conversation_id=kept.id,
        defaults={
            "metadata": msgspec.json.decode(kept.metadata),
            "created_at": _moment(kept.created_at),
            "expires_at": _moment(kept.expires_at),
        },
    )


def _items(client_key_id: int, conversation_id: str) -> list[tuple[str, bytes]]:
    row = _conversations(client_key_id, conversation_id).first()
    if row is None:
        return []
    return [(item.item_id, zlib.decompress(bytes(item.content))) for item in row.items.order_by("id")]


def _add_items(client_key_id: int, conversation_id: str, items: list[tuple[str, bytes]]) -> None:
    try:
        with transaction.atomic():
            row = _conversations(client_key_id, conversation_id).first()
            if row is None:
                return
            ConversationItem.objects.bulk_create(
                ConversationItem(conversation=row, item_id=item_id, content=zlib.compress(content, 1))
                for item_id, content in items
            )
            lasts = row.expires_at - row.created_at
            # Only later ends: another process may have added to it meanwhile.
            StoredConversation.objects.filter(pk=row.pk, expires_at__lt=timezone.now() + lasts / 2).update(
                expires_at=timezone.now() + lasts
            )
    except IntegrityError as error:
        logger.warning("items of %s were not stored: %s", conversation_id, error)


def _forget_item(client_key_id: int, conversation_id: str, item_id: str) -> bool:
    row = _conversations(client_key_id, conversation_id).first()
    return row is not None and row.items.filter(item_id=item_id).delete()[0] > 0


# --- retention ---------------------------------------------------------------------------------


def delete_expired() -> int:
    """Delete what has run out, in small steps; the number of responses and conversations that went."""
    gone = 0
    models: tuple[type[StoredResponse] | type[StoredConversation], ...] = (StoredResponse, StoredConversation)
    for model in models:
        while True:
            old = model.objects.filter(expires_at__lte=timezone.now()).order_by("id")
            ids = list(old.values_list("pk", flat=True)[:AT_ONCE])
            if not ids:
                break
            model.objects.filter(pk__in=ids).delete()
            gone += len(ids)
    return gone


class Retention:
    """Deletes what has run out, every now and then, for as long as the process runs."""

    async def run(self) -> None:
        while True:
            # Not all processes at the same moment.
            await asyncio.sleep(RETENTION_EVERY_S * random.uniform(0.5, 1.5))  # noqa: S311  (spreads load)
            try:
                gone = await asyncio.to_thread(_with_connection, delete_expired)
                gone += await asyncio.to_thread(_with_connection, forget_old)
            except DatabaseError as error:
                logger.warning("expired responses were not deleted, next time again: %s", error)
            else:
                if gone:
                    logger.info("expired responses deleted", extra={"fields": {"count": gone}})
