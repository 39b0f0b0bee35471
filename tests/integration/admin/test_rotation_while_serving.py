"""A rotation in one thread, while others read, edit and add: every secret stays readable and no edit is lost.

The threads need a database that each opens for itself; on SQLite that is a file made for this test.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import close_old_connections, connections

from providers import secrets
from providers.models import Credential
from providers.sealed_columns import key_ids_in_use
from tests.integration.admin.cast import make_credential, make_provider

ROWS = 40


@pytest.fixture
def shared_database(transactional_db, tmp_path):
    """The test database, openable by several threads at once."""
    main = connections["default"]
    if main.vendor != "sqlite":
        yield
        return
    main.ensure_connection()
    shared = {**main.settings_dict, "NAME": str(tmp_path / "shared.sqlite3")}
    original, connections.settings["default"] = connections.settings["default"], shared
    try:
        own = connections.create_connection("default")
        connections["default"] = own
        own.ensure_connection()
        main.connection.backup(own.connection)
        yield
    finally:
        connections["default"].close()
        connections.settings["default"] = original
        connections["default"] = main


def test_secrets_stay_readable_and_edits_survive_a_rotation(shared_database, keyring):
    provider = make_provider()
    ids = [make_credential(provider, f"secret-{number:04}").pk for number in range(ROWS)]
    old = keyring.newest
    done = threading.Event()

    def until_done(work):
        try:
            while not done.is_set():
                work()
        finally:
            connections.close_all()

    def read():
        for token in Credential.objects.values_list("secret_token", flat=True):
            assert secrets.reveal(token).startswith(("secret-", "edited-"))

    edited: dict[int, str] = {}

    def edit():
        pk = ids[len(edited) % ROWS]
        value = f"edited-{len(edited)}"
        # As the admin's form does: read, seal with this process's keyring, write these columns.
        row = Credential.objects.get(pk=pk)
        row.secret_token = secrets.seal(value)
        row.save(update_fields=["secret_token", "updated_at"])
        edited[pk] = value
        done.wait(0.002)

    with ThreadPoolExecutor(2) as pool:
        working = [pool.submit(until_done, work) for work in (read, edit)]
        try:
            for _ in range(3):
                call_command("rotate_secrets", stdout=StringIO())
        finally:
            done.set()
        for future in working:
            future.result(timeout=30)
    call_command("rotate_secrets", "--no-new-key", stdout=StringIO())
    close_old_connections()
    assert edited
    assert set(key_ids_in_use()) == {keyring.newest}
    assert keyring.newest != old
    for pk, value in edited.items():
        assert secrets.reveal(Credential.objects.get(pk=pk).secret_token) == value
