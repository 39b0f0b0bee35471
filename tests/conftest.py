"""Fixtures that every folder shares; kept few."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection
from django.test import override_settings
from pytest_django.plugin import blocking_manager_key

from tests.processes import Gateway, running_gateways


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """Django's own hasher takes a third of a second for each user and each sign-in, on purpose."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture
def start_gateway(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Starts real gateways: ``start_gateway(config=yaml, server="uvicorn", arguments=(), environment={})``.

    Each is a ``manage.py serve`` subprocess on a free port with its own data folder, ready when returned;
    afterwards it is stopped by SIGTERM and must have exited with 0.
    """
    with running_gateways(tmp_path) as start:
        yield start


@pytest.fixture
def gateway(start_gateway: Callable[..., Gateway]) -> Gateway:
    """One gateway on Daphne with a client key and no provider."""
    return start_gateway()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Put the groups back that a migration made: a transactional test ends by emptying every table."""
    if nextitem is None:  # the session is over, and with it the database
        return
    if "transactional_db" not in getattr(item, "fixturenames", ()):
        marker = item.get_closest_marker("django_db")
        if marker is None or not marker.kwargs.get("transaction"):
            return
    groups = importlib.import_module("routing.migrations.0002_groups")
    logins = importlib.import_module("oauth.migrations.0003_login_permission")
    with item.config.stash[blocking_manager_key].unblock():
        if not Group.objects.exists():
            groups.make_groups(apps, connection.schema_editor())
            logins.grant(apps, connection.schema_editor())
            login_views = importlib.import_module("oauth.migrations.0004_login_views")
            login_views.grant(apps, connection.schema_editor())
