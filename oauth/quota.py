"""Allowances: read from each vendor on a schedule and from the headers of its answers, kept per credential.

One process reads a schedule's turn (a conditional UPDATE of ``quota_read_at`` claims it). A spent allowance
changes the routing table, and the credential rests until the reset (``routing/core/quota.py``).
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec
from django.db import DatabaseError, close_old_connections, connections, transaction
from django.db.models import Q

from oauth import leases, proxies, sheets, timeline
from oauth.driver import Driver
from oauth.flows.base import Quota
from oauth.flows.errors import OAuthError
from oauth.flows.registry import BY_KEY, CHANNELS
from oauth.leases import Held
from oauth.models import EventKind, OAuthToken, QuotaReading, TokenStatus
from oauth.signals import logins_changed
from oauth.tokens import moment
from providers.models import Credential
from providers.secrets import SecretsError
from providers.upstream.client import UpstreamClient
from providers.values import CredentialEntry

logger = logging.getLogger("oauth.quota")

T = TypeVar("T")

AT_ONCE = 8
STEP_PERCENT = 25
"""The timeline tells a reading when it has passed another such step."""


class QuotaReader:
    """``run`` until cancelled. Several processes may run it."""

    def __init__(
        self,
        client: UpstreamClient,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        interval_s: float = 5.0,
    ) -> None:
        self._client = client
        self._clock = clock
        self._sleep = sleep
        self._interval_s = interval_s
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="quotas")
        self._settings: dict[str, dict[str, str]] = {}
        """By channel, read once: they do not change while a process lives."""
        self._noted: dict[int, tuple[Quota, ...]] = {}
        self._pending: dict[int, tuple[Quota, ...]] = {}

    def note_headers(self, entry: CredentialEntry, headers: Mapping[str, str]) -> None:
        """What an answer's headers tell; written with the next look. Cheap, for it runs with every call."""
        channel = BY_KEY.get(entry.channel)
        if channel is None or not channel.quotas_from_headers:
            return
        settings = self._settings.get(channel.key)
        if settings is None:
            settings = self._settings[channel.key] = sheets.settings_of(channel)
        found = channel.quotas_in(headers, settings, self._clock())
        if found and found != self._noted.get(entry.id):
            self._noted[entry.id] = self._pending[entry.id] = found

    async def run(self) -> None:
        while True:
            try:
                await self.flush()
                await self.read_due()
            except DatabaseError as error:
                logger.warning("quotas wait for the database: %s", error)
            await self._sleep(self._interval_s)

    async def flush(self) -> None:
        """Write what headers told."""
        pending, self._pending = self._pending, {}
        now = self._now()
        for credential_id, quotas in pending.items():
            await self._in_database(functools.partial(store, credential_id, quotas, now))

    async def read_due(self) -> int:
        """Read what is due now. Returns how many this process read."""
        now = self._now()
        found = await self._in_database(lambda: claim_due(now, AT_ONCE))
        await asyncio.gather(*(self.read(held) for held in found))
        return len(found)

    async def read(self, held: Held) -> tuple[Quota, ...]:
        """Ask one vendor and keep what it says; () when it cannot be asked now."""
        settings = sheets.settings_of(held.channel)
        proxy_url = held.proxy_url or await self._in_database(proxies.default_proxy)
        driver = Driver(self._client, proxy_url=proxy_url, clock=self._clock, sleep=self._sleep)
        try:
            quotas = await driver.run(held.channel.read_quota(held.grant, settings, self._clock()))
        except OAuthError as error:
            logger.info("a quota could not be read", extra=_fields(held, error.message))
            return ()
        except Exception:
            logger.exception("the quota flow of %s failed", held.channel.key)
            return ()
        if quotas:
            now = self._now()
            await self._in_database(lambda: store(held.credential_id, quotas, now, is_whole=True))
        return quotas

    async def stop(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, connections.close_all)
        self._executor.shutdown(wait=False)

    async def _in_database(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, _with_connection, work)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def claim_due(now: datetime, limit: int) -> list[Held]:
    """Logins whose allowances are to be read now, claimed for the caller."""
    found: list[Held] = []
    for channel in CHANNELS:
        if channel.quota_every_s is None:
            continue
        old = now - timedelta(seconds=channel.quota_every_s)
        due = Q(quota_read_at=None) | Q(quota_read_at__lte=old)
        rows = OAuthToken.objects.filter(
            due, channel=channel.key, credential__enabled=True, credential__provider__enabled=True
        ).exclude(status=TokenStatus.LOGIN_NEEDED)
        for token_id, credential_id in rows.values_list("pk", "credential_id")[: limit - len(found)]:
            if not OAuthToken.objects.filter(due, pk=token_id).update(quota_read_at=now):
                continue
            try:
                held = leases.read(credential_id, now)
            except SecretsError:
                continue  # the table builder reports it
            if held is not None and held.grant.access_token:
                found.append(held)
    return found


