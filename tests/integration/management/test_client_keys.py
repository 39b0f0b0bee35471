"""``/v0/management/api-keys`` over the table of client keys and over ``api-keys`` of a file."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import User
from django.db import connection

from management_api.resources import client_key_list, client_key_store
from routing import client_keys, table
from routing.models import ClientKey
from tests.integration.management.conftest import OK

pytestmark = pytest.mark.django_db

FILE = """api-keys: # who calls us
  - sk-alice-0000000000000001 # alice
  - api-key: sk-bob-000000000000000002
    name: bob
    limits: {rpm: 5}
  - ${CAROL}
"""


@pytest.fixture
def listed(file, monkeypatch):
    monkeypatch.setenv("CAROL", "sk-carol")
    return file(FILE)


def held() -> set[str]:
    return {row.digest for row in ClientKey.objects.all()}


def digests(*keys: str) -> set[str]:
    return {client_keys.digest(key) for key in keys}


def test_the_database_lists_replaces_and_clears(ask, database):
    assert ask("get", "api-keys") == (200, {"api-keys": []})
    assert ask("put", "api-keys", ["k1", "sk-a-very-long-key-0001"]) == OK
    shown = ask("get", "api-keys")[1]["api-keys"]
    assert shown == [client_keys.shown("k1"), "sk-a-v…0001"]
    assert held() == digests("k1", "sk-a-very-long-key-0001")
    assert client_keys.digest("k1") in table.build().clients
    assert ask("put", "api-keys", {"items": [shown[1], "k3"]}) == OK
    assert held() == digests("sk-a-very-long-key-0001", "k3")
    assert ask("put", "api-keys", {"items": []}) == (400, {"error": "invalid body"})
    assert ask("put", "api-keys", []) == OK
    assert held() == set()


def test_a_key_that_gets_another_text_stays_its_owners(ask, database):
    owner = User.objects.create_user("dora")
    client_keys.create(key="k1", note="laptop", owner_id=owner.pk)
    assert ask("patch", "api-keys", {"old": "k1", "new": "k2"}) == OK
    row = ClientKey.objects.get()
    assert (row.digest, row.note, row.owner) == (client_keys.digest("k2"), "laptop", owner)
    assert ask("patch", "api-keys", {"index": 0, "value": "k3"}) == OK
    assert held() == digests("k3")
    assert ask("patch", "api-keys", {"index": 7, "value": "k3"}) == (400, {"error": "missing fields"})
    assert ask("delete", "api-keys?index=0") == OK
    assert held() == set()


def test_deleting_by_query_or_body(ask, database):
    ask("put", "api-keys", ["k1", "k2", "k3"])
    assert ask("delete", "api-keys?value=%20k1%20") == OK
    assert ask("delete", "api-keys", {"value": "k3"}) == OK
    assert ask("delete", "api-keys?value=absent") == OK
    assert held() == digests("k2")
    assert ask("delete", "api-keys") == (400, {"error": "missing index or value"})
    assert ask("delete", "api-keys?index=5") == (400, {"error": "missing index or value"})


def test_the_file_is_edited_and_keeps_what_was_not_asked_for(ask, listed):
    shown = ask("get", "api-keys")[1]["api-keys"]
    assert shown == ["sk-ali…0001", "sk-bob…0002", "${CAROL}"]
    assert ask("put", "api-keys", [*shown, "k4"]) == OK
    assert ask("patch", "api-keys", {"old": "sk-bob…0002", "new": "sk-bob-renewed"}) == OK
    text = listed.read_text()
    assert "# alice" in text
    assert "# who calls us" in text
    assert "name: bob" in text
    assert "- ${CAROL}" in text
    assert held() == digests("sk-alice-0000000000000001", "sk-bob-renewed", "sk-carol", "k4")
    assert ClientKey.objects.get(note="bob").limits == {"rpm": 5}
    assert ask("delete", "api-keys?value=sk-carol") == OK
    assert ask("delete", "api-keys?index=0") == OK
    assert held() == digests("sk-bob-renewed", "k4")
    assert ask("put", "api-keys", ["k4", client_keys.shown("sk-bob-renewed")]) == OK
    assert ClientKey.objects.get(note="bob").limits == {"rpm": 5}
    assert ask("put", "api-keys", []) == OK
    assert held() == set()


def test_a_file_without_keys_gets_them(ask, file):
    path = file("debug: true")
    assert ask("get", "api-keys") == (200, {"api-keys": []})
    assert ask("patch", "api-keys", {"old": "", "new": "k1"}) == OK
    assert "api-keys:\n  - k1\n" in path.read_text()


def test_keys_of_the_old_block_move(ask, file):
    path = file("auth: {providers: [{name: inline, api-keys: [k1, k2]}]}")
    assert ask("delete", "api-keys?value=k1") == OK
    assert held() == digests("k2")
    assert "api-keys:\n  - k2\n" in path.read_text()


def test_a_key_that_reads_like_a_number_stays_a_text(ask, file):
    path = file("api-keys: [0123, abc]")
    assert ask("put", "api-keys", ["0456", "0123"]) == OK
    assert held() == digests("0456", "0123")
    assert "0456" in path.read_text()


@pytest.mark.parametrize("key", ["two\nlines", "nul\0", "sk-abc…wxyz"])
def test_what_no_file_could_say_is_no_key(ask, database, key):
    status, body = ask("put", "api-keys", ["k1", key])
    assert (status, body["error"]) == (400, "invalid body")
    assert held() == set()


@pytest.mark.parametrize("key", ["${HOME}", "sk-abc…wxyz", "two\nlines"])
def test_what_cannot_be_a_key_changes_nothing(ask, listed, key):
    before = listed.read_bytes()
    status, body = ask("put", "api-keys", [key])
    assert (status, body["error"]) == (400, "invalid body")
    assert listed.read_bytes() == before


def test_keys_of_a_file_that_is_not_here_are_listed_and_left_alone(ask, listed, settings):
    settings.CONFIG_FILE = ""
    assert len(ask("get", "api-keys")[1]["api-keys"]) == 3
    assert ask("put", "api-keys", [])[0] == 409
    assert ClientKey.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_changes_at_the_same_time_are_all_made(listed):
    done: list[str] = []

    def add(key: str) -> None:
        try:
            client_key_store.change(lambda known: client_key_list.patched(known, {"old": "", "new": key}))
            done.append(key)
        finally:
            connection.close()

    threads = [threading.Thread(target=add, args=(f"k{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 6
    assert digests(*(f"k{number}" for number in range(6))) <= held()
    assert all(f"- k{number}\n" in listed.read_text() for number in range(6))
