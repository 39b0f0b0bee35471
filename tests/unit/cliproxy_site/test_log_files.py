"""Log files: switched while running, turned over, bounded, and shared by processes."""

from __future__ import annotations

import io
import logging
import stat
import sys

import pytest

from cliproxy_site.log_files import LogFiles, LogSwitch
from cliproxy_site.logs import BatchHandler


def test_lines_are_appended_for_the_owner_alone(tmp_path):
    files = LogFiles(tmp_path / "logs")
    files.write("a\n")
    files.write("b\n")
    path = tmp_path / "logs" / "main.log"
    assert path.read_text() == "a\nb\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    files.close()


def test_a_full_file_is_renamed_and_the_oldest_go_above_the_bound(tmp_path):
    files = LogFiles(tmp_path, total_limit_mb=1, file_limit=300_000)
    for number in range(8):
        files.write(f"{number}" * 300_000)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 3
    assert (tmp_path / names[-1]).read_text()[0] == "7"
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1024 * 1024
    files.close()


def test_without_a_bound_every_file_stays(tmp_path):
    files = LogFiles(tmp_path, file_limit=10)
    for _ in range(4):
        files.write("x" * 10)
    assert len(list(tmp_path.iterdir())) == 4


def test_another_process_that_turned_the_file_over_is_followed(tmp_path):
    first, second = LogFiles(tmp_path, file_limit=10), LogFiles(tmp_path, file_limit=10_000)
    second.write("early\n")
    first.write("x" * 10)
    second.write("late\n")
    assert (tmp_path / "main.log").read_text() == "late\n"
    second.close()


def test_a_folder_that_cannot_be_written_ends_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    assert LogFiles(tmp_path / "file" / "logs").write("a") == 1


@pytest.fixture
def handler():
    root = logging.getLogger()
    handler = BatchHandler()
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)


def test_the_switch_turns_the_handlers_and_back(tmp_path, handler):
    switch = LogSwitch(tmp_path)
    switch.follow(False, 0)
    assert handler.stream is sys.stderr or isinstance(handler.stream, io.TextIOBase)
    switch.follow(True, 0)
    logging.getLogger("x").error("into the file")
    switch.follow(True, 5)
    assert "into the file" in (tmp_path / "main.log").read_text()
    switch.follow(False, 0)
    logging.getLogger("x").error("no more")
    assert "no more" not in (tmp_path / "main.log").read_text()
