"""Responses kept in the database: conversations go on over upstreams that keep nothing, and only the client
key that made a response sees it."""

from __future__ import annotations

import contextlib
import datetime
import json

import openai
import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone

from providers.models import Credential, Provider
from providers.values import Format
from routing.bindings import DatabaseBindings
from routing.core.table import ClientEntry
from routing.kept_responses import DatabaseResponses, delete_expired
from routing.models import ClientKey, ObjectBinding, StoredConversation, StoredResponse
from tests.integration.proxy.conftest import KEY, digest
from tests.integration.proxy.pairs.spoken import CALLS, HELLO, STREAM, WHOLE
from tests.integration.proxy.upstream_double import answers, streams

pytestmark = [pytest.mark.timeout(60), pytest.mark.django_db(transaction=True)]
BOB = "cpx-test-key-of-bob"
CAROL = "cpx-test-key-of-carol"
DAY_S = 86_400


@pytest.fixture
async def keeping(proxy):
    """The proxy with a store in the database. Alice and Bob keep responses for a day, Carol keeps none."""
    for number, (key, kept_s) in enumerate(((KEY, DAY_S), (BOB, DAY_S), (CAROL, 0)), 1):
        await ClientKey.objects.acreate(id=number, digest=digest(key), fingerprint=key[-4:])
        proxy.clients[digest(key)] = ClientEntry(id=number, label=key, keeps_responses_s=kept_s)
    store, bindings = DatabaseResponses(), DatabaseBindings()
    object.__setattr__(proxy.gateway, "responses", store)  # the gateway is put together once, then frozen
    object.__setattr__(proxy.gateway, "bindings", bindings)
    proxy.publish()
    yield proxy
    store.close()
    bindings.close()


@pytest.fixture
async def sdk_of(keeping):
    made = []

    def make(key):
        client = openai.AsyncOpenAI(base_url=f"{keeping.url}/v1", api_key=key, max_retries=0)
        made.append(client)
        return client

    yield make
    for client in made:
        await client.close()


@pytest.fixture
def alice(sdk_of):
    return sdk_of(KEY)


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("format_", [Format.OPENAI, Format.CLAUDE, Format.GEMINI])
async def test_a_turn_names_the_last_response(alice, upstream, offered, format_, is_stream):
    offered(format_)

    def says(said):
        return streams(*STREAM[format_](said)) if is_stream else answers(body=WHOLE[format_](said))

    async def turn(**fields):
        made = await alice.responses.create(model="m", stream=is_stream, **fields)
        if not is_stream:
            return made
        return [event async for event in made][-1].response

    upstream.then(says(CALLS), says(HELLO))
    tools = [{"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": False}]
    first = await turn(input="Weather?", tools=tools)
    assert first.store
    outputs = [
        {"type": "function_call_output", "call_id": item.call_id, "output": f"sun {place}"}
        for place, item in enumerate(first.output)
        if item.type == "function_call"
    ]
    second = await turn(input=outputs, tools=tools, previous_response_id=first.id)
    assert second.output_text == HELLO.text
    assert second.previous_response_id == first.id
    sent = json.dumps(upstream.calls[1].json)
    for told in ("Weather?", "Let me look.", "Paris", "Rome", "sun 1", "sun 2"):
        assert sent.count(told) == 1, told
    third = await turn(input="And now?", previous_response_id=second.id)
    sent = json.dumps(upstream.calls[2].json, ensure_ascii=False)
    assert all(told in sent for told in ("Weather?", "sun 2", HELLO.text, "And now?"))
    assert (await alice.responses.retrieve(third.id)).output_text == HELLO.text


async def test_a_kept_response_is_shown_listed_and_deleted(alice, upstream, offered):
    offered(Format.OPENAI)
    upstream.then(answers(body=WHOLE[Format.OPENAI](HELLO)))
    made = await alice.responses.create(
        model="m",
        input=[
            {"role": "user", "content": "One"},
            {"role": "assistant", "content": "Two"},
            *[_user("Three")],
        ],
        metadata={"topic": "x"},
    )
    shown = await alice.responses.retrieve(made.id)
    assert (shown.output_text, shown.metadata, shown.status) == (HELLO.text, {"topic": "x"}, "completed")
    items = [item async for item in alice.responses.input_items.list(made.id, order="asc", limit=2)]
    assert [item.content[0].text for item in items] == ["One", "Two", "Three"]
    assert len({item.id for item in items}) == 3
    newest = await alice.responses.input_items.list(made.id, limit=1)
    assert (newest.data[0].content[0].text, newest.has_more) == ("Three", True)
    with pytest.raises(openai.BadRequestError, match="background"):
        await alice.responses.cancel(made.id)
    with pytest.raises(openai.BadRequestError, match="no item"):
        await alice.responses.input_items.list(made.id, after="msg_nothing")
    await alice.responses.delete(made.id)
    for gone in (alice.responses.retrieve, alice.responses.delete, alice.responses.input_items.list):
        with pytest.raises(openai.NotFoundError):
            await gone(made.id)
    assert not await StoredResponse.objects.aexists()


