"""A management API with a stored key, called as scripts call it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from django.test import Client

from management_api.config.startup import load_and_apply
from providers import secrets
from routing.models import GatewaySettings

KEY = "management-key-0001"
OK = (200, {"status": "ok"})
HASH = bcrypt.hashpw(KEY.encode(), bcrypt.gensalt(4)).decode()
"""The cheapest bcrypt: these tests are about who gets in, not about how long a guess takes."""


@pytest.fixture
def grant(db) -> Callable[..., None]:
    """``grant(key_hash=HASH, remote=False)`` stores the key's hash and the switch."""

    def store(*, key_hash: str = HASH, remote: bool = False) -> None:
        GatewaySettings.objects.update_or_create(
            pk=1, defaults={"management_key_hash": key_hash, "allow_remote_management": remote}
        )

    return store


@pytest.fixture
def call(grant) -> Callable[..., Any]:
    """``call("get", "openapi.json", key=KEY, address="127.0.0.1", HTTP_…=…)``; a key is in force."""
    grant()

    def send(method: str, path: str, body: Any = None, *, key: str = KEY, **options: Any) -> Any:
        extra = {"REMOTE_ADDR": options.pop("address", "127.0.0.1"), **options}
        if key:
            extra["HTTP_AUTHORIZATION"] = f"Bearer {key}"
        content = {} if body is None else {"data": body, "content_type": "application/json"}
        return getattr(Client(), method)(f"/v0/management/{path}", **content, **extra)

    return send


@pytest.fixture
def keyring(tmp_path, monkeypatch, settings):
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(secrets, "KEYRING", secrets.Keyring(tmp_path / "encryption_keys", []))


@pytest.fixture
def database(keyring, settings):
    """A server that was started without a file."""
    settings.CONFIG_FILE = ""


@pytest.fixture
def file(keyring, tmp_path, settings, db):
    """``file(text)``: a server that was started with ``text`` and the management key; the path."""

    def start(text: str) -> Path:
        path: Path = tmp_path / "config.yaml"
        path.write_text(f'{text}\nremote-management:\n  secret-key: "{HASH}"\n', encoding="utf-8")
        load_and_apply(path)
        settings.CONFIG_FILE = str(path)
        return path

    return start


@pytest.fixture
def ask(call):
    """``ask("put", "api-keys", ["k"])``: status and body."""

    def send(method: str, path: str, body: Any = None, raw: str | None = None) -> tuple[int, Any]:
        content = raw if raw is not None else None if body is None else json.dumps(body)
        answer = call(method, path, content)
        return answer.status_code, answer.json()

    return send
