"""The table in force: replaced within a second in every process, kept when the database is away."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, connections, transaction

from providers.models import Credential, CredentialCooldown, CredentialHealth
from providers.values import RefusalKind
from routing import live as live_module
from routing import revision, table
from routing.core.cooldown import Cooldown, History
from routing.live import LiveTable
from routing.models import GatewaySettings
from routing.state.memory import MemoryState
from tests.integration.routing.makers import make_alias, make_credential, make_provider

pytestmark = pytest.mark.django_db(transaction=True)

INTERVAL_S = 0.02


def in_thread(work):
    """``work`` in the thread for it, again while SQLite in memory is locked: there nobody waits."""

    def patient(*arguments, **named):
        for _ in range(50):
            with suppress(OperationalError), transaction.atomic():
                return work(*arguments, **named)
            time.sleep(0.01)
        return work(*arguments, **named)

    return sync_to_async(patient, thread_sensitive=True)


@asynccontextmanager
async def running(*states):
    """One LiveTable per state: as many processes."""
    lives = [LiveTable(state, INTERVAL_S) for state in states]
    for live in lives:
        await live.start()
    try:
        yield lives
    finally:
        for live in lives:
            await live.stop()
        await in_thread(connections.close_all)()
        logging.getLogger().setLevel(logging.WARNING)


async def until(is_so, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.005)


async def eventually(query, wanted):
    deadline = time.monotonic() + 5
    while (found := await in_thread(query)()) != wanted:
        assert time.monotonic() < deadline, f"still {found}"
        await asyncio.sleep(0.01)


def cooled(since, until_, model="gpt", cause=RefusalKind.QUOTA):
    return History(
        level=1, cooldown=Cooldown(cause=cause, since=since, until=until_, model=model, status=429)
    )


async def test_a_saved_row_is_in_force_in_every_process():
    async with running(MemoryState(), MemoryState(), MemoryState()) as lives:
        assert [live.table.models for live in lives] == [{}, {}, {}]

        def save():
            provider = make_provider()
            make_credential(provider)
            make_alias(provider, "gpt")

        await in_thread(save)()
        await until(lambda: all("gpt" in live.table.models for live in lives))


async def test_an_exchange_keeps_the_table_it_began_with():
    async with running(MemoryState()) as (live,):
        before = live.table
        await in_thread(make_provider)()
        await until(lambda: live.table is not before)
        assert before.models == {}


async def test_without_a_change_the_table_is_not_built_again(monkeypatch):
    built = []
    build = table.build

    def counted():
        built.append(1)
        return build()

    monkeypatch.setattr(table, "build", counted)
    async with running(MemoryState()) as (live,):
        await asyncio.sleep(INTERVAL_S * 5)
        assert live.table.revision == await in_thread(revision.current)()
    assert len(built) == 1


async def test_debug_sets_the_level_and_its_end_restores_the_operator_s():
    logging.getLogger().setLevel(logging.ERROR)
    async with running(MemoryState()):
        row = await in_thread(GatewaySettings.objects.create)(debug=True)
        await until(lambda: logging.getLogger().level == logging.DEBUG)
        row.debug = False
        await in_thread(row.save)()
        await until(lambda: logging.getLogger().level == logging.ERROR)


async def test_conversations_are_free_again_when_the_rule_that_chooses_changes():
    def prepare():
        provider = make_provider()
        make_alias(provider, "gpt")
        return make_credential(provider), GatewaySettings.objects.create(session_affinity=True)

    credential, row = await in_thread(prepare)()
    state = MemoryState()
    state.bind("talk", credential.pk, time.time(), 600)
    async with running(state) as (live,):
        assert state.binding("talk", time.time()) == credential.pk  # as it came from Redis
        row.request_retry = 7
        await in_thread(row.save)()
        await until(lambda: live.table.settings.request_retry == 7)
        assert state.binding("talk", time.time()) == credential.pk
        row.strategy = "fill-first"
        await in_thread(row.save)()
        await until(lambda: state.binding("talk", time.time()) is None)


async def test_a_cooldown_is_mirrored_as_a_row_and_a_success_removes_it():
    credential = await in_thread(lambda: make_credential(make_provider()))()
    state = MemoryState()
    async with running(state):
        now = time.time()
        state.record_failure(credential.pk, "gpt", cooled(now, now + 60))
        rows = CredentialCooldown.objects.values_list("credential_id", "model", "cause", "status")
        await eventually(lambda: list(rows.all()), [(credential.pk, "gpt", "quota", 429)])
        state.record_success(credential.pk, "gpt", now)
        await eventually(lambda: list(rows.all()), [])
        health = Credential.objects.filter(pk=credential.pk).values_list("health", flat=True)
        await eventually(lambda: list(health.all()), [CredentialHealth.WORKING])


async def test_the_success_of_one_process_leaves_the_row_of_another():
    credential = await in_thread(lambda: make_credential(make_provider()))()
    one, other = MemoryState(), MemoryState()
    async with running(one, other):
        now = time.time()
        one.record_failure(credential.pk, "gpt", cooled(now + 1, now + 60))
        rows = CredentialCooldown.objects.values_list("model", flat=True)
        await eventually(lambda: list(rows.all()), ["gpt"])
        other.record_success(credential.pk, "gpt", now)
        other.record_failure(credential.pk, "mini", cooled(now + 1, now + 60, "mini"))
        await eventually(lambda: sorted(rows.all()), ["gpt", "mini"])
        other.record_success(credential.pk, "mini", now)
        await eventually(lambda: list(rows.all()), ["gpt"])


async def test_a_row_that_lasts_longer_stays_and_a_longer_one_takes_its_place():
    credential = await in_thread(lambda: make_credential(make_provider()))()
    states = [MemoryState() for _ in range(3)]
    async with running(*states):
        now = time.time()
        lasts = lambda: [round(row.until.timestamp() - now) for row in CredentialCooldown.objects.all()]  # noqa: E731
        states[0].record_failure(credential.pk, "gpt", cooled(now, now + 60))
        await eventually(lasts, [60])
        states[1].record_failure(credential.pk, "gpt", cooled(now, now + 20))
        states[2].record_failure(credential.pk, "gpt", cooled(now, now + 90))
        await eventually(lasts, [90])


def saved(credential, model, ends_in_s, began_before_s=30.0):
    now = datetime.now(UTC)
    CredentialCooldown.objects.create(
        credential=credential,
        model=model,
        cause="quota",
        status=429,
        since=now - timedelta(seconds=began_before_s),
        until=now + timedelta(seconds=ends_in_s),
    )


@pytest.mark.parametrize("saves", [True, False])
async def test_cooldowns_outlive_a_restart_when_asked(saves):
    def rows():
        GatewaySettings.objects.create(saves_cooldowns=saves)
        credential = make_credential(make_provider())
        saved(credential, "gpt", 34)
        saved(credential, "over", -1)
        return credential.pk

    pk = await in_thread(rows)()
    state = MemoryState()
    async with running(state):
        now = time.time()
        rest = state.cooldown(pk, "gpt", now)
        assert (rest is not None) is saves
        assert state.cooldown(pk, "over", now - 10) is None
        if rest is not None:
            assert (rest.cause, rest.status) == (RefusalKind.QUOTA, 429)
            assert state.history(pk, "gpt").level == 7  # 64 s
        # A success ends the row, whether this process knew of it or began after it.
        state.record_success(pk, "gpt", now)
        await eventually(CredentialCooldown.objects.count, 0)


async def test_a_cooldown_that_an_admin_cleared_does_not_come_back_with_a_restart():
    def rows():
        GatewaySettings.objects.create(saves_cooldowns=True)
        credential = make_credential(make_provider(), cooldowns_cleared_at=datetime.now(UTC))
        saved(credential, "gpt", 60)
        return credential.pk

    pk = await in_thread(rows)()
    state = MemoryState()
    async with running(state):
        assert state.cooldown(pk, "gpt", time.time()) is None


async def test_a_refused_key_makes_the_credential_broken():
    credential = await in_thread(lambda: make_credential(make_provider()))()
    state = MemoryState()
    async with running(state):
        now = time.time()
        state.record_failure(credential.pk, "gpt", cooled(now, now + 60, "", RefusalKind.UNAUTHORIZED))
        health = Credential.objects.filter(pk=credential.pk).values_list("health", flat=True)
        await eventually(lambda: list(health.all()), [CredentialHealth.BROKEN])


async def test_a_cleared_credential_works_when_it_has_worked_again():
    """Nor does one whose key was replaced, or that was cleared before this process began."""

    def rows():
        return make_credential(
            make_provider(), health=CredentialHealth.BROKEN, cooldowns_cleared_at=datetime.now(UTC)
        ).pk

    pk = await in_thread(rows)()
    state = MemoryState()
    health = Credential.objects.filter(pk=pk).values_list("health", flat=True)
    async with running(state):
        await asyncio.sleep(INTERVAL_S * 5)
        assert await in_thread(health.get)() == CredentialHealth.BROKEN
        state.record_success(pk, "gpt", time.time())
        await eventually(health.get, CredentialHealth.WORKING)
        await in_thread(health.update)(health=CredentialHealth.BROKEN)
        state.clear(pk, time.time())
        await asyncio.sleep(INTERVAL_S * 5)
        assert await in_thread(health.get)() == CredentialHealth.BROKEN
        state.record_success(pk, "gpt", time.time())
        await eventually(health.get, CredentialHealth.WORKING)


async def test_a_key_that_is_refused_for_one_model_is_broken():
    """A 401 rests the model that was asked for; the key is no better for the others."""
    credential = await in_thread(lambda: make_credential(make_provider()))()
    state = MemoryState()
    health = Credential.objects.filter(pk=credential.pk).values_list("health", flat=True)
    async with running(state):
        now = time.time()
        state.record_failure(credential.pk, "gpt", cooled(now, now + 60, "gpt", RefusalKind.UNAUTHORIZED))
        await eventually(health.get, CredentialHealth.BROKEN)


async def test_a_model_that_is_not_there_breaks_no_credential():
    credential = await in_thread(lambda: make_credential(make_provider()))()
    state = MemoryState()
    async with running(state):
        now = time.time()
        state.record_failure(credential.pk, "gpt", cooled(now, now + 60, "gpt", RefusalKind.NOT_FOUND))
        await eventually(CredentialCooldown.objects.count, 1)
        await asyncio.sleep(INTERVAL_S * 5)
        health = Credential.objects.filter(pk=credential.pk).values_list("health", flat=True)
        assert await in_thread(health.get)() == CredentialHealth.UNKNOWN


async def test_an_admin_clears_a_cooldown_in_every_process_but_not_a_later_one():
    credential = await in_thread(lambda: make_credential(make_provider()))()
    states = [MemoryState(), MemoryState()]
    now = time.time()
    for state in states:
        state.record_failure(credential.pk, "gpt", cooled(now - 5, now + 60))
        state.record_failure(credential.pk, "later", cooled(now + 30, now + 60, "later"))

    def clear():
        Credential.objects.filter(pk=credential.pk).update(cooldowns_cleared_at=datetime.now(UTC))
        revision.bump()

    async with running(*states):
        await in_thread(clear)()
        await until(lambda: not any(state.cooldown(credential.pk, "gpt", now) for state in states))
        assert all(state.cooldown(credential.pk, "later", now) for state in states)
        rows = CredentialCooldown.objects.values_list("model", flat=True)
        await eventually(lambda: list(rows.all()), ["later"])


async def test_a_deleted_credential_does_not_disturb_the_mirror(caplog):
    credential = await in_thread(lambda: make_credential(make_provider()))()
    state = MemoryState()
    async with running(state):
        now = time.time()
        state.record_failure(credential.pk + 999, "gpt", cooled(now, now + 60))
        state.record_failure(credential.pk, "gpt", cooled(now, now + 60))
        await eventually(CredentialCooldown.objects.count, 1)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_credential_that_is_deleted_while_it_is_mirrored_is_passed_over(monkeypatch):
    gone, there = make_credential(make_provider()), make_credential(make_provider(key="other"))
    write = CredentialCooldown.objects.bulk_create

    def late(rows, **options):
        if rows[0].credential_id == gone.pk:
            Credential.objects.filter(pk=gone.pk).delete()
        return write(rows, **options)

    monkeypatch.setattr(CredentialCooldown.objects, "bulk_create", late)
    now = time.time()
    news = {row.pk: [cooled(now, now + 60).cooldown] for row in (gone, there)}
    live_module.write_cooldowns(live_module.News(running=news, ended=[], proved=set(), began_at=now))
    assert list(CredentialCooldown.objects.values_list("credential_id", flat=True)) == [there.pk]


@pytest.mark.parametrize("trouble", [OperationalError, InterfaceError, RuntimeError])
async def test_a_database_that_is_away_is_logged_once_and_the_last_table_serves(monkeypatch, caplog, trouble):
    await in_thread(lambda: make_credential(make_provider()))()
    current = revision.current
    asked = []

    def away():
        asked.append(1)
        raise trouble("the database went away")

    async with running(MemoryState()) as (live,):
        served = live.table
        monkeypatch.setattr(revision, "current", away)
        await until(lambda: len(asked) >= 4)
        assert live.table is served
        assert caplog.text.count("serving on with the last") == 1
        monkeypatch.setattr(revision, "current", current)
        await in_thread(lambda: make_credential(make_provider("other")))()
        await until(lambda: len(live.table.open_offers) == 2)


async def test_a_mirror_that_failed_is_written_later(monkeypatch):
    credential = await in_thread(lambda: make_credential(make_provider()))()
    state = MemoryState()
    failures = iter([OperationalError("away")] * 2)
    from routing import live as module

    write = module.write_cooldowns

    def failing(rests):
        for failure in failures:
            raise failure
        write(rests)

    monkeypatch.setattr(module, "write_cooldowns", failing)
    async with running(state):
        now = time.time()
        state.record_failure(credential.pk, "gpt", cooled(now, now + 60))
        await eventually(CredentialCooldown.objects.count, 1)