async def test_a_kept_response_is_streamed_again(alice, upstream, offered):
    offered(Format.CLAUDE)
    upstream.then(answers(body=WHOLE[Format.CLAUDE](CALLS)))
    made = await alice.responses.create(model="m", input="Weather?")
    events = [event async for event in await alice.responses.retrieve(made.id, stream=True)]
    assert events[-1].response == await alice.responses.retrieve(made.id)
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert said == made.output_text == CALLS.text
    rest = await alice.responses.retrieve(made.id, stream=True, starting_after=events[4].sequence_number)
    assert [event async for event in rest] == events[5:]
    with pytest.raises(openai.BadRequestError, match="starting_after"):
        await alice.responses.retrieve(made.id, stream=True, starting_after="x")


def _user(text):
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


async def test_another_client_keys_response_does_not_exist(alice, sdk_of, upstream, offered):
    offered(Format.OPENAI)
    upstream.then(answers(body=WHOLE[Format.OPENAI](HELLO)))
    made = await alice.responses.create(model="m", input="One")
    for key in (BOB, CAROL):
        other = sdk_of(key)
        for forbidden in (
            other.responses.retrieve,
            other.responses.delete,
            other.responses.cancel,
            other.responses.input_items.list,
        ):
            with pytest.raises(openai.NotFoundError):
                await forbidden(made.id)
        with pytest.raises(openai.BadRequestError) as refused:
            await other.responses.create(model="m", input="Two", previous_response_id=made.id)
        assert refused.value.code == "previous_response_not_found"
    assert (await alice.responses.retrieve(made.id)).id == made.id


@pytest.mark.parametrize("fields", [{"store": False}, {}], ids=["not-stored", "key-keeps-none"])
async def test_nothing_is_kept_unasked(sdk_of, upstream, offered, fields):
    offered(Format.OPENAI)
    upstream.then(answers(body=WHOLE[Format.OPENAI](HELLO)))
    client = sdk_of(KEY if fields else CAROL)
    made = await client.responses.create(model="m", input="One", **fields)
    assert not made.store
    assert not await StoredResponse.objects.aexists()
    with pytest.raises(openai.BadRequestError) as refused:
        await client.responses.create(model="m", input="Two", previous_response_id=made.id)
    assert refused.value.code == "previous_response_not_found"


async def test_a_reference_to_an_item_is_resolved(alice, upstream, offered):
    """What Vercel's AI SDK sends in place of the messages of earlier turns."""
    offered(Format.CLAUDE)
    upstream.then(answers(body=WHOLE[Format.CLAUDE](HELLO)))
    made = await alice.responses.create(model="m", input="One")
    reference = {"type": "item_reference", "id": made.output[0].id}
    await alice.responses.create(model="m", input=[_user("One"), reference, _user("Two")])
    texts = json.dumps(upstream.calls[1].json["messages"], ensure_ascii=False)
    assert HELLO.text in texts
    unknown = {"type": "item_reference", "id": "msg_cliproxy_00_0"}
    with pytest.raises(openai.BadRequestError, match="item_reference"):
        await alice.responses.create(model="m", input=[unknown, _user("Two")])


