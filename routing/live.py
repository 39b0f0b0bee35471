"""The table in force in this process: looked at by every request, replaced when the revision changes.

One background task polls the revision (a single-row read in a thread) and swaps the table whole; open
exchanges keep the table they began with. It also mirrors cooldowns into the database, so that every
admin page of every process can show them, and drops those that an admin cleared.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from django.db import Error, IntegrityError, close_old_connections, connections

from providers.models import Credential, CredentialCooldown, CredentialHealth
from providers.values import RefusalKind
from routing import revision, table, timeline
from routing.core import failures, quota
from routing.core.cooldown import Cooldown
from routing.core.table import EMPTY, RoutingTable
from routing.state.memory import MemoryState

logger = logging.getLogger("routing.live")

T = TypeVar("T")
LOOK_S = 10.0
"""How long a page waits for the event loop."""


class LiveTable:
    """Holds the RoutingTable of this process. ``start`` once, ``stop`` at the end."""

    def __init__(
        self,
        state: MemoryState,
        interval_s: float,
        overlay: Callable[[RoutingTable], RoutingTable] = lambda table: table,
    ) -> None:
        """``overlay`` adds what exists in this process alone (``routing/proxy/relay_pages.py``)."""
        self.table: RoutingTable = EMPTY
        self.swapped: Callable[[RoutingTable], None] = lambda table: None
        """Called on the event loop after the table changed."""
        self._overlay = overlay
        self._bare: RoutingTable = EMPTY
        self._state = state
        self._interval_s = interval_s
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="routing-table")
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cleared: dict[int, float] = {}
        self._began_at = datetime.now(UTC).timestamp()
        self._is_troubled = False
        self._usual_level = logging.getLogger().level

    @property
    def state(self) -> MemoryState:
        return self._state

    def look(self, work: Callable[[], T]) -> T:
        """``work()`` on the event loop, which alone may touch the state; for Django's threads, blocking.

        Raises TimeoutError when the loop does not come to it, and what ``work`` raises.
        """
        assert self._loop is not None  # noqa: S101  (pages are served after ``start``)
        return asyncio.run_coroutine_threadsafe(_done(work), self._loop).result(LOOK_S)

    def look_again(self) -> None:
        """Take over a change of the configuration now, and not with the next poll; for Django's threads,
        after the change was committed. Other processes see it within a second.

        Raises TimeoutError when the table is not there in time.
        """
        assert self._loop is not None  # noqa: S101  (as in ``look``)
        asyncio.run_coroutine_threadsafe(self._catch_up(), self._loop).result(LOOK_S)

    async def _catch_up(self) -> None:
        newer = functools.partial(_newer_than, self.table.revision)
        fresh = await asyncio.get_running_loop().run_in_executor(self._executor, _with_connection(newer))
        if fresh is not None and fresh.revision > self.table.revision:
            self._swap(fresh)

    def load(self) -> RoutingTable:
        """Build the table now, blocking; for start-up and commands. Raises DatabaseError."""
        self._swap(table.build())
        return self.table

    async def start(self) -> None:
        """Load the table, and the cooldowns that shall outlive a restart, and begin to follow it."""
        loop = self._loop = asyncio.get_running_loop()
        self._swap(await loop.run_in_executor(self._executor, _with_connection(table.build)))
        if self.table.settings.saves_cooldowns:
            saved = await loop.run_in_executor(self._executor, _with_connection(saved_cooldowns))
            for credential_id, rest in saved:
                if rest.since > self._cleared.get(credential_id, 0.0):
                    self._state.restore(credential_id, rest)
        self._task = loop.create_task(self._follow(), name="routing-table")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await asyncio.get_running_loop().run_in_executor(self._executor, connections.close_all)
        self._executor.shutdown(wait=True)

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                seen = self.table.revision
                newer = functools.partial(_newer_than, seen)
                fresh = await loop.run_in_executor(self._executor, _with_connection(newer))
                if fresh is not None:
                    self._swap(fresh)
                await self._mirror(loop)
                self._is_troubled = False
            except Error as error:
                if not self._is_troubled:  # once per trouble, not once per poll
                    logger.error("the database cannot be read; serving on with the last table: %s", error)
                self._is_troubled = True
            except Exception:
                if not self._is_troubled:
                    logger.exception("the table cannot be built; serving on with the last one")
                self._is_troubled = True

    def _swap(self, fresh: RoutingTable) -> None:
        for credential_id, moment in fresh.cleared_at.items():
            if self._cleared.get(credential_id) != moment:
                self._cleared[credential_id] = moment
                self._state.clear(credential_id, moment)
        for credential_id in failures.begun_anew(self._bare, fresh):
            self._state.clear(credential_id, datetime.now(UTC).timestamp())
        for spent in fresh.spent:
            if spent not in self._bare.spent:
                for history in quota.rests(fresh, spent, datetime.now(UTC).timestamp()):
                    assert history.cooldown is not None  # noqa: S101  (``rests`` makes no other)
                    self._state.record_failure(spent.credential_id, history.cooldown.model, history)
        if self._bare is not EMPTY and failures.binds_anew(self._bare.settings, fresh.settings):
            for credential_id in fresh.credentials:
                self._state.unbind(credential_id)
        self._bare = fresh
        self.refresh()
        logging.getLogger().setLevel(logging.DEBUG if fresh.settings.debug else self._usual_level)

    def refresh(self) -> None:
        """The overlay changed."""
        self.table = self._overlay(self._bare)
        self.swapped(self.table)

    async def _mirror(self, loop: asyncio.AbstractEventLoop) -> None:
        state = self._state
        if not (state.changed or state.proved):
            return
        changed, ended, proved = state.changed, state.ended, state.proved
        state.changed, state.ended, state.proved = set(), [], set()
        now = datetime.now(UTC).timestamp()
        news = News(
            running={credential_id: state.running(credential_id, now) for credential_id in changed | proved},
            ended=ended,
            proved=proved,
            began_at=self._began_at,
        )
        try:
            await loop.run_in_executor(self._executor, _with_connection(lambda: write_cooldowns(news)))
        except Error:
            state.changed |= changed
            state.proved |= proved
            state.ended = ended + state.ended
            raise


async def _done(work: Callable[[], T]) -> T:
    return work()


def _with_connection(work: Callable[[], T]) -> Callable[[], T]:
    def run() -> T:
        close_old_connections()
        return work()

    return run


def _newer_than(seen: int) -> RoutingTable | None:
    return table.build() if revision.current() != seen else None


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What one process learnt of credentials since it last wrote it down."""

    running: dict[int, list[Cooldown]]
    ended: list[tuple[int, Cooldown]]
    proved: set[int]
    began_at: float
    """When the process began: of what is older and not in ``running`` it knows nothing."""


