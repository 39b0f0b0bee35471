"""The data folder is private, and its secrets are made once."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from cliproxy_site.data_dir import SetupProblem, prepare, read_or_create_secret


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_is_made_private_with_its_parents(tmp_path):
    made = prepare(tmp_path / "a" / "b")
    assert made.is_dir()
    assert mode(made) == 0o700
    assert prepare(made) == made


def test_a_file_in_the_place_of_the_folder_is_said_so(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(SetupProblem, match="is a file, not a folder"):
        prepare(tmp_path / "x")
    with pytest.raises(SetupProblem, match="cannot be created: Not a directory"):
        prepare(tmp_path / "x" / "y")


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path, monkeypatch):
    # Root may write anywhere, so the system's answer is what is replaced here.
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(SetupProblem, match="is not writable; set CLIPROXY_DATA_DIR"):
        prepare(tmp_path)


def test_a_secret_is_made_once_and_is_private(tmp_path):
    path = tmp_path / "secret"
    first = read_or_create_secret(path)
    assert len(first) >= 50
    assert read_or_create_secret(path) == first
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_secret_file_is_made_anew(tmp_path):
    path = tmp_path / "secret"
    path.write_text("\n")
    assert read_or_create_secret(path)
    assert mode(path) == 0o600


def test_many_that_start_at_once_agree_on_one_secret(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: read_or_create_secret(tmp_path / "secret"), range(32)))
    assert len(found) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_secret_that_cannot_be_read_is_said_so(tmp_path):
    (tmp_path / "secret").mkdir()
    with pytest.raises(SetupProblem, match="cannot be read: Is a directory"):
        read_or_create_secret(tmp_path / "secret")


def test_a_secret_that_cannot_be_written_is_said_so(tmp_path):
    with pytest.raises(SetupProblem, match="cannot be written: No such file or directory"):
        read_or_create_secret(tmp_path / "gone" / "secret")