async def test_a_conversation_grows_with_its_turns(alice, sdk_of, upstream, offered):
    offered(Format.GEMINI)
    upstream.then(answers(body=WHOLE[Format.GEMINI](HELLO)))
    made = await alice.conversations.create(items=[_user("Remember the blue door.")], metadata={"a": "b"})
    for text in ("Two", "Three"):
        answer = await alice.responses.create(model="m", input=text, conversation=made.id)
        assert answer.conversation is not None
        assert answer.conversation.id == made.id
    assert [len(call.json["contents"]) for call in upstream.calls] == [1, 3]
    assert "blue door" in json.dumps(upstream.calls[1].json)
    items = [item async for item in alice.conversations.items.list(made.id, order="asc")]
    assert [item.content[0].text for item in items] == [
        "Remember the blue door.", "Two", HELLO.text, "Three", HELLO.text
    ]  # fmt: skip
    added = await alice.conversations.items.create(made.id, items=[_user("Four")])
    assert (await alice.conversations.items.retrieve(added.data[0].id, conversation_id=made.id)).status
    await alice.conversations.items.delete(added.data[0].id, conversation_id=made.id)
    assert (await alice.conversations.update(made.id, metadata={"c": "d"})).metadata == {"c": "d"}
    assert (await alice.conversations.retrieve(made.id)).metadata == {"c": "d"}
    bob = sdk_of(BOB)
    with pytest.raises(openai.NotFoundError):
        await bob.conversations.retrieve(made.id)
    with pytest.raises(openai.BadRequestError):
        await bob.responses.create(model="m", input="x", conversation=made.id)
    assert (await alice.conversations.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await alice.conversations.retrieve(made.id)


async def test_what_an_upstream_keeps_goes_back_to_its_credential(alice, sdk_of, upstream, offered):
    entries = [offered(Format.RESPONSES) for _ in range(3)]
    for entry in entries:
        await _row(entry)
    stored = {**WHOLE[Format.RESPONSES](HELLO), "store": True}
    upstream.then(answers(body=stored))
    carol = sdk_of(CAROL)
    made = await carol.responses.create(model="m", input="One")
    first = upstream.calls[0].headers["authorization"]
    for _ in range(3):
        await carol.responses.create(model="m", input="Two", previous_response_id=made.id)
        await carol.responses.retrieve(made.id)
    await carol.responses.cancel(made.id)
    await carol.responses.input_items.list(made.id)
    assert {call.headers["authorization"] for call in upstream.calls} == {first}
    assert upstream.calls[-2].path == f"/v1/responses/{made.id}/cancel"
    for other in (alice, sdk_of(BOB)):
        with pytest.raises(openai.NotFoundError):
            await other.responses.retrieve(made.id)
        with pytest.raises(openai.BadRequestError):
            await other.responses.create(model="m", input="Two", previous_response_id=made.id)
    assert not await StoredResponse.objects.aexists()


async def _row(entry):
    """The rows that a hold points at."""
    provider = await Provider.objects.acreate(id=entry.provider_id, key=entry.provider_key, adapter="codex")
    await Credential.objects.acreate(id=entry.id, provider=provider)


async def test_a_hold_is_durable_a_moment_later(sdk_of, upstream, offered, keeping):
    await _row(offered(Format.RESPONSES))
    upstream.then(streams(*_stored_stream()))
    made = await sdk_of(CAROL).responses.create(model="m", input="One", stream=True)
    last = [event async for event in made][-1]
    keeping.gateway.bindings.close()
    row = await ObjectBinding.objects.aget()
    assert (row.kind, row.object_id, row.client_key_id) == ("response", last.response.id, 3)


def _stored_stream():
    return [
        piece.replace(b'"object": "response"', b'"object": "response", "store": true')
        for piece in STREAM[Format.RESPONSES](HELLO)
    ]


async def test_what_has_run_out_is_gone(alice, upstream, offered):
    offered(Format.OPENAI)
    upstream.then(answers(body=WHOLE[Format.OPENAI](HELLO)))
    made = await alice.responses.create(model="m", input="One")
    conversation = await alice.conversations.create()
    past = timezone.now() - datetime.timedelta(seconds=1)
    await StoredResponse.objects.aupdate(expires_at=past)
    await StoredConversation.objects.aupdate(expires_at=past)
    with pytest.raises(openai.NotFoundError):
        await alice.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        await alice.conversations.retrieve(conversation.id)
    assert await sync_to_async(delete_expired)() == 2
    assert not await StoredResponse.objects.aexists()


@pytest.fixture
def broken_store():
    """A context in which the table of responses cannot be found."""

    def rename(old, new):
        with connection.schema_editor() as editor:
            editor.alter_db_table(StoredResponse, old, new)
        connection.close()

    @contextlib.asynccontextmanager
    async def broken():
        table = StoredResponse._meta.db_table
        await sync_to_async(rename)(table, "elsewhere")
        try:
            yield
        finally:
            await sync_to_async(rename)("elsewhere", table)

    return broken


async def test_an_answer_arrives_though_the_store_cannot_be_reached(alice, upstream, offered, broken_store):
    offered(Format.OPENAI)
    upstream.then(answers(body=WHOLE[Format.OPENAI](HELLO)))
    async with broken_store():
        made = await alice.responses.create(model="m", input="One")
        assert made.output_text == HELLO.text
        with pytest.raises(openai.InternalServerError) as refused:
            await alice.responses.create(model="m", input="Two", previous_response_id=made.id)
    assert refused.value.status_code == 503
    assert int(refused.value.response.headers["retry-after"]) >= 1


async def test_the_whole_is_bounded_like_a_request(alice, upstream, offered):
    offered(Format.OPENAI)
    upstream.then(answers(body=WHOLE[Format.OPENAI](HELLO)))
    first = await alice.responses.create(model="m", input="x" * 40_000)
    with pytest.raises(openai.APIStatusError) as refused:
        await alice.responses.create(model="m", input="y" * 40_000, previous_response_id=first.id)
    assert refused.value.status_code == 413
