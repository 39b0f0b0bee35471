"""``/v1/responses`` as a WebSocket: the official SDK and a plain client, over upstreams of every format."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import openai
import pytest
from openai.types.responses.responses_server_event import ResponsesServerEvent
from pydantic import TypeAdapter

from providers.upstream.timeouts import Timeouts
from providers.values import Format
from routing.core.table import RouteSettings
from routing.proxy.responses_socket import MOST_LANES, MOST_WAITING, ResponsesConsumer
from tests.integration.proxy.conftest import KEY, Proxy
from tests.integration.proxy.pairs.spoken import CALLS, HELLO, STREAM
from tests.integration.proxy.upstream_double import answers, openai_error, streams

pytestmark = pytest.mark.timeout(30)
BEARER = {"authorization": f"Bearer {KEY}"}
EVENT = TypeAdapter(ResponsesServerEvent)


@pytest.fixture
async def proxy():
    """Only its parts: the sockets are served by the consumer, mounted as ``asgi.py`` does it."""
    running = Proxy(Timeouts(connect_s=5, first_byte_s=10, idle_s=10))
    yield running
    await running.stop()


@pytest.fixture
async def url(proxy):

    async def gateway():
        return proxy.gateway

    await proxy.start(ResponsesConsumer.as_asgi(gateway=gateway), ws="websockets-sansio")
    return proxy.url


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture
async def ws(session, url):
    async with session.ws_connect(f"{url}/v1/responses", headers=BEARER) as connection:
        yield connection


async def turn(ws, *, checks=True, **fields):
    """One turn: its events up to the terminal one, each checked against the SDK's types."""
    body = {"type": "response.create", "model": "m", **fields}
    await ws.send_json(body)
    return await until_end(ws, checks=checks)


async def until_end(ws, *, checks=True):
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] not in ("response.completed", "response.failed", "error"):
        event = await ws.receive_json(timeout=5)
        if checks:
            EVENT.validate_python(event, strict=False)
        events.append(event)
    return events


def text_of(events):
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


def user(text):
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


async def test_a_turn_is_an_exchange_over_every_format(proxy, upstream, offered, spoken, ws):
    offered(spoken)
    upstream.then(streams(*STREAM[spoken](HELLO)))
    events = await turn(ws, input="Hi", store=False, checks=spoken is not Format.RESPONSES)
    assert text_of(events) == HELLO.text
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1]["response"]["output"][-1]["content"][0]["text"] == HELLO.text
    line = proxy.line
    assert (line.status, line.outcome, line.client_format, line.is_stream) == (200, "ok", "responses", True)
    assert (line.input_tokens, line.output_tokens) == (HELLO.input, HELLO.output)


