"""Keeps logins fresh: in the background before they end, and for a call whose token was refused.

One Refresher per process. What it learns is usable at once (``current``), before the routing table is built
anew. A refresh that has begun is finished whoever stops waiting for it: the vendor may have spent the old
token already. How that stays exactly one refresh among many processes: ``oauth/leases.py``.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec
from django.db import DatabaseError, close_old_connections, connections

from oauth import credential_files, journal, leases, proxies, sheets, timeline
from oauth.driver import Driver, Listener
from oauth.flows.base import Flow, Grant
from oauth.flows.errors import OAuthError, RefreshRejected, RefreshUnavailable
from oauth.leases import Held
from oauth.models import TokenStatus
from providers.secrets import SecretsError
from providers.upstream.client import UpstreamClient
from providers.values import CredentialEntry

logger = logging.getLogger("oauth.refresh")

T = TypeVar("T")

WHOLE_REFRESH_S = 60.0
"""A refresh with all its calls (antigravity asks for a project as well)."""
EXTEND_EVERY_S = 5.0
WAIT_FOR_OTHERS_S = 25.0
"""For another process's refresh: longer than a lease, so that the lease of a dead one has run out."""
LOOK_AGAIN_S = 0.1
EXPIRE_EVERY = timedelta(minutes=1)
PRUNE_EVERY = timedelta(hours=1)
UNREADABLE_FOR = timedelta(minutes=5)
"""Until a login whose encryption key is missing is looked at again."""
EARLY_S = 5.0
"""A token that ends while the call is on its way counts as ended."""
COMMIT_TRIES_S = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, *[15.0] * 240)
"""Pauses before a rotated token is stored again when the database cannot be written: for about an hour."""


class Fresh(msgspec.Struct, frozen=True, kw_only=True):
    """What a call needs of a login, as this process knows it."""

    version: int
    secret: str
    expires_at: float | None
    account: dict[str, str]

    def on(self, entry: CredentialEntry) -> CredentialEntry:
        return msgspec.structs.replace(
            entry,
            secret=self.secret,
            account=self.account,
            secret_version=self.version,
            secret_expires_at=self.expires_at,
        )


