"""Amp's clients: served here, by a stand-in, or by Amp itself; and its control plane."""

from __future__ import annotations

import gzip
import json

import msgspec
import pytest
from aiohttp import web

from routing.core.amp_settings import AmpMapping, AmpSettings
from tests.integration.proxy.conftest import KEY, digest
from tests.integration.proxy.pairs.spoken import CALLS, HELLO, claude_whole, openai_stream, openai_whole
from tests.integration.proxy.upstream_double import FakeUpstream, answers, streams

BEARER = {"authorization": f"Bearer {KEY}"}
CHAT = {"model": "asked", "messages": [{"role": "user", "content": "Hi"}]}
MESSAGE = {"model": "asked", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
async def amp():
    double = FakeUpstream()
    await double.start()
    yield double
    await double.stop()


def switch_on(proxy, amp, **fields):
    settings = AmpSettings(**({"upstream_url": amp.url, "key": "amp-key"} | fields))
    proxy.live.table = msgspec.structs.replace(proxy.live.table, amp=settings)


async def post(proxy, path, body, headers=BEARER):
    return await proxy.http.post(f"{proxy.url}{path}", json=body, headers=headers)


@pytest.mark.parametrize(
    "path",
    [
        "/api/provider/openai/chat/completions",
        "/api/provider/openai/v1/chat/completions",
    ],
)
async def test_what_somebody_serves_here_is_served_here(proxy, upstream, amp, path):
    proxy.offer("asked", f"{upstream.url}/v1")
    switch_on(proxy, amp)
    upstream.then(answers(body=openai_whole(HELLO)))
    assert (await post(proxy, path, CHAT)).status_code == 200
    assert amp.calls == []


async def test_every_dialect_has_its_path(proxy, upstream, amp):
    proxy.offer("asked", upstream.url, adapter="claude")
    switch_on(proxy, amp)
    upstream.then(answers(body=claude_whole(HELLO)))
    generation = {"contents": [{"parts": [{"text": "Hi"}]}]}
    google = "/api/provider/google/v1beta1/publishers/google/models/asked:generateContent"
    assert (await post(proxy, "/api/provider/anthropic/v1/messages", MESSAGE)).json()["type"] == "message"
    assert (await post(proxy, google, generation)).json()["candidates"]
    response = await post(proxy, "/api/provider/openai/responses", {"model": "asked", "input": "Hi"})
    assert response.json()["object"] == "response"
    broken = await post(proxy, "/api/provider/google/v1beta1/nothing", generation)
    assert broken.status_code == 400


async def test_a_stand_in_answers_under_the_name_that_was_asked_for(proxy, upstream, amp):
    proxy.offer("other", f"{upstream.url}/v1", "up")
    mapping = AmpMapping(source="ASKED", target="other", params={"temperature": 0.5, "model": "no"})
    switch_on(proxy, amp, mappings=(mapping,))
    upstream.then(answers(body=openai_whole(HELLO)), streams(*openai_stream(HELLO)))
    answer = await post(proxy, "/api/provider/openai/v1/chat/completions", CHAT)
    assert answer.json()["model"] == "asked"
    assert upstream.calls[0].json["model"] == "up"
    assert upstream.calls[0].json["temperature"] == 0.5
    streamed = await post(proxy, "/api/provider/openai/v1/chat/completions", {**CHAT, "stream": True})
    models = {
        json.loads(line[6:])["model"] for line in streamed.text.splitlines() if line.startswith("data: {")
    }
    assert models == {"asked"}


async def test_a_stand_ins_calls_come_without_its_thinking(proxy, upstream, amp):
    proxy.offer("other", upstream.url, adapter="claude")
    switch_on(proxy, amp, mappings=(AmpMapping(source="^ask", target="other", is_regex=True),))
    body = claude_whole(CALLS)
    body["content"].insert(0, {"type": "thinking", "thinking": "hm", "signature": "c2ln"})
    upstream.then(answers(body=body))
    answer = await post(proxy, "/api/provider/anthropic/v1/messages", MESSAGE)
    assert [block["type"] for block in answer.json()["content"]] == ["text", "tool_use", "tool_use"]
    assert answer.json()["model"] == "asked"


async def test_forced_mappings_come_before_what_is_served_here(proxy, upstream, amp):
    proxy.offer("asked", f"{upstream.url}/v1", "first")
    proxy.offer("other", f"{upstream.url}/v1", "second")
    switch_on(proxy, amp, mappings=(AmpMapping(source="asked", target="other"),), forces_mappings=True)
    upstream.then(answers(body=openai_whole(HELLO)))
    await post(proxy, "/api/provider/openai/v1/chat/completions", CHAT)
    assert upstream.calls[0].json["model"] == "second"


async def test_amp_serves_the_rest_with_its_own_key(proxy, amp):
    switch_on(proxy, amp, key_by_client={digest(KEY): "key-of-alice"})
    amp.then(streams(b"data: one\n\n", b"data: two\n\n"))
    headers = {**BEARER, "anthropic-beta": "context-1m-2025-08-07", "x-amp": "1"}
    path = f"/api/provider/anthropic/v1/messages?key={KEY}&x=1"
    answer = await post(proxy, path, {**MESSAGE, "stream": True}, headers)
    assert answer.content == b"data: one\n\ndata: two\n\n"
    call = amp.calls[0]
    assert call.path == "/api/provider/anthropic/v1/messages?x=1"
    assert call.json == {**MESSAGE, "stream": True}
    assert call.headers["authorization"] == "Bearer key-of-alice"
    assert call.headers["x-api-key"] == "key-of-alice"
    assert call.headers["anthropic-beta"] == "context-1m-2025-08-07"
    assert KEY not in json.dumps(call.headers)


async def test_without_amp_an_unknown_model_is_unknown(proxy):
    answer = await post(proxy, "/api/provider/openai/v1/chat/completions", CHAT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_the_long_context_is_not_asked_of_others(proxy, upstream, amp):
    proxy.offer("asked", upstream.url, adapter="claude")
    switch_on(proxy, amp)
    upstream.then(answers(body=claude_whole(HELLO)))
    headers = {**BEARER, "anthropic-beta": "context-1m-2025-08-07, other-1"}
    await post(proxy, "/api/provider/anthropic/v1/messages", MESSAGE, headers)
    assert upstream.calls[0].headers["anthropic-beta"] == "other-1"


@pytest.mark.parametrize(
    ("provider", "field"), [("anthropic", "has_more"), ("google", "models"), ("x", "object")]
)
async def test_models_are_listed_in_the_providers_shape(proxy, upstream, provider, field):
    proxy.offer("asked", upstream.url)
    answer = await proxy.http.get(f"{proxy.url}/api/provider/{provider}/models", headers=BEARER)
    assert field in answer.json()


# --- control plane ---------------------------------------------------------------------------------


async def test_the_control_plane_passes_with_cookies_and_status(proxy, amp):
    async def logs_in(request, call):
        response = web.Response(status=302, headers={"location": "/somewhere"})
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    switch_on(proxy, amp)
    amp.then(logs_in)
    answer = await proxy.http.get(f"{proxy.url}/auth/cli?x=1", headers={"cookie": "c=3"})
    assert answer.status_code == 302
    assert answer.headers["location"] == "/somewhere"
    assert len(answer.headers.get_list("set-cookie")) == 2
    assert amp.calls[0].headers["cookie"] == "c=3"
    assert "x-api-key" not in amp.calls[0].headers


async def test_an_api_path_needs_a_client_key_and_gets_amps(proxy, amp):
    switch_on(proxy, amp)
    amp.then(answers(body={"ok": True}))
    assert (await proxy.http.get(f"{proxy.url}/api/user")).status_code == 401
    assert (await proxy.http.get(f"{proxy.url}/api/user", headers=BEARER)).json() == {"ok": True}
    assert amp.calls[0].headers["x-api-key"] == "amp-key"


async def test_a_body_compressed_in_silence_is_readable(proxy, amp):
    switch_on(proxy, amp)
    amp.then(answers(body=gzip.compress(b'{"ok":true}')))
    assert (await proxy.http.get(f"{proxy.url}/api/meta", headers=BEARER)).json() == {"ok": True}


async def test_no_address_no_control_plane(proxy):
    answer = await proxy.http.get(f"{proxy.url}/threads/1")
    assert (answer.status_code, answer.json()) == (503, {"error": "amp upstream proxy not available"})


async def test_another_origin_and_an_unreachable_amp_are_refused(proxy, amp):
    switch_on(proxy, amp)
    assert (await proxy.http.options(f"{proxy.url}/api/user", headers=BEARER)).status_code == 403
    await amp.stop()
    answer = await proxy.http.get(f"{proxy.url}/api/user", headers=BEARER)
    assert (answer.status_code, answer.json()["error"]) == (502, "amp_upstream_proxy_error")
