"""Fixtures that every folder shares; kept few."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import DatabaseError, connection
from django.test import override_settings
from pytest_django.plugin import blocking_manager_key

from tests.processes import Gateway, running_gateways

# Every HTTP client of every SDK reads all public authorities from disk when it is made: that was a third of
# the suite's time, for tests that never leave loopback.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("authority.pem"))


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Put the groups back that a migration made: a transactional test ends by emptying every table."""
    if nextitem is None:
        _end_other_sessions(item)
    outcome = yield
    if nextitem is not None and _empties_tables(item):
        _restore_groups(item)
    return outcome


def _end_other_sessions(item: pytest.Item) -> None:
    """PostgreSQL drops no database that somebody is connected to, and a thread of the code under test keeps
    its connection until it is collected."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor != "postgresql" or not name.startswith("test_"):
        return
    unblocked = item.config.stash[blocking_manager_key].unblock()
    with suppress(DatabaseError), unblocked, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _empties_tables(item: pytest.Item) -> bool:
    if "transactional_db" in getattr(item, "fixturenames", ()):
        return True
    marker = item.get_closest_marker("django_db")
    return marker is not None and bool(marker.kwargs.get("transaction"))


def _restore_groups(item: pytest.Item) -> None:
    groups = importlib.import_module("routing.migrations.0002_groups")
    logins = importlib.import_module("oauth.migrations.0003_login_permission")
    with item.config.stash[blocking_manager_key].unblock():
        if not Group.objects.exists():
            groups.make_groups(apps, connection.schema_editor())
            logins.grant(apps, connection.schema_editor())
            login_views = importlib.import_module("oauth.migrations.0004_login_views")
            login_views.grant(apps, connection.schema_editor())