class Refresher:
    """``start`` once on the loop that serves, ``stop`` at the end. ``workers`` bounds refreshes at once."""

    def __init__(
        self,
        client: UpstreamClient,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        interval_s: float = 5.0,
        workers: Callable[[], int] = lambda: 16,
        patience_s: float = 20.0,
    ) -> None:
        """``patience_s`` is how long a call waits for its token."""
        self._client = client
        self._clock = clock
        self._sleep = sleep
        self._interval_s = interval_s
        self._workers = workers
        self._patience_s = patience_s
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="token-refresh")
        self._running: dict[int, asyncio.Task[Fresh]] = {}
        self._fresh: dict[int, Fresh] = {}
        self._is_stopped = False
        self._pruned_at = datetime.min.replace(tzinfo=UTC)
        self._expired_at = datetime.min.replace(tzinfo=UTC)

    # --- for calls -------------------------------------------------------------------------

    def current(self, entry: CredentialEntry) -> CredentialEntry:
        """``entry`` with the newest tokens that this process knows."""
        fresh = self._fresh.get(entry.id)
        if fresh is None:
            return entry
        if fresh.version <= entry.secret_version:
            del self._fresh[entry.id]  # the table has caught up
            return entry
        return fresh.on(entry)

    def is_stale(self, entry: CredentialEntry) -> bool:
        """Whether a call with it is bound to fail: no token yet, or one that has ended."""
        if not entry.secret:
            return True
        end = entry.secret_expires_at
        return end is not None and end <= self._clock() + EARLY_S

    async def renew(self, entry: CredentialEntry) -> CredentialEntry:
        """``entry`` with tokens newer than its own: those that somebody stored meanwhile, or refreshed ones.

        Raises RefreshRejected when only a new login helps, RefreshUnavailable when it cannot be done now.
        """
        task = asyncio.shield(self._task(entry.id, entry.secret_version))
        try:
            async with asyncio.timeout(self._patience_s):
                fresh = await task
        except TimeoutError as error:  # the refresh goes on; another credential may answer this call
            raise RefreshUnavailable("The vendor is taking long to renew the login.") from error
        return fresh.on(entry)

    # --- in the background -----------------------------------------------------------------

    async def run(self) -> None:
        """Look for what is due until cancelled."""
        await self._replay()
        while True:
            try:
                begun = await self.refresh_due()
                await self._expire()
            except DatabaseError as error:
                logger.warning("logins wait for the database: %s", error)
                begun = []
            if begun:  # there may be more that are due than may be refreshed at once
                done, _ = await asyncio.wait(
                    begun, timeout=self._interval_s, return_when=asyncio.FIRST_COMPLETED
                )
                if any(not task.cancelled() and task.exception() is None for task in done):
                    continue
            await self._sleep(self._interval_s)

    async def _replay(self) -> None:
        """Bring in what vendors gave to processes that ended before they could store it."""
        for kept in await asyncio.to_thread(lambda: list(journal.every())):
            try:
                held = await self._read(kept.credential_id)
                if kept.is_of(held.token_id, held.version, held.grant):
                    await self._brought_in(held, kept.grant)
                    continue
                if held.token_id == kept.token_id and held.grant == kept.grant and held.file_path:
                    await self._written_back(held)  # it was committed, and the file had it not yet
            except RefreshRejected:
                pass  # the credential is gone, and with it whoever wanted this
            except (RefreshUnavailable, DatabaseError) as error:
                logger.warning("a renewed login that was written down waits: %s", error)
                continue
            await asyncio.to_thread(journal.forget, kept.token_id, kept.version)

    async def _expire(self) -> None:
        now = self._now()
        if now - self._expired_at >= EXPIRE_EVERY:
            self._expired_at = now
            await self._in_database(lambda: leases.expire(now))
        if now - self._pruned_at >= PRUNE_EVERY:
            self._pruned_at = now
            await self._in_database(lambda: timeline.prune(now))

    async def refresh_due(self) -> list[asyncio.Task[Fresh]]:
        """Begin to refresh what is due now. A vendor that hangs holds up no other login."""
        room = max(self._workers(), 1) - len(self._running)
        if room <= 0:
            return []
        now = self._now()
        found = await self._in_database(lambda: leases.due(now, room))
        return [self._task(credential_id, version) for _, credential_id, version in found]

    async def stop(self, patience_s: float = 10.0) -> None:
        """Let refreshes that have begun end, then close the database's connection. May be called again."""
        if self._is_stopped:
            return
        self._is_stopped = True
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=patience_s)
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(self._executor, connections.close_all)
        self._executor.shutdown(wait=False)

    # --- one login -------------------------------------------------------------------------

    def _task(self, credential_id: int, seen_version: int) -> asyncio.Task[Fresh]:
        """The one refresh of this credential in this process: a caller joins what is under way."""
        running = self._running.get(credential_id)
        if running is None:
            work = self._refreshed(credential_id, seen_version)
            running = asyncio.get_running_loop().create_task(work, name=f"refresh-{credential_id}")
            self._running[credential_id] = running
            running.add_done_callback(lambda task: self._ended(credential_id, task))
        return running

    def _ended(self, credential_id: int, task: asyncio.Task[Fresh]) -> None:
        self._running.pop(credential_id, None)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._fresh[credential_id] = task.result()
        elif not isinstance(error, OAuthError):
            logger.error("the refresh of credential %s failed", credential_id, exc_info=error)

    async def _refreshed(self, credential_id: int, seen_version: int) -> Fresh:
        """Tokens newer than ``seen_version``. Raises OAuthError."""
        try:
            return await self._newer(credential_id, seen_version)
        except DatabaseError as error:
            logger.error("a login cannot be read or stored: %s", error)
            raise RefreshUnavailable("The database cannot be reached.") from error

    async def _newer(self, credential_id: int, seen_version: int) -> Fresh:
        deadline = time.monotonic() + WAIT_FOR_OTHERS_S
        pause = LOOK_AGAIN_S
        while True:
            held = await self._read(credential_id)
            if held.version > seen_version and held.grant.access_token:
                return fresh_of(held.version, held.grant)
            if not held.channel.can_refresh(held.grant):
                await self._in_database(lambda: leases.put_off(credential_id, None))
            self._check(held)
            if not held.is_leased:
                mine = await self._claimed(held)
                if mine is not None:
                    return await self._perform(mine)
            if time.monotonic() > deadline:
                raise RefreshUnavailable("Another process has been renewing this login for too long.")
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    def _check(self, held: Held) -> None:
        """Whether a refresh may be tried at all now."""
        if held.status == TokenStatus.LOGIN_NEEDED:
            raise RefreshRejected(held.last_error or "Log in again.")
        if not held.channel.can_refresh(held.grant):
            raise RefreshRejected("This login cannot be renewed. Log in again.")
        again = held.next_refresh_at
        if held.status == TokenStatus.FAILING and again is not None and again > self._now():
            raise RefreshUnavailable(held.last_error, retry_after_s=(again - self._now()).total_seconds())

    async def _read(self, credential_id: int) -> Held:
        now = self._now()
        try:
            held = await self._in_database(lambda: leases.read(credential_id, now))
        except SecretsError as error:
            await self._in_database(lambda: leases.put_off(credential_id, now + UNREADABLE_FOR))
            raise RefreshUnavailable(str(error)) from error
        if held is None:
            raise RefreshRejected("This credential has no login any more.")
        return held

    async def _claimed(self, held: Held) -> Held | None:
        owner, now = uuid.uuid4().hex, self._now()
        mine = await self._in_database(lambda: leases.claim(held.token_id, held.version, owner, now))
        return mine and msgspec.structs.replace(mine, was_cut_off=held.was_cut_off)

    async def _perform(self, held: Held) -> Fresh:
        """The refresh itself, under the lease: what a process that ended left of it, else what the vendor
        gives. Raises OAuthError."""
        keeping = asyncio.get_running_loop().create_task(self._keep(held))
        try:
            if (kept := await self._left_over(held)) is not None:
                return await self._brought_in(held, kept)
            if held.was_cut_off:
                await self._in_database(functools.partial(leases.note_cut_off, held, self._now()))
            grant = await self._called(held)
        except RefreshRejected as error:
            message, now = _explained(held, error.message), self._now()
            await self._stored(lambda: leases.reject(held, message, now))
            logger.warning("a login has ended: log in again", extra=_fields(held, message))
            raise
        except OAuthError as error:
            message, asked, now = error.message, error.retry_after_s, self._now()
            await self._stored(lambda: leases.postpone(held, message, asked, now))
            logger.warning("a login could not be renewed now", extra=_fields(held, message))
            raise
        finally:
            keeping.cancel()
        return await self._committed(held, grant)

    async def _left_over(self, held: Held) -> Grant | None:
        try:
            kept = await asyncio.to_thread(journal.find, held.token_id, held.version, held.grant)
        except SecretsError as error:
            raise RefreshUnavailable(str(error)) from error
        return kept.grant if kept is not None else None

    async def _brought_in(self, held: Held, grant: Grant) -> Fresh:
        logger.warning("a login that was renewed before a process ended is stored now", extra=_fields(held))
        return await self._committed(held, grant)

    async def _called(self, held: Held) -> Grant:
        """What the vendor gives, written down before it is returned. Raises OAuthError."""
        settings = sheets.settings_of(held.channel)
        flow: Flow[Grant] = held.channel.refresh(held.grant, settings, self._clock())
        proxy_url = held.proxy_url or await self._in_database(proxies.default_proxy)
        driver = Driver(self._client, proxy_url=proxy_url, clock=self._clock, sleep=self._sleep)
        notes = _Notes(held)
        try:
            async with asyncio.timeout(WHOLE_REFRESH_S):
                grant = await driver.run(flow, notes)
        except Exception as error:
            if notes.grant is not None:
                return notes.grant  # the tokens are new; what was to be asked besides is asked next time
            raise _as_refusal(held, error) from error
        await notes.renewed(grant)
        return grant

    async def _committed(self, held: Held, grant: Grant) -> Fresh:
        now = self._now()
        is_stored = await self._stored(lambda: leases.commit(held, grant, now))
        if is_stored:
            logger.info("login renewed", extra=_fields(held))
            if held.file_path:
                await self._written_back(held)
        await asyncio.to_thread(journal.forget, held.token_id, held.version)
        if is_stored:
            return fresh_of(held.version + 1, grant)
        newer = await self._read(held.credential_id)  # somebody logged in meanwhile: that holds
        return fresh_of(newer.version, newer.grant)

    async def _written_back(self, held: Held) -> None:
        """The tokens are stored: a file that cannot be written spoils nothing."""
        try:
            await self._in_database(
                lambda: credential_files.write_back(held.credential_id, held.grant, held.channel)
            )
        except (DatabaseError, SecretsError) as error:
            logger.warning("a credential file is behind: %s", error)

    async def _keep(self, held: Held) -> None:
        while True:
            await asyncio.sleep(EXTEND_EVERY_S)
            try:
                await self._in_database(functools.partial(leases.extend, held, self._now()))
            except DatabaseError as error:
                logger.warning("the lease of a refresh could not be extended: %s", error)

    async def _stored(self, write: Callable[[], T]) -> T:
        """``write``, tried again while the database cannot: a rotated token exists nowhere else."""
        for pause in (*COMMIT_TRIES_S, None):
            try:
                return await self._in_database(write)
            except DatabaseError as error:
                if pause is None:
                    raise
                logger.error("the outcome of a refresh cannot be stored yet: %s", error)
                await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def _in_database(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, _with_connection, work)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


