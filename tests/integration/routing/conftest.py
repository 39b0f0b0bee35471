"""A keyring of their own for tests that seal secrets."""

from __future__ import annotations

import pytest

from providers import secrets


@pytest.fixture(autouse=True)
def keyring(tmp_path_factory, monkeypatch):
    ring = secrets.Keyring(tmp_path_factory.mktemp("keys") / "encryption_keys", [])
    monkeypatch.setattr(secrets, "KEYRING", ring)
    return ring
