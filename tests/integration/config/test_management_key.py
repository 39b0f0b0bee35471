"""The management key: hashed in the file and in the database, never kept in plain text."""

from __future__ import annotations

import bcrypt
import pytest

from management_api.config import editing, startup
from management_api.config.watch import ConfigWatcher
from routing.models import GatewaySettings

pytestmark = pytest.mark.django_db

FILE = "# mine\nremote-management: # careful\n  secret-key: hunter2 # change me\n  allow-remote: true\n"


def row() -> GatewaySettings:
    return GatewaySettings.objects.get()


def test_plain_text_is_replaced_by_its_hash(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(FILE, encoding="utf-8")
    config = startup.load_and_apply(file, {})
    text = file.read_text(encoding="utf-8")
    hashed = row().management_key_hash
    assert bcrypt.checkpw(b"hunter2", hashed.encode())
    assert text == FILE.replace("hunter2", f'"{hashed}"')
    assert row().allow_remote_management
    changed = row().updated_at
    assert startup.load_and_apply(file, {}).content_hash == config.content_hash
    assert row().updated_at == changed


def test_a_hash_stays_as_it_is(tmp_path):
    hashed = bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()
    file = tmp_path / "config.yaml"
    file.write_text(f"remote-management:\n  secret-key: {hashed}\n", encoding="utf-8")
    startup.load_and_apply(file, {})
    assert row().management_key_hash == hashed


def test_a_name_of_the_environment_stays_in_the_file(tmp_path):
    file = tmp_path / "config.yaml"
    text = "remote-management:\n  secret-key: ${KEY}\n"
    file.write_text(text, encoding="utf-8")
    startup.load_and_apply(file, {"KEY": "hunter2"})
    first = row()
    assert file.read_text(encoding="utf-8") == text
    assert bcrypt.checkpw(b"hunter2", first.management_key_hash.encode())
    startup.load_and_apply(file, {"KEY": "hunter2"})
    assert row().management_key_hash == first.management_key_hash


def test_the_environment_s_key_wins_and_the_file_s_is_hashed_all_the_same(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(FILE, encoding="utf-8")
    startup.load_and_apply(file, {"CLIPROXY_SECRET_KEY": "other"})
    assert bcrypt.checkpw(b"other", row().management_key_hash.encode())
    assert "hunter2" not in file.read_text(encoding="utf-8")


def test_a_file_that_cannot_be_written_is_used_as_it_is(tmp_path, monkeypatch, caplog):
    file = tmp_path / "config.yaml"
    file.write_text(FILE, encoding="utf-8")

    def refuse(path, content):
        raise editing.CannotWrite("read-only file system")

    monkeypatch.setattr(editing, "_replace", refuse)
    startup.load_and_apply(file, {})
    assert bcrypt.checkpw(b"hunter2", row().management_key_hash.encode())
    assert "keeps its management key in plain text: read-only file system" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_key_that_is_typed_while_the_gateway_runs_is_hashed_too(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("debug: true\n", encoding="utf-8")
    watcher = ConfigWatcher(file, environ={})
    watcher.look()
    file.write_text(FILE, encoding="utf-8")
    watcher.look()
    assert "hunter2" not in file.read_text(encoding="utf-8")
    applied = watcher.status.applied_hash
    watcher.look()
    assert watcher.status.applied_hash == applied
    assert watcher.status.failure == ""
