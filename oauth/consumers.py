"""The WebSocket on which a login page learns of changes: what ``login_pages.snapshot`` tells, as it changes.

For the signed-in person who began the attempt and may connect accounts, from a page of this server alone. A
change in this process is told at once; one that another process made is seen within a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from typing import Any
from urllib.parse import urlsplit

from channels.consumer import AsyncConsumer
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from django.conf import settings
from django.contrib.auth.models import User

from oauth import attempts, login_pages
from oauth.runner import RUNNER

LOOKS_EVERY_S = 1.0
NORMAL, GOING_AWAY = 1000, 1001
PERMISSION = "oauth.connect_account"


class AttemptConsumer(AsyncConsumer):  # type: ignore[misc]  # Channels carries no types
    """``/v0/oauth/ws/<attempt id>``. Sends; what it is sent it ignores."""

    _task: asyncio.Task[None] | None = None

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        if not is_same_origin(self.scope) or not await self._may_follow():
            await self.send({"type": "websocket.close", "code": 4403})  # before accept: HTTP 403
            raise StopConsumer
        await self.send({"type": "websocket.accept"})
        self._task = asyncio.get_running_loop().create_task(self._follow(), name="login-page")

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """There is nothing to say to an attempt this way."""

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        raise StopConsumer

    async def _may_follow(self) -> bool:
        user = self.scope.get("user")
        allowed: bool = await database_sync_to_async(_may_follow)(user, self._attempt_id)
        return allowed

    @property
    def _attempt_id(self) -> uuid.UUID:
        found: uuid.UUID = self.scope["url_route"]["kwargs"]["attempt_id"]
        return found

    async def _follow(self) -> None:
        """Send every new state until the attempt has ended."""
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def tell() -> None:
            loop.call_soon_threadsafe(changed.set)

        end_watch = RUNNER.watch(self._attempt_id, tell)
        told = -1
        try:
            while True:
                changed.clear()
                state = await database_sync_to_async(_snapshot)(self._attempt_id)
                if state is None:
                    break
                if state["version"] != told:
                    told = state["version"]
                    await self.send({"type": "websocket.send", "text": json.dumps(state)})
                if state["status"] != "pending":
                    break
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOKS_EVERY_S):
                        await changed.wait()
            await self.send({"type": "websocket.close", "code": NORMAL})
        finally:
            end_watch()


def _may_follow(user: object, attempt_id: uuid.UUID) -> bool:
    # Channels hands the user over lazily and may have read the row a while ago.
    if not getattr(user, "is_authenticated", False):
        return False
    fresh = User.objects.filter(pk=getattr(user, "pk", 0), is_active=True, is_staff=True).first()
    attempt = attempts.find(attempt_id)
    return (
        fresh is not None
        and fresh.has_perm(PERMISSION)
        and attempt is not None
        and attempt.begun_by_id == fresh.pk
    )


def _snapshot(attempt_id: uuid.UUID) -> dict[str, Any] | None:
    attempt = attempts.find(attempt_id)
    return login_pages.snapshot(attempt) if attempt is not None else None


def is_same_origin(scope: dict[str, Any]) -> bool:
    """Whether the page that opens the socket is of this server: browsers send cookies along from any page,
    and CSRF tokens are no part of a handshake. What names no origin is no browser (RFC 6455, 4.1)."""
    headers = {name.lower(): value.decode("latin-1") for name, value in scope.get("headers", [])}
    origin, host = headers.get(b"origin", ""), headers.get(b"host", "")
    if not origin or origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False
