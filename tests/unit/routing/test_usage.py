"""The spool file: one line per exchange, whole or not there, locked as long as its process lives."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest

from routing import usage
from routing.usage import DECODER, Spool, UsageLine


def line(number: int = 1, **changes) -> UsageLine:
    values = {
        "exchange_id": f"{number:032x}",
        "request_id": f"r-{number}",
        "started_at": 1_800_000_000.5,
        "client_key_id": None,
        "client_key_label": "alice",
        "client_format": "openai",
        "route_model": "m",
        "status": 200,
        "outcome": "ok",
        "duration_ms": 12.5,
    }
    return UsageLine(**{**values, **changes})


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def decoded(lines: list[bytes]) -> list[UsageLine]:
    return [DECODER.decode(raw) for raw in lines]


def test_what_is_appended_is_pending_until_it_is_done(spool):
    for number in range(3):
        spool.append(line(number))
    lines, offset = spool.pending()
    assert decoded(lines) == [line(0), line(1), line(2)]
    spool.append(line(3))
    spool.done(offset)
    lines, offset = spool.pending()
    assert decoded(lines) == [line(3)]
    spool.done(offset)
    assert spool.pending() == ([], offset)


def test_a_batch_has_a_bound(spool, monkeypatch):
    monkeypatch.setattr(usage, "BATCH_ROWS", 2)
    for number in range(3):
        spool.append(line(number))
    lines, offset = spool.pending()
    assert len(lines) == 2
    spool.done(offset)
    assert decoded(spool.pending()[0]) == [line(2)]


def test_the_file_is_private_and_locked(spool):
    assert stat.S_IMODE(spool.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(spool.path.parent.stat().st_mode) == 0o700
    with spool.path.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    spool.close()


def test_closing_removes_a_file_that_is_done_and_keeps_one_that_is_not(tmp_path):
    done, waiting = Spool(tmp_path), Spool(tmp_path)
    done.append(line())
    done.done(done.pending()[1])
    waiting.append(line())
    done.close()
    waiting.close()
    assert list(tmp_path.iterdir()) == [waiting.path]
    with waiting.path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_long_file_is_replaced_and_the_lines_not_yet_written_go_along(spool, monkeypatch):
    monkeypatch.setattr(usage, "ROTATE_BYTES", 100)
    first = spool.path
    spool.append(line(1))
    _, offset = spool.pending()
    spool.append(line(2))
    spool.done(offset)
    assert spool.path != first
    assert not first.exists()
    spool.append(line(3))
    assert decoded(spool.pending()[0]) == [line(2), line(3)]
    assert list(spool.path.parent.iterdir()) == [spool.path]


def test_a_nul_in_a_name_is_replaced_since_no_database_text_may_hold_one(spool):
    spool.append(line(route_model="a\0b", request_id="\\u0000"))
    (kept,) = decoded(spool.pending()[0])
    assert kept.route_model == "a�b"
    assert "\0" not in kept.request_id


def test_a_full_disk_costs_the_record_and_is_logged(spool, monkeypatch, caplog):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        spool.append(line(1))
    assert "a usage record could not be spooled: No space left on device" in caplog.text
    spool.append(line(2))
    assert decoded(spool.pending()[0]) == [line(2)]


def test_half_a_line_on_a_disk_that_fills_up_is_taken_back(spool, monkeypatch, caplog):
    write = os.write
    spool.append(line(1))
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda handle, data: write(handle, data[:20]))
        spool.append(line(2))
    assert "could not be spooled" in caplog.text
    spool.append(line(3))
    assert decoded(spool.pending()[0]) == [line(1), line(3)]


def test_a_disk_too_full_for_a_new_file_keeps_the_old_one(spool, monkeypatch, caplog):
    monkeypatch.setattr(usage, "ROTATE_BYTES", 1)
    spool.append(line(1))
    _, offset = spool.pending()
    spool.append(line(2))
    first: Path = spool.path
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda *_: 0)
        spool.done(offset)
    assert spool.path == first
    assert "no new spool file could be begun" in caplog.text
    assert decoded(spool.pending()[0]) == [line(2)]
    assert list(first.parent.iterdir()) == [first]
