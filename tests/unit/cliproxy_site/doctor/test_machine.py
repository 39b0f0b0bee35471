"""What the doctor says of folders, files and settings, without a database."""

from __future__ import annotations

import pytest

from cliproxy_site.doctor import machine
from cliproxy_site.doctor.findings import Level


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    for name in machine.SECRET_FILES:
        (data / name).write_text("secret")
        (data / name).chmod(0o600)
    return data


def problems(findings):
    return [(one.text, one.remedy) for one in findings if one.level is Level.PROBLEM]


def test_a_private_folder_is_well(folder):
    assert problems(machine.data_folder(folder)) == []


def test_what_others_can_read_is_told_with_the_command_that_helps(folder):
    folder.chmod(0o755)
    (folder / "secret_key").chmod(0o644)
    remedies = [remedy for _, remedy in problems(machine.data_folder(folder))]
    assert remedies == [f"chmod 700 {folder}", f"chmod 600 {folder / 'secret_key'}"]


def test_a_full_disk_is_told_before_it_costs_records(folder, monkeypatch):
    monkeypatch.setattr(machine, "LEAST_FREE_BYTES", 2**80)
    ((text, _),) = problems(machine.data_folder(folder))
    assert "MiB are free" in text


def test_records_that_wait_are_told(folder, monkeypatch):
    monkeypatch.setattr(machine, "SPOOL_LATE_BYTES", 3)
    (folder / "spool").mkdir()
    (folder / "spool" / "usage-1-a.jsonl").write_text("many")
    assert [one.level for one in machine.data_folder(folder)][-1] is Level.NOTE


def test_debug_and_root_are_told():
    assert [one.level for one in machine.environment(True, is_root=True)] == [Level.PROBLEM, Level.NOTE]
    assert list(machine.environment(False, is_root=False)) == []


def test_a_file_is_checked_and_applied_to_nothing(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("api-keys: [k]\nclaude-api-key:\n  - api-key: sk-1\n")
    file.chmod(0o644)
    found = list(machine.configuration(str(file)))
    assert [one.level for one in found] == [Level.NOTE, Level.OK]
    assert found[0].remedy == f"chmod 600 {file}"
    assert "1 provider" in found[1].text
    file.chmod(0o600)
    assert [one.level for one in machine.configuration(str(file))] == [Level.OK]


def test_every_error_of_a_file_is_a_problem(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("port: many\nrequest-retry: [1]\n")
    found = problems(machine.configuration(str(file)))
    assert len(found) == 2
    assert "line 1" in found[0][0]
    ((text, _),) = problems(machine.configuration(str(tmp_path / "missing.yaml")))
    assert "cannot be read" in text


def test_without_a_file_all_is_well():
    assert [one.level for one in machine.configuration("")] == [Level.OK]
