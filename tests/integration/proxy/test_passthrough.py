"""An OpenAI client over an OpenAI-compatible upstream: bytes pass."""

import json

from tests.integration.proxy.upstream_double import (
    COMPLETION,
    DONE,
    HELLO_STREAM,
    USAGE_CHUNK,
    answers,
    chunk,
    streams,
)


async def test_an_answer_passes_unchanged_and_is_recorded(proxy, upstream):
    raw = json.dumps(COMPLETION, indent=1).encode()
    upstream.then(answers(body=raw))
    proxy.offer("m", f"{upstream.url}/v1", "up")
    response = await proxy.chat()
    assert response.status_code == 200
    assert response.content == raw
    assert response.headers["x-cliproxy-provider"] == "fake-1"
    assert response.headers["x-cliproxy-attempts"] == "1"
    assert float(response.headers["x-cliproxy-overhead-ms"]) >= 0
    line = proxy.line
    assert (line.input_tokens, line.output_tokens, line.cached_tokens, line.reasoning_tokens) == (9, 3, 4, 1)
    assert (line.status, line.outcome, line.route_model, line.upstream_model) == (200, "ok", "m", "up")
    assert line.client_key_id == 1
    assert line.attempts[0]["status"] == 200


async def test_unknown_request_fields_number_spelling_and_key_order_reach_the_upstream(proxy, upstream):
    upstream.then(answers(body=COMPLETION))
    proxy.offer("m", f"{upstream.url}/v1", "up")
    await proxy.post(
        b'{"zeta": 1.50, "model":"m", "messages":[{"role":"user","content":"Hi"}],"alpha":{"x":1e2}}'
    )
    sent = upstream.calls[0].body
    assert sent == b'{"zeta":1.50,"model":"up","messages":[{"role":"user","content":"Hi"}],"alpha":{"x":1e2}}'


async def test_a_body_that_needs_no_edit_is_sent_byte_for_byte(proxy, upstream):
    upstream.then(answers(body=COMPLETION))
    proxy.offer("m", f"{upstream.url}/v1")
    body = b'{ "model" : "m",\n "messages" : [ ] }'
    await proxy.post(body)
    assert upstream.calls[0].body == body


async def test_the_gateways_key_is_sent_and_the_clients_is_not(proxy, upstream):
    upstream.then(answers(body=COMPLETION))
    proxy.offer("m", f"{upstream.url}/v1")
    await proxy.chat()
    headers = upstream.calls[0].headers
    assert headers["authorization"] == "Bearer upstream-secret-1"
    assert "cpx-test-key" not in str(headers)


async def test_a_stream_asks_for_usage_and_hides_it_from_a_client_that_did_not(proxy, upstream):
    upstream.then(streams(*HELLO_STREAM))
    proxy.offer("m", f"{upstream.url}/v1")
    response = await proxy.chat(stream=True)
    assert upstream.calls[0].json["stream_options"] == {"include_usage": True}
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.content == b"".join(piece for piece in HELLO_STREAM if piece != USAGE_CHUNK)
    assert (proxy.line.input_tokens, proxy.line.output_tokens) == (9, 3)


async def test_a_client_that_asked_for_usage_gets_every_byte(proxy, upstream):
    upstream.then(streams(*HELLO_STREAM))
    proxy.offer("m", f"{upstream.url}/v1")
    response = await proxy.chat(stream=True, stream_options={"include_usage": True})
    assert response.content == b"".join(HELLO_STREAM)


async def test_a_stream_is_the_same_however_the_network_cuts_it(proxy, upstream):
    whole = b"".join((chunk("Grüße 👋"), *HELLO_STREAM))
    proxy.offer("m", f"{upstream.url}/v1")
    upstream.then(streams(*(whole[at : at + 1] for at in range(len(whole)))))
    one_by_one = await proxy.chat(stream=True)
    upstream.scripts[:] = [streams(whole)]
    at_once = await proxy.chat(stream=True)
    assert one_by_one.content == at_once.content == whole.replace(USAGE_CHUNK, b"")


async def test_a_stream_without_its_terminator_gets_one(proxy, upstream):
    upstream.then(streams(chunk("Hi"), chunk(finish="stop")))
    proxy.offer("m", f"{upstream.url}/v1")
    response = await proxy.chat(stream=True)
    assert response.content == chunk("Hi") + chunk(finish="stop") + DONE
    assert proxy.line.outcome == "ok"


async def test_a_forced_alias_stands_in_every_chunk(proxy, upstream):
    upstream.then(streams(*HELLO_STREAM), answers(body=COMPLETION))
    proxy.offer("alias", f"{upstream.url}/v1", "up", force_mapping=True)
    response = await proxy.chat("alias", stream=True)
    models = {json.loads(line[6:])["model"] for line in response.text.split("\n\n") if line[6:7] == "{"}
    assert models == {"alias"}
    assert (await proxy.chat("alias")).json()["model"] == "alias"


async def test_the_request_id_is_echoed_or_made(proxy, upstream):
    upstream.then(answers(body=COMPLETION))
    proxy.offer("m", f"{upstream.url}/v1")
    echoed = await proxy.post({"model": "m", "messages": []}, **{"x-request-id": "trace-7"})
    assert echoed.headers["x-request-id"] == "trace-7"
    made = await proxy.chat()
    assert len(made.headers["x-request-id"]) == 32


async def test_a_thinking_suffix_sets_the_effort(proxy, upstream):
    upstream.then(answers(body=COMPLETION))
    proxy.offer("m", f"{upstream.url}/v1", "up")
    await proxy.chat("m(high)")
    await proxy.chat("m(8192)")
    assert [(call.json["model"], call.json["reasoning_effort"]) for call in upstream.calls] == [
        ("up", "high"),
        ("up", "medium"),
    ]