def write_cooldowns(news: News) -> None:
    """Put the news into the mirror rows and the health of their credentials.

    Other processes write there too. So a row goes only when its own cooldown was forgotten here, when it ran
    out, or when it is older than this process and its credential has now worked; and a row that lasts longer
    than ours stays.
    """
    now = datetime.now(UTC)
    for credential_id, rest in news.ended:
        rows = CredentialCooldown.objects.filter(credential_id=credential_id, model=rest.model)
        timeline.note_ended(rows.filter(since__lte=_moment(rest.since)), now)
    known = set(Credential.objects.filter(pk__in=news.running).values_list("pk", flat=True))
    for credential_id in known:
        try:
            _write_news(credential_id, news, now)
        except IntegrityError:
            if Credential.objects.filter(pk=credential_id).exists():
                raise
            # It was deleted meanwhile, and its rows with it.


def _write_news(credential_id: int, news: News, now: datetime) -> None:
    wanted = news.running[credential_id]
    rows = CredentialCooldown.objects.filter(credential_id=credential_id)
    timeline.note_ended(rows.filter(until__lte=now), now)
    if credential_id in news.proved:
        older = rows.filter(since__lt=_moment(news.began_at))
        timeline.note_ended(older.exclude(model__in=[rest.model for rest in wanted]), now)
    for rest in wanted:
        _write(credential_id, rest)
    broken = next((rest for rest in wanted if rest.cause in FAULTS_OF_CREDENTIAL), None)
    health = CredentialHealth.BROKEN if broken else CredentialHealth.WORKING
    # A cooldown that was cleared, or a key that was replaced, has shown nothing yet.
    if broken or (credential_id in news.proved and not wanted):
        Credential.objects.filter(pk=credential_id).exclude(health=health).update(
            health=health, health_message=broken.message if broken else "", health_at=now
        )


FAULTS_OF_CREDENTIAL = frozenset({RefusalKind.UNAUTHORIZED, RefusalKind.PAYMENT, RefusalKind.TERMINAL})
"""What takes a person to mend, although a refusal rests no more than the model that was asked for. One model
that is not there, or not for this account, leaves the others as they were."""


def _write(credential_id: int, rest: Cooldown) -> None:
    row = CredentialCooldown(
        credential_id=credential_id,
        model=rest.model,
        cause=rest.cause.value,
        message=rest.message,
        status=rest.status,
        since=_moment(rest.since),
        until=_moment(rest.until),
    )
    same = CredentialCooldown.objects.filter(credential_id=credential_id, model=rest.model)
    columns = {name: getattr(row, name) for name in ("cause", "message", "status", "since", "until")}
    if not same.filter(until__gte=row.until).exists():
        timeline.note_cooldown(row)
    if not same.filter(until__lte=row.until).update(**columns):
        # None is there, or one that lasts longer: then the insert is passed over.
        CredentialCooldown.objects.bulk_create([row], ignore_conflicts=True)


def saved_cooldowns() -> list[tuple[int, Cooldown]]:
    """The running cooldowns that were written down, by credential; those that ran out are dropped."""
    now = datetime.now(UTC)
    CredentialCooldown.objects.filter(until__lte=now).delete()
    found = []
    for row in CredentialCooldown.objects.all():
        if row.cause in set(RefusalKind):
            rest = Cooldown(
                cause=RefusalKind(row.cause),
                since=row.since.timestamp(),
                until=row.until.timestamp(),
                model=row.model,
                status=row.status,
                message=row.message,
            )
            found.append((row.credential_id, rest))
    return found


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
