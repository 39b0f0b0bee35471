"""The client key is found where SDKs put it, and what is refused says no more than it must."""

from __future__ import annotations

import pytest

from routing.core.table import ClientEntry, RoutingTable
from routing.proxy.access import (
    QUERY_KEYS,
    Unauthorized,
    authenticate,
    note_query_key,
    presented_key,
    presented_keys,
)

NOW = 1_000.0


def table(**entries):
    clients = {digest(name): ClientEntry(id=1, label=name, **values) for name, values in entries.items()}
    return RoutingTable(revision=1, clients=clients, models={})


def digest(key):
    return f"digest of {key}"


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"authorization": "Bearer k"}, "k"),
        ({"authorization": "bearer  k "}, "k"),
        ({"x-api-key": " k "}, "k"),
        ({"x-goog-api-key": "k"}, "k"),
        ({"authorization": "Bearer k", "x-api-key": "other"}, "k"),
        ({"authorization": "Token k"}, "Token k"),
        ({"authorization": "Bearer ", "x-goog-api-key": "k"}, "k"),
        ({"authorization": "k"}, "k"),
        ({"x-api-key": "other", "x-goog-api-key": "k"}, "k"),
        ({}, ""),
    ],
)
def test_the_key_is_taken_from_the_headers_that_sdks_use(headers, key):
    assert presented_key(headers) == key


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer of a vendor", "x-api-key": "alice"},
        {"authorization": "Basic dXNlcg==", "x-goog-api-key": "alice"},
        {"authorization": "Bearer alice", "x-api-key": "of a vendor"},
        {"x-api-key": "bob", "x-goog-api-key": "of a vendor", "authorization": "alice"},
    ],
)
def test_one_good_key_of_several_is_enough(headers):
    people = table(alice={}, bob={"enabled": False})
    assert authenticate(people, headers, digest, NOW).label == "alice"


@pytest.mark.parametrize("name", QUERY_KEYS)
def test_a_key_of_the_query_counts_after_those_of_the_headers(name):
    headers = {"x-api-key": "of a vendor"}
    note_query_key(headers, name, "alice")
    assert list(presented_keys(headers)) == ["of a vendor", "alice"]
    assert authenticate(table(alice={}), headers, digest, NOW).label == "alice"


def test_of_several_refusals_the_one_that_tells_most_is_told():
    with pytest.raises(Unauthorized, match="disabled"):
        authenticate(
            table(bob={"enabled": False}), {"authorization": "nobody", "x-api-key": "bob"}, digest, NOW
        )


def test_a_known_key_is_its_entry():
    entry = authenticate(table(alice={}), {"x-api-key": "alice"}, digest, NOW)
    assert entry.label == "alice"


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("", "invalid_api_key"),
        ("mallory", "invalid_api_key"),
        ("bob", "api_key_disabled"),
        ("carol", "api_key_expired"),
    ],
)
def test_who_may_not_in_gets_401_with_the_reason_as_code(key, code):
    people = table(bob={"enabled": False}, carol={"expires_at": NOW}, dan={"expires_at": NOW + 1})
    with pytest.raises(Unauthorized) as caught:
        authenticate(people, {"authorization": f"Bearer {key}"}, digest, NOW)
    assert (caught.value.client_status, caught.value.code) == (401, code)
    assert not key or key not in caught.value.message
    assert authenticate(people, {"x-api-key": "dan"}, digest, NOW).label == "dan"