def store(credential_id: int, quotas: tuple[Quota, ...], now: datetime, *, is_whole: bool = False) -> None:
    """Keep a reading. ``is_whole``: allowances that it does not name are gone."""
    with transaction.atomic():
        if not Credential.objects.filter(pk=credential_id).exists():
            return
        known = {
            (row.name, row.model): row for row in QuotaReading.objects.filter(credential_id=credential_id)
        }
        was_spent = {key for key, row in known.items() if row.is_exhausted_at(now)}
        is_spent = set()
        for quota in quotas:
            key = (quota.name[:100], quota.model[:300])
            row = known.pop(key, None)
            QuotaReading.objects.update_or_create(
                credential_id=credential_id, name=key[0], model=key[1], defaults=_columns(quota, now)
            )
            spent = quota.is_exhausted and (quota.resets_at is None or quota.resets_at > now.timestamp())
            if spent:
                is_spent.add(key)
            if _is_news(row, quota, spent):
                cause = "exhausted" if spent else ""
                timeline.note(credential_id, EventKind.QUOTA, told(quota), cause=cause, model=key[1], at=now)
        if is_whole and known:
            QuotaReading.objects.filter(pk__in=[row.pk for row in known.values()]).delete()
        else:
            is_spent |= was_spent & known.keys()
        if was_spent - is_spent:
            # It came back before its time (a new month, a bigger plan): what rested for it goes on.
            Credential.objects.filter(pk=credential_id).update(cooldowns_cleared_at=now)
        if was_spent != is_spent:
            logins_changed.send(sender=QuotaReading)


def told(quota: Quota) -> str:
    """``five_hour: 62 % used, resets 2026-01-02 03:04 UTC``."""
    words = [f"{quota.name}:"]
    if quota.used_percent is not None:
        words.append(f"{quota.used_percent:.0f} % used")
    if quota.remaining is not None:
        of = f" of {quota.limit:g}" if quota.limit is not None else ""
        words.append(f"{quota.remaining:g}{of} {quota.unit} left".replace("  ", " "))
    resets = moment(quota.resets_at)
    if resets is not None:
        words.append(f"resets {resets:%Y-%m-%d %H:%M} UTC")
    return words[0] + " " + ", ".join(words[1:])


def _columns(quota: Quota, now: datetime) -> dict[str, object]:
    fields = msgspec.structs.asdict(quota)
    columns = {name: fields[name] for name in ("limit", "used", "remaining", "used_percent", "is_exhausted")}
    return {
        **columns,
        "resets_at": moment(quota.resets_at),
        "unit": quota.unit[:40],
        "spares": list(quota.spares),
        "read_at": now,
    }


def _is_news(row: QuotaReading | None, quota: Quota, spent: bool) -> bool:
    if row is None or row.is_exhausted != quota.is_exhausted:
        return True
    if row.used_percent is None or quota.used_percent is None:
        return False
    return int(row.used_percent // STEP_PERCENT) != int(quota.used_percent // STEP_PERCENT)


def _with_connection(work: Callable[[], T]) -> T:
    close_old_connections()
    return work()


def _fields(held: Held, why: str) -> dict[str, object]:
    return {"fields": {"channel": held.channel.key, "credential": held.credential_id, "why": why}}
