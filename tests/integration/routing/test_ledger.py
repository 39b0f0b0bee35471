"""Spooled lines become rows: each once, whatever dies in between, on the database in use."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from routing import client_keys, usage
from routing.models import UsageRecord
from routing.usage import ENCODER, Spool, UsageWriter, adopt
from tests.unit.routing.test_usage import line

HOLD = """
import sys
from pathlib import Path
import django
django.setup()
from routing.usage import Spool
from tests.unit.routing.test_usage import line
spool = Spool(Path(sys.argv[1]))
for number in range(5):
    spool.append(line(number))
print("spooled", flush=True)
sys.stdin.read()
"""


NEW_FIELDS = ("decision", "overhead_ms")
"""Not in lines that a version before 2026-11-28 left in the spool."""


def raw(*numbers, **changes):
    return [ENCODER.encode(line(number, **changes)) for number in numbers]


@pytest.mark.django_db
def test_a_line_of_an_older_version_becomes_a_row():
    old = {name: value for name, value in msgspec.to_builtins(line(1)).items() if name not in NEW_FIELDS}
    usage.write([ENCODER.encode(old)])
    row = UsageRecord.objects.get()
    assert (row.decision, row.overhead_ms) == (None, None)


@pytest.mark.django_db
def test_a_line_becomes_a_row_with_every_field():
    key, _ = client_keys.create(note="alice")
    values = {
        "client_key_id": key.pk,
        "upstream_model": "up",
        "provider_key": "acme",
        "credential_id": 77,
        "credential_label": "c",
        "is_stream": True,
        "error_code": "e",
        "attempts": [{"provider": "acme", "credential": 77, "status": None, "reason": "ü \"'\\"}],
        "dropped": ("top_k", "seed"),
        "input_tokens": 2**40,
        "output_tokens": 0,
        "cached_tokens": 3,
        "reasoning_tokens": None,
        "first_byte_ms": 1.25,
        "overhead_ms": 0.5,
        "decision": {"strategy": "round-robin", "rejected": [{"credential": 7, "until": 1.5}]},
        "route_model": "mödel %s 100%",
    }
    usage.write(raw(1, **values))
    row = UsageRecord.objects.get()
    assert row.started_at == datetime.fromtimestamp(1_800_000_000.5, UTC)
    assert {name: getattr(row, name) for name in values if name != "dropped"} == {
        name: value for name, value in values.items() if name != "dropped"
    }
    assert row.dropped == ["top_k", "seed"]
    assert row.is_stream is True
    key.refresh_from_db()
    assert key.last_used_at == row.started_at


@pytest.mark.django_db
def test_a_line_read_twice_is_one_row():
    usage.write(raw(1, 2))
    usage.write(raw(2, 3, 3))
    assert sorted(UsageRecord.objects.values_list("request_id", flat=True)) == ["r-1", "r-2", "r-3"]


@pytest.mark.django_db
def test_the_last_use_of_a_key_does_not_make_routing_look():
    key, _ = client_keys.create(note="alice")
    before = _revision()
    usage.write(raw(1, client_key_id=key.pk))
    assert _revision() == before


def _revision():
    from routing import revision

    return revision.current()


@pytest.mark.django_db
def test_a_record_that_the_database_refuses_does_not_hold_up_the_others(caplog):
    lines = raw(1, 2) + raw(3, status=-1) + raw(4)
    usage.write(lines)
    assert sorted(UsageRecord.objects.values_list("request_id", flat=True)) == ["r-1", "r-2", "r-4"]
    assert caplog.text.count("a usage record was left out") == 1


@pytest.mark.django_db
def test_a_dead_process_s_file_is_adopted_with_its_torn_last_line_left_out(tmp_path, caplog):
    whole = b"".join(text + b"\n" for text in raw(1, 2))
    torn = raw(3)[0]
    for cut in (1, len(torn) // 2, len(torn) - 1):
        (tmp_path / "usage-1-dead.jsonl").write_bytes(whole + torn[:cut])
        assert adopt(tmp_path) == 2
        assert not list(tmp_path.iterdir())
    assert UsageRecord.objects.count() == 2
    assert caplog.text.count("a damaged usage record") == 3


@pytest.mark.django_db
def test_a_last_line_that_lacks_only_its_end_is_kept(tmp_path):
    (tmp_path / "usage-1-dead.jsonl").write_bytes(raw(1)[0])
    assert adopt(tmp_path) == 1
    assert UsageRecord.objects.count() == 1


@pytest.mark.django_db
def test_a_file_of_many_batches_is_adopted_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(usage, "BATCH_ROWS", 3)
    (tmp_path / "usage-1-dead.jsonl").write_bytes(b"".join(text + b"\n" for text in raw(*range(10))))
    assert adopt(tmp_path) == 10
    assert UsageRecord.objects.count() == 10


@pytest.mark.django_db
def test_a_living_process_keeps_its_file_and_a_killed_one_loses_it(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, os.fspath(tmp_path / "spool")],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "cliproxy_site.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"spooled\n"
    assert adopt(tmp_path / "spool") == 0
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    assert adopt(tmp_path / "spool") == 5
    assert not list((tmp_path / "spool").iterdir())
    assert UsageRecord.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_the_writer_moves_lines_and_writes_the_rest_when_it_stops(tmp_path):
    spool = Spool(tmp_path)
    writer = UsageWriter(spool, 0.02)
    writer.start()
    spool.append(line(1))
    assert _until(lambda: UsageRecord.objects.count() == 1)
    (tmp_path / "usage-1-dead.jsonl").write_bytes(raw(7)[0] + b"\n")
    spool.append(line(2))
    writer.stop()
    assert set(UsageRecord.objects.values_list("request_id", flat=True)) >= {"r-1", "r-2"}
    adopt(tmp_path)
    assert UsageRecord.objects.count() == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("trouble", [OperationalError, InterfaceError, RuntimeError])
def test_the_writer_outlives_any_trouble_and_loses_nothing(tmp_path, monkeypatch, caplog, trouble):
    failures = iter([trouble("the database went away")] * 2)
    statement = usage._statement

    def failing():
        for failure in failures:
            raise failure
        return statement()

    monkeypatch.setattr(usage, "_statement", failing)
    spool = Spool(tmp_path)
    writer = UsageWriter(spool, 0.02)
    writer.start()
    spool.append(line(1))
    assert _until(lambda: UsageRecord.objects.count() == 1)
    writer.stop()
    assert "usage records wait in the spool" in caplog.text
    assert "the database went away" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_several_processes_may_adopt_while_files_come_and_go(tmp_path):
    """Files are closed, and so unlinked, while others look for dead ones."""
    errors = []

    def look():
        try:
            for _ in range(60):
                adopt(tmp_path)
        except (OSError, DatabaseError) as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(60):
        Spool(tmp_path).close()
    for thread in threads:
        thread.join()
    assert errors == []


def _until(is_so, seconds=5.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OperationalError):  # SQLite in memory does not wait for another thread's lock
            if is_so():
                return True
        time.sleep(0.01)
    return False