class _Notes(Listener):
    """Writes down what a refresh gives, as soon as it is there."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self.grant: Grant | None = None

    async def renewed(self, grant: Grant) -> None:
        held = self._held
        kept = journal.Kept(
            token_id=held.token_id,
            credential_id=held.credential_id,
            version=held.version,
            grant=grant,
            replaces=journal.digest_of(held.grant),
        )
        journal.keep(kept)  # here and now, though it blocks for a fraction of a millisecond
        self.grant = grant
        await asyncio.to_thread(journal.flush, held.token_id, held.version)


def _as_refusal(held: Held, error: Exception) -> OAuthError:
    match error:
        case OAuthError():
            return error
        case TimeoutError():
            return RefreshUnavailable(f"The vendor took longer than {WHOLE_REFRESH_S:g} s.")
    logger.error("the refresh flow of %s failed", held.channel.key, exc_info=error)
    return RefreshUnavailable("The refresh failed inside the gateway; its log says why.")


def _explained(held: Held, message: str) -> str:
    """Why a token that was never answered for may be spent."""
    if not held.was_cut_off:
        return message
    return f"{message} The refresh before this one was cut off, and may have spent the token."


def fresh_of(version: int, grant: Grant) -> Fresh:
    return Fresh(
        version=version, secret=grant.access_token, expires_at=grant.expires_at, account=dict(grant.account)
    )


def _with_connection(work: Callable[[], T]) -> T:
    close_old_connections()
    return work()


def _fields(held: Held, why: str = "") -> dict[str, object]:
    fields: dict[str, object] = {"channel": held.channel.key, "credential": held.credential_id}
    return {"fields": {**fields, **({"why": why} if why else {})}}
