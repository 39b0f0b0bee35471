"""A running gateway follows its file: replaced, swapped, broken, emptied, removed and back."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, suppress
from unittest.mock import patch

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection

from management_api.config import startup, watch
from management_api.config.watch import ConfigWatcher
from providers.models import Credential
from routing import revision

pytestmark = pytest.mark.django_db(transaction=True)

ONE = "claude-api-key:\n  - api-key: one\n"
TWO = "claude-api-key:\n  - api-key: one\n  - api-key: two\n"
BROKEN = "claude-api-key:\n  - api-key: one\n    weight: heavy\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(ONE)
    return path


def replace(path, text):
    """As editors and configuration management do it: write beside, rename over."""
    draft = path.with_name("draft")
    draft.write_text(text)
    draft.replace(path)


@asynccontextmanager
async def watching(path, **options):
    watcher = ConfigWatcher(path, **options)
    task = asyncio.get_running_loop().create_task(watcher.run())
    try:
        yield watcher
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(claim):
    """Wait until ``claim()`` holds; the test's own timeout is the bound."""
    async with asyncio.timeout(20):
        while not claim():
            await asyncio.sleep(0.02)


def _count_and_leave():
    try:
        return Credential.objects.count()
    finally:
        connection.close()  # another thread than the test's: nobody else would


async def count():
    return await sync_to_async(_count_and_leave, thread_sensitive=False)()


async def test_the_file_is_applied_when_nobody_did_before(path):
    async with watching(path, environ={}) as watcher:
        await until(lambda: watcher.status.applied_hash)
        assert await count() == 1


async def test_a_file_replaced_whole_is_applied(path):
    async with watching(path, environ={}) as watcher:
        await until(lambda: watcher.status.applied_hash)
        before = watcher.status
        replace(path, TWO)
        await until(lambda: watcher.status is not before)
        assert await count() == 2


async def test_a_file_written_in_place_is_applied(path):
    async with watching(path, environ={}) as watcher:
        await until(lambda: watcher.status.applied_hash)
        before = watcher.status
        path.write_text(TWO)
        await until(lambda: watcher.status is not before)
        assert await count() == 2


async def test_a_swapped_link_on_the_way_is_followed(tmp_path):
    for name, text in (("..v1", ONE), ("..v2", TWO)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "config.yaml").symlink_to("..data/config.yaml")
    async with watching(tmp_path / "config.yaml", environ={}) as watcher:
        await until(lambda: watcher.status.applied_hash)
        before = watcher.status
        (tmp_path / "..new").symlink_to("..v2")
        (tmp_path / "..new").replace(tmp_path / "..data")
        await until(lambda: watcher.status is not before)
        assert await count() == 2


async def test_broken_content_keeps_the_rows_and_a_correction_is_applied(path, caplog):
    async with watching(path, environ={}) as watcher:
        await until(lambda: watcher.status.applied_hash)
        applied = watcher.status.applied_hash
        replace(path, BROKEN)
        await until(lambda: watcher.status.failure)
        assert await count() == 1
        assert watcher.status.applied_hash == applied
        assert [problem.line for problem in watcher.status.problems] == [3]
        assert "config.yaml line 3, claude-api-key[0].weight: must be a whole number" in caplog.text
        replace(path, TWO)
        await until(lambda: not watcher.status.failure)
        assert await count() == 2


async def test_a_removed_file_is_applied_when_it_is_back(path):
    async with watching(path, environ={}) as watcher:
        await until(lambda: watcher.status.applied_hash)
        path.unlink()
        await until(lambda: watcher.status.failure)
        path.write_text(TWO)
        await until(lambda: not watcher.status.failure)
        assert await count() == 2


async def test_it_stops_when_cancelled(path):
    watcher = ConfigWatcher(path, environ={})
    task = asyncio.get_running_loop().create_task(watcher.run())
    await until(lambda: watcher.status.applied_hash)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_folder_that_appears_later_is_watched_then(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "LOOK_INTERVAL_S", 0.1)
    path = tmp_path / "later" / "config.yaml"
    async with watching(path, environ={}) as watcher:
        await until(lambda: watcher.status.failure)
        path.parent.mkdir()
        path.write_text(ONE)
        await until(lambda: watcher.status.applied_hash)
        assert await count() == 1


# --- one look at a time ----------------------------------------------------------------------


def test_what_was_applied_at_the_start_is_not_applied_again(path):
    config = startup.load_and_apply(path, {})
    watcher = ConfigWatcher(path, applied=config, environ={})
    status = watcher.status
    watcher.look()
    assert watcher.status is status


def test_a_file_that_was_only_touched_changes_nothing(path):
    watcher = ConfigWatcher(path, environ={})
    watcher.look()
    status, number = watcher.status, revision.current()
    os.utime(path)
    watcher.look()
    assert watcher.status is status
    assert revision.current() == number


def test_an_emptied_file_is_ignored(path):
    watcher = ConfigWatcher(path, environ={})
    watcher.look()
    status = watcher.status
    path.write_text("\n")
    watcher.look()
    assert watcher.status is status
    assert Credential.objects.count() == 1


def test_a_removed_file_keeps_the_rows_until_it_is_back(path):
    watcher = ConfigWatcher(path, environ={})
    watcher.look()
    path.unlink()
    watcher.look()
    assert "does not exist" in watcher.status.failure
    assert Credential.objects.count() == 1
    path.write_text(ONE)
    watcher.look()
    assert watcher.status.failure == ""


def test_an_error_is_logged_once(path, caplog):
    watcher = ConfigWatcher(path, environ={})
    path.write_text(BROKEN)
    watcher.look()
    watcher.look()
    assert caplog.text.count("must be a whole number") == 1
    path.unlink()
    watcher.look()
    watcher.look()
    assert caplog.text.count("does not exist") == 1


def test_a_return_to_the_content_in_force_clears_the_error(path):
    watcher = ConfigWatcher(path, environ={})
    watcher.look()
    number = revision.current()
    path.write_text(BROKEN)
    watcher.look()
    path.write_text(ONE)
    watcher.look()
    assert watcher.status.failure == ""
    assert revision.current() == number


def test_warnings_stay_readable_in_the_status(path):
    path.write_text(f"telemetry: 1\n{ONE}")
    watcher = ConfigWatcher(path, environ={})
    watcher.look()
    assert [problem.where for problem in watcher.status.problems] == ["telemetry"]
    assert watcher.status.failure == ""


def test_another_port_is_told_to_need_a_restart(path, caplog):
    watcher = ConfigWatcher(path, applied=startup.load_and_apply(path, {}), environ={})
    path.write_text(f"port: 9\n{ONE}")
    watcher.look()
    assert "host, port and tls take effect at the next start" in caplog.text


def test_a_database_that_cannot_be_written_is_tried_again(path):
    watcher = ConfigWatcher(path, environ={})
    with patch("django.db.transaction.Atomic.__enter__", side_effect=OperationalError("locked")):
        watcher.look()
    assert watcher.status.failure == "config.yaml is not applied yet: OperationalError"
    watcher.look()
    assert watcher.status.failure == ""
    assert Credential.objects.count() == 1
