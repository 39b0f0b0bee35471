"""The keyring: one first key however many start at once, and rotations that running processes notice."""

from __future__ import annotations

import multiprocessing
import threading

import pytest
from cryptography.fernet import Fernet

from providers.secrets import SEALED, Keyring, SecretsError, key_id


def seal_in_a_process(path, start, results) -> None:
    start.wait()
    results.put(Keyring(path, []).seal("plain"))


def test_a_secret_sealed_is_opened_again(tmp_path):
    ring = Keyring(tmp_path / "keys", [])
    token = ring.seal("plain")
    assert ring.open(token) == "plain"
    assert SEALED.fullmatch(token)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600


def test_processes_that_start_at_once_agree_on_one_first_key(tmp_path):
    fork = multiprocessing.get_context("fork")
    start, results = fork.Event(), fork.Queue()
    processes = [
        fork.Process(target=seal_in_a_process, args=(tmp_path / "keys", start, results)) for _ in range(6)
    ]
    for process in processes:
        process.start()
    start.set()
    tokens = [results.get(timeout=20) for _ in processes]
    for process in processes:
        process.join(timeout=20)
    assert len((tmp_path / "keys").read_text().split()) == 1
    assert {Keyring(tmp_path / "keys", []).open(token) for token in tokens} == {"plain"}


def test_rotations_at_once_lose_no_key(tmp_path):
    path = tmp_path / "keys"
    token = Keyring(path, []).seal("plain")
    threads = [threading.Thread(target=Keyring(path, []).rotate) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(path.read_text().split())) == 9
    assert Keyring(path, []).open(token) == "plain"


def test_a_running_process_seals_under_the_new_key_after_a_rotation_elsewhere(tmp_path):
    running, elsewhere = Keyring(tmp_path / "keys", []), Keyring(tmp_path / "keys", [])
    old = running.seal("plain")
    newest = elsewhere.rotate()
    assert running.seal("plain").startswith(f"{newest}:")
    assert running.open(elsewhere.seal("other")) == "other"
    assert running.open(old) == "plain"
    assert running.ids[0] == newest


def test_keys_given_by_the_environment_are_not_rotated_here(tmp_path):
    keys = [Fernet.generate_key().decode(), Fernet.generate_key().decode()]
    ring = Keyring(tmp_path / "keys", keys)
    assert ring.newest == key_id(keys[0])
    assert ring.place_of(key_id(keys[1])) == "key 2 of 2 in CLIPROXY_ENCRYPTION_KEYS"
    with pytest.raises(SecretsError):
        ring.rotate()
    assert not (tmp_path / "keys").exists()


def test_a_lost_key_is_named_and_no_secret_told(tmp_path):
    token = Keyring(tmp_path / "keys", []).seal("plain")
    (tmp_path / "keys").write_text(Fernet.generate_key().decode())
    with pytest.raises(SecretsError, match=token[:8]):
        Keyring(tmp_path / "keys", []).open(token)


def test_a_damaged_token_and_a_bad_key_are_told_in_words(tmp_path):
    ring = Keyring(tmp_path / "keys", [])
    token = ring.seal("plain")
    with pytest.raises(SecretsError, match="damaged"):
        ring.open(token[:-8] + "AAAAAAAA")
    with pytest.raises(SecretsError, match="32 bytes"):
        Keyring(tmp_path / "other", ["short"]).load()


def test_a_key_file_that_cannot_be_written_is_told_in_words(tmp_path):
    with pytest.raises(SecretsError, match="cannot be written"):
        Keyring(tmp_path / "missing" / "keys", []).seal("plain")