async def test_the_next_turn_names_the_last_one_and_the_upstream_gets_it_all(upstream, offered, spoken, ws):
    offered(spoken)
    upstream.then(streams(*STREAM[spoken](CALLS)), streams(*STREAM[spoken](HELLO)))
    tools = [{"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}]
    is_ours = spoken is not Format.RESPONSES  # what passes is the double's own
    first = (await turn(ws, input=[user("Weather?")], tools=tools, store=False, checks=is_ours))[-1][
        "response"
    ]
    calls = [item for item in first["output"] if item["type"] == "function_call"]
    outputs = [
        {"type": "function_call_output", "call_id": call["call_id"], "output": f"sun {place}"}
        for place, call in enumerate(calls)
    ]
    more = {"tools": tools, "store": False, "previous_response_id": first["id"]}
    events = await turn(ws, input=outputs, checks=is_ours, **more)
    assert text_of(events) == HELLO.text
    sent = json.dumps(upstream.calls[1].json)
    for told in ("Weather?", "Let me look.", "Paris", "Rome", "sun 0", "sun 1"):
        assert sent.count(told) == 1, told
    assert "previous_response_id" not in upstream.calls[1].json
    if is_ours:
        assert events[-1]["response"]["previous_response_id"] == first["id"]


async def test_a_response_that_the_upstream_stores_is_named_to_it(upstream, offered, proxy, ws):
    offered(Format.RESPONSES)
    offered(Format.RESPONSES)

    def stored(piece):
        return piece.replace(b'"object": "response"', b'"object": "response", "store": true')

    upstream.then(streams(*map(stored, STREAM[Format.RESPONSES](HELLO))))
    first = (await turn(ws, input="One", checks=False))[-1]["response"]
    served = proxy.ledger.written[0].credential_id
    await turn(ws, input="Two", previous_response_id=first["id"], checks=False)
    assert upstream.calls[1].json["previous_response_id"] == first["id"]
    assert upstream.calls[1].json["input"] == "Two"
    assert proxy.ledger.written[1].credential_id == served


async def test_the_sdk_holds_a_conversation(upstream, offered, url):
    offered(Format.CLAUDE)
    upstream.then(streams(*STREAM[Format.CLAUDE](HELLO)))
    async with (
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY) as client,
        client.responses.connect() as connection,
    ):
        previous = None
        for _ in range(3):
            await connection.response.create(model="m", input="Hi", previous_response_id=previous)
            async for event in connection:
                if event.type == "response.completed":
                    previous = event.response.id
                    break
    assert [len(call.json["messages"]) for call in upstream.calls] == [1, 3, 5]


async def test_streams_run_beside_each_other_and_keep_their_names(upstream, offered, ws):
    offered(Format.OPENAI)
    first, *rest = STREAM[Format.OPENAI](HELLO)
    upstream.then(streams(first, rest[0], then_wait=True), streams(first, *rest))
    await ws.send_json({"type": "response.create", "model": "m", "input": "slow", "stream_id": "a"})
    while (await ws.receive_json(timeout=5))["type"] != "response.output_text.delta":
        pass
    await ws.send_json({"type": "response.create", "model": "m", "input": "quick", "stream_id": "b"})
    events = await until_end(ws)
    assert {event["stream_id"] for event in events} == {"b"}
    assert text_of(events) == HELLO.text


async def test_turns_of_one_stream_wait_for_each_other(upstream, offered, ws):
    offered(Format.OPENAI)
    upstream.then(streams(*STREAM[Format.OPENAI](HELLO), gap_s=0.001))
    for text in ("One", "Two"):
        await ws.send_json({"type": "response.create", "model": "m", "input": text})
    first, second = await until_end(ws), await until_end(ws)
    for events in (first, second):
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert text_of(events) == HELLO.text


async def test_nothing_is_asked_when_nothing_shall_be_generated(upstream, offered, ws):
    offered(Format.OPENAI)
    upstream.then(streams(*STREAM[Format.OPENAI](HELLO)))
    prepared = (await turn(ws, input=[user("Remember the blue door.")], generate=False))[-1]["response"]
    assert (prepared["status"], prepared["output"], upstream.calls) == ("completed", [], [])
    await turn(ws, input=[user("Which door?")], previous_response_id=prepared["id"])
    texts = [message["content"] for message in upstream.calls[0].json["messages"]]
    assert "blue door" in json.dumps(texts[0])
    assert "Which door?" in json.dumps(texts[1])
    assert "generate" not in upstream.calls[0].json


async def test_an_unknown_model_is_told_also_when_nothing_shall_be_generated(upstream, offered, ws):
    offered(Format.OPENAI)
    refused = await turn(ws, model="none", input=[user("One")], generate=False)
    assert (refused[-1]["type"], refused[-1]["status"]) == ("error", 404)
    assert (await turn(ws, input=[user("One")], generate=False))[-1]["type"] == "response.completed"


async def test_the_older_append_goes_on_from_the_last_turn(upstream, offered, ws):
    offered(Format.OPENAI)
    upstream.then(streams(*STREAM[Format.OPENAI](HELLO)))
    await turn(ws, input=[user("One")], instructions="Be brief.")
    await ws.send_json({"type": "response.append", "input": [user("Two")]})
    await until_end(ws)
    roles = [message["role"] for message in upstream.calls[1].json["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


WRONG = [
    ("{", 400, None),
    ("[]", 400, None),
    ('"x"', 400, None),
    ("\x00", 400, None),
    ("[" * 50_000, 400, None),
    ('{"type":"response.steer"}', 400, "type"),
    ('{"type":7}', 400, "type"),
    ('{"type":"response.create","input":"Hi"}', 400, "model"),
    ('{"type":"response.create","model":"m","input":"Hi","background":true}', 400, "background"),
    ('{"type":"response.create","model":"m","input":"Hi","generate":"no"}', 400, "generate"),
    ('{"type":"response.create","model":"m","input":7}', 400, "input"),
    ('{"type":"response.create","response":"x"}', 400, "response"),
    ('{"type":"response.create","model":"nope","input":"Hi"}', 404, "model"),
    ('{"type":"response.create","model":"m","input":"Hi","previous_response_id":7}', 400, None),
    ('{"type":"response.create","model":"m","input":"' + "x" * 70_000 + '"}', 413, None),
    (b"\xff\xfe", 400, None),
]


async def test_a_wrong_message_is_told_and_the_connection_lives(upstream, offered, ws):
    offered(Format.OPENAI)
    upstream.then(streams(*STREAM[Format.OPENAI](HELLO)))
    for message, status, param in WRONG:
        await (ws.send_bytes(message) if isinstance(message, bytes) else ws.send_str(message))
        event = await ws.receive_json(timeout=5)
        assert (event["type"], event["status"]) == ("error", status), message[:80]
        assert event["message"] == event["error"]["message"]
        assert event["param"] == param or param is None, message
    assert text_of(await turn(ws, input="Hi")) == HELLO.text


async def test_an_unknown_response_is_told_with_openais_code(upstream, offered, ws):
    offered(Format.OPENAI)
    events = await turn(ws, input="Hi", previous_response_id="resp_unknown")
    assert events[-1]["code"] == events[-1]["error"]["code"] == "previous_response_not_found"
    assert events[-1]["param"] == "previous_response_id"


async def test_a_refusal_of_the_upstream_is_an_event(proxy, upstream, offered, ws):
    offered(Format.CLAUDE)
    limited = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down."}}
    upstream.then(answers(429, limited, {"retry-after": "7"}))
    (event,) = await turn(ws, input="Hi")
    assert (event["status"], event["error"]["message"]) == (429, "Slow down.")
    assert int(event["headers"]["retry-after"]) >= 1
    assert proxy.line.status == 429


async def test_a_stream_that_breaks_ends_with_an_error(upstream, offered, ws):
    offered(Format.OPENAI)
    pieces = STREAM[Format.OPENAI](HELLO)
    upstream.then(streams(*pieces[:4], cut=True), streams(*pieces))
    events = await turn(ws, input="Hi")
    assert events[-1]["type"] == "response.failed"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert text_of(await turn(ws, input="Hi")) == HELLO.text


async def test_failover_stays_before_the_first_event(upstream, offered, ws):
    offered(Format.OPENAI)
    offered(Format.OPENAI)
    upstream.then(answers(500, openai_error("no")), streams(*STREAM[Format.OPENAI](HELLO)))
    assert text_of(await turn(ws, input="Hi")) == HELLO.text
    assert len(upstream.calls) == 2


async def test_who_leaves_ends_the_upstreams_request(proxy, upstream, offered, session, url):
    offered(Format.OPENAI)
    pieces = STREAM[Format.OPENAI](HELLO)
    upstream.then(streams(*pieces[:3], then_wait=True))
    async with session.ws_connect(f"{url}/v1/responses", headers=BEARER) as ws:
        await ws.send_json({"type": "response.create", "model": "m", "input": "Hi"})
        await ws.receive_json(timeout=5)
    await asyncio.wait_for(upstream.calls[0].ended.wait(), 5)
    assert upstream.calls[0].is_cancelled
    for _ in range(100):
        if proxy.ledger.written:
            break
        await asyncio.sleep(0.01)
    assert proxy.line.outcome == "client_gone"


async def test_limits_of_one_connection(upstream, offered, ws):
    offered(Format.OPENAI)
    upstream.then(streams(STREAM[Format.OPENAI](HELLO)[0], then_wait=True))
    create = {"type": "response.create", "model": "m", "input": "Hi"}
    for _ in range(MOST_WAITING + 2):  # one runs, the others wait
        await ws.send_json(create)
    while (event := await ws.receive_json(timeout=5))["type"] != "error":
        pass
    assert event["code"] == "too_many_waiting_responses"
    for number in range(MOST_LANES):
        await ws.send_json({**create, "stream_id": f"s{number}"})
    while (event := await ws.receive_json(timeout=5))["type"] != "error":
        pass
    assert event["code"] == "websocket_stream_limit_reached"


async def test_what_waits_is_bounded_in_bytes(upstream, offered, ws):
    offered(Format.OPENAI)
    upstream.then(streams(STREAM[Format.OPENAI](HELLO)[0], then_wait=True))
    create = {"type": "response.create", "model": "m", "input": "x" * 40_000}
    for _ in range(3):  # one runs, one waits, the third is too much beside it
        await ws.send_json(create)
    while (event := await ws.receive_json(timeout=5))["type"] != "error":
        pass
    assert (event["code"], event["status"]) == ("too_many_waiting_responses", 400)


@pytest.mark.parametrize(
    ("headers", "protocols", "status"),
    [
        ({}, (), 401),
        ({"authorization": "Bearer wrong"}, (), 401),
        ({"x-api-key": KEY}, (), 101),
        ({}, (f"openai-insecure-api-key.{KEY}", "realtime"), 101),
    ],
)
async def test_the_key_is_asked_for_before_the_socket_opens(session, url, headers, protocols, status):
    connecting = session.ws_connect(f"{url}/v1/responses", headers=headers, protocols=protocols)
    if status == 101:
        async with connecting as ws:
            assert not ws.closed
        return
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await connecting
    assert refused.value.status == status


async def test_an_admin_may_refuse_sockets(proxy, session, url):
    proxy.settings = RouteSettings(responses_websocket=False)
    proxy.publish()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await session.ws_connect(f"{url}/v1/responses", headers=BEARER)
    assert refused.value.status == 426
