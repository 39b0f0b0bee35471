"""Several workers, each in a file; a dead one's counts stay, what it had under way does not."""

from __future__ import annotations

import os

from routing.proxy.metrics import Metrics
from routing.proxy.shared_totals import ENCODER, SharedTotals, prepare
from tests.unit.routing.proxy.test_metrics import observe, record

LIVING = os.getppid()
DEAD = 2**22 + 1
"""Above the largest process id that Linux gives."""


def worker(folder, metrics: Metrics) -> SharedTotals:
    return SharedTotals(lambda: metrics.totals(5), lambda: metrics.version, folder)


def leave(folder, pid: int) -> None:
    metrics = Metrics()
    observe(metrics, record())
    metrics.in_flight = 3
    (folder / f"{pid}.totals").write_bytes(ENCODER.encode(metrics.totals(100)))


def test_a_process_alone_tells_of_itself(tmp_path):
    metrics = Metrics()
    observe(metrics, record())
    totals, processes = worker(None, metrics).all()
    assert (totals.exchanges, processes) == ([(("openai", "200", "ok"), 1)], 1)


def test_living_and_dead_workers_are_summed(tmp_path):
    metrics = Metrics()
    observe(metrics, record())
    leave(tmp_path, LIVING)
    leave(tmp_path, DEAD)
    shared = worker(tmp_path, metrics)
    shared.write()
    totals, processes = shared.all()
    assert totals.exchanges == [(("openai", "200", "ok"), 3)]
    assert (totals.in_flight, totals.backlog_bytes, processes) == (3, 105, 2)


def test_a_file_is_written_when_something_was_counted_and_not_else(tmp_path):
    metrics = Metrics()
    shared = worker(tmp_path, metrics)
    shared.write()
    path = tmp_path / f"{os.getpid()}.totals"
    first = path.stat().st_mtime_ns
    path.write_bytes(b"untouched")
    shared.write()
    assert path.read_bytes() == b"untouched"
    observe(metrics, record())
    shared.write()
    assert path.stat().st_mtime_ns >= first
    assert path.read_bytes() != b"untouched"


def test_what_cannot_be_read_is_left_out(tmp_path):
    (tmp_path / f"{LIVING}.totals").write_bytes(b"half a fi")
    assert worker(tmp_path, Metrics()).all()[1] == 1


def test_a_folder_that_is_gone_costs_a_warning_and_no_more(tmp_path, caplog):
    shared = worker(tmp_path / "gone", Metrics())
    shared.write()
    assert "could not be written" in caplog.text
    assert shared.all()[1] == 1


def test_a_new_start_begins_with_nothing(tmp_path):
    folder = tmp_path / "totals"
    prepare(folder)
    leave(folder, DEAD)
    prepare(folder)
    assert list(folder.iterdir()) == []
    assert folder.stat().st_mode & 0o777 == 0o700
