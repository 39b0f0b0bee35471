"""The admin's tests: a keyring of their own, plain static files, and the people."""

from __future__ import annotations

import pytest
from django.test import Client

from providers import secrets
from tests.integration.admin.cast import browser_of, make_person


@pytest.fixture(autouse=True)
def keyring(tmp_path, monkeypatch) -> secrets.Keyring:
    ring = secrets.Keyring(tmp_path / "encryption_keys", [])
    monkeypatch.setattr(secrets, "KEYRING", ring)
    return ring


@pytest.fixture
def root(db) -> Client:
    return browser_of(make_person("root"))


@pytest.fixture
def admin(db) -> Client:
    return browser_of(make_person("ada", "gateway admin"))


@pytest.fixture
def key_manager(db) -> Client:
    return browser_of(make_person("kim", "key manager"))


@pytest.fixture
def viewer(db) -> Client:
    return browser_of(make_person("vera", "viewer"))
