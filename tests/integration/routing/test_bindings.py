"""Holds on objects: kept in the database, found by the client key that made them, read without a query."""

from __future__ import annotations

import time
from datetime import timedelta

import msgspec
import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from routing import bindings, client_keys
from routing.bindings import DatabaseBindings
from routing.core.bindings import Binding, MemoryBindings
from routing.models import ObjectBinding
from tests.integration.routing.makers import make_credential, make_provider
from tests.integration.routing.test_live import in_thread

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(30)]


@pytest.fixture
async def ids():
    """(two client keys, two credentials)"""

    def save():
        provider = make_provider()
        keys = [client_keys.create()[0].id for _ in range(2)]
        return keys, [make_credential(provider).id for _ in range(2)]

    return await in_thread(save)()


@pytest.fixture(params=["database", "memory"])
def store(request):
    if request.param == "memory":
        yield MemoryBindings()
        return
    made = DatabaseBindings()
    yield made
    made.close()


def hold(ids, object_id, key=0, credential=0, kind="file"):
    return Binding(
        client_key_id=ids[0][key], kind=kind, object_id=object_id, credential_id=ids[1][credential]
    )


async def test_an_object_is_known_to_be_another_s_before_its_hold_is_durable(store, ids):
    store.keep_soon(hold(ids, "resp-1", kind="response"))
    assert await store.belongs_to_another(ids[0][1], "response", "resp-1")
    assert not await store.belongs_to_another(ids[0][0], "response", "resp-1")
    assert not await store.belongs_to_another(ids[0][1], "file", "resp-1")


async def test_a_hold_is_found_by_its_own_client_key_only(store, ids):
    made = hold(ids, "file-1")
    await store.keep(made)
    assert await store.find(ids[0][0], "file", "file-1") == made
    assert await store.find(ids[0][1], "file", "file-1") is None
    assert await store.find(ids[0][0], "batch", "file-1") is None
    await store.forget(made)
    assert await store.find(ids[0][0], "file", "file-1") is None


async def test_old_holds_on_responses_and_videos_are_forgotten(ids):
    def check():
        for kind, age in (("response", 40 * 86_400), ("video", 4 * 3_600), ("file", 40 * 86_400)):
            for made_at, name in ((timezone.now() - timedelta(seconds=age), "old"), (timezone.now(), "new")):
                ObjectBinding.objects.create(
                    client_key_id=ids[0][0],
                    credential_id=ids[1][0],
                    kind=kind,
                    object_id=name,
                    created_at=made_at,
                )
        gone = bindings.forget_old()
        return gone, sorted(ObjectBinding.objects.values_list("kind", "object_id"))

    gone, left = await in_thread(check)()
    assert gone == 2
    assert left == [("file", "new"), ("file", "old"), ("response", "new"), ("video", "new")]


async def test_a_second_object_of_the_same_id_takes_the_place_of_the_first(store, ids):
    await store.keep(hold(ids, "file-1"))
    await store.keep(hold(ids, "file-1", credential=1))
    await store.keep(hold(ids, "file-1", key=1))
    found = await store.find(ids[0][0], "file", "file-1")
    assert found is not None
    assert found.credential_id == ids[1][1]


@pytest.mark.parametrize("newest_first", [True, False])
async def test_pages_follow_the_order_of_making(store, ids, newest_first):
    for number in range(5):
        await store.keep(hold(ids, f"file-{number}"))
    await store.keep(hold(ids, "file-x", key=1))
    await store.keep(hold(ids, "batch-x", kind="batch"))
    seen, after = [], ""
    while page := await store.page(ids[0][0], "file", after=after, limit=2, newest_first=newest_first):
        seen += [entry.object_id for entry in page]
        after = seen[-1]
    expected = [f"file-{number}" for number in range(5)]
    assert seen == (expected[::-1] if newest_first else expected)


async def test_a_hold_outlives_the_process_that_made_it(ids):
    first = DatabaseBindings()
    await first.keep(hold(ids, "file-1"))
    first.close()
    second = DatabaseBindings()
    found = await second.find(ids[0][0], "file", "file-1")
    assert found is not None
    assert found.made_at == pytest.approx(time.time(), abs=20)
    assert msgspec.structs.replace(found, made_at=0.0) == hold(ids, "file-1")
    await in_thread(ObjectBinding.objects.all().delete)()
    assert await second.find(ids[0][0], "file", "file-1") is not None  # from memory, without a query
    second.close()


async def test_the_memory_of_holds_is_bounded(ids, monkeypatch):
    monkeypatch.setattr(bindings, "CACHED", 3)
    store = DatabaseBindings()
    for number in range(5):
        await store.keep(hold(ids, f"file-{number}"))
    assert len(store._cache) == 3
    assert await store.find(ids[0][0], "file", "file-0") is not None
    store.close()


async def test_a_hold_goes_with_its_credential(ids):
    store = DatabaseBindings()
    await store.keep(hold(ids, "file-1"))
    store.close()
    from providers.models import Credential

    await in_thread(Credential.objects.all().delete)()
    assert await in_thread(ObjectBinding.objects.count)() == 0


def test_the_database_refuses_a_second_row_for_one_object(db):
    key, _ = client_keys.create()
    credential = make_credential(make_provider())
    values = {"client_key": key, "credential": credential, "kind": "file", "object_id": "file-1"}
    row = ObjectBinding.objects.create(**values)
    assert str(row) == "file file-1"
    with pytest.raises(IntegrityError), transaction.atomic():
        ObjectBinding.objects.create(**values)
