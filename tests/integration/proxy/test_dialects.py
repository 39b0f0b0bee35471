"""What clients send and want beside plain generation: paths, errors, lists, counts, and their habits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from providers.adapters.registry import adapter_for
from providers.translation.registry import CODECS
from providers.values import Format
from routing.core.table import ClientEntry, RouteSettings
from tests.integration.proxy.conftest import KEY, digest
from tests.integration.proxy.pairs.conftest import proxy
from tests.integration.proxy.pairs.spoken import (
    CALLS,
    HELLO,
    STREAM,
    WHOLE,
    gemini_chunks,
    refusal,
    sse,
)
from tests.integration.proxy.upstream_double import answers, streams

__all__ = ["proxy"]  # a fixture of this module too

BEARER = {"authorization": f"Bearer {KEY}"}
ANTHROPIC = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
MESSAGE = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
GENERATION = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
RESPONSE = {"model": "m", "input": "Hi"}


@pytest.fixture
def claude(proxy, upstream):
    return proxy.offer("m", upstream.url, "up", adapter="claude")


@pytest.fixture
def gemini(proxy, upstream):
    return proxy.offer("m", upstream.url, "up", adapter="gemini")


@pytest.fixture
def codex(proxy, upstream):
    return proxy.offer("m", f"{upstream.url}/v1", "up", adapter="codex")


@pytest.fixture
def chat(proxy, upstream):
    return proxy.offer("m", f"{upstream.url}/v1", "up")


async def post(proxy, path, body, headers=BEARER):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await proxy.http.post(f"{proxy.url}{path}", content=content, headers=headers)


async def get(proxy, path, headers=BEARER):
    return await proxy.http.get(f"{proxy.url}{path}", headers=headers)


# --- Anthropic's dialect -------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/messages", "/messages", "/v1/v1/messages", "/v1/messages/"])
async def test_messages_are_found_under_every_base_url(proxy, upstream, claude, path):
    upstream.then(answers(body=WHOLE[Format.CLAUDE](HELLO)))
    response = await post(proxy, path, MESSAGE, ANTHROPIC)
    assert response.json()["content"][0]["text"] == HELLO.text
    assert response.headers["request-id"] == response.headers["x-request-id"]


async def test_anthropic_headers_and_query_go_up_and_the_clients_key_does_not(proxy, upstream, claude):
    upstream.then(answers(body=WHOLE[Format.CLAUDE](HELLO)))
    headers = {
        "anthropic-version": "2026-10-21",
        "anthropic-beta": "x-1,y-2",
        "authorization": f"Bearer {KEY}",
    }
    await post(proxy, "/v1/messages?beta=true", MESSAGE, headers)
    call = upstream.calls[0]
    assert call.path == "/v1/messages?beta=true"
    assert (call.headers["anthropic-version"], call.headers["anthropic-beta"]) == ("2026-10-21", "x-1,y-2")
    assert call.headers["x-api-key"] == "upstream-secret-1"
    assert KEY not in str(call.headers)


async def test_an_identity_message_keeps_every_byte_but_the_model(proxy, upstream, claude):
    answer = b'{"type":"message","content":[],"zeta":1.50,"usage":{"input_tokens":3,"output_tokens":2}}'
    upstream.then(answers(body=answer))
    body = b'{"zeta":1.50,"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"a":1e2}'
    response = await post(proxy, "/v1/messages", body, ANTHROPIC)
    assert upstream.calls[0].body == body.replace(b'"m"', b'"up"', 1)
    assert response.content == answer
    assert (proxy.line.input_tokens, proxy.line.output_tokens) == (3, 2)


async def test_an_identity_stream_keeps_unknown_events(proxy, upstream, claude):
    events = STREAM[Format.CLAUDE](HELLO)
    events.insert(2, sse({"type": "brand_new", "x": [1.0]}, "brand_new"))
    upstream.then(streams(*events))
    response = await post(proxy, "/v1/messages", {**MESSAGE, "stream": True}, ANTHROPIC)
    assert response.content == b"".join(events)
    assert (proxy.line.input_tokens, proxy.line.output_tokens) == (HELLO.input, HELLO.output)


async def test_reasoning_that_another_vendor_issued_is_not_sent_to_anthropic(proxy, upstream, claude):
    upstream.then(answers(body=WHOLE[Format.CLAUDE](HELLO)))
    foreign = {"type": "thinking", "thinking": "hm", "signature": "cliproxy.1.gemini.own.abc"}
    own = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    text = {"type": "text", "text": "ok"}
    user = {"role": "user", "content": "Hi"}
    messages = [user, {"role": "assistant", "content": [foreign, own, text]}, user]
    await post(proxy, "/v1/messages", {**MESSAGE, "messages": messages}, ANTHROPIC)
    assert upstream.calls[0].json["messages"][1]["content"] == [own, text]


async def test_a_suffix_turns_thinking_on(proxy, upstream):
    proxy.offer("s", upstream.url, "claude-sonnet-4-5", adapter="claude")
    upstream.then(answers(body=WHOLE[Format.CLAUDE](HELLO)))
    await post(proxy, "/v1/messages", {**MESSAGE, "model": "s(8192)"}, ANTHROPIC)
    sent = upstream.calls[0].json
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": 8192}
    assert sent["max_tokens"] > 8192


async def test_a_refusal_passes_with_the_upstreams_own_body(proxy, upstream, claude):
    body = refusal(Format.CLAUDE, 400, "prompt is too long: 5 tokens > 4 maximum")
    upstream.then(answers(400, body))
    response = await post(proxy, "/v1/messages", MESSAGE, ANTHROPIC)
    assert (response.status_code, response.json()) == (400, body)


async def test_an_overload_keeps_its_status_for_anthropic_clients_only(proxy, upstream, claude):
    upstream.then(answers(529, refusal(Format.CLAUDE, 529, "overloaded")))
    proxy.settings = type(proxy.settings)(request_retry=0, disable_cooling=True)
    proxy.publish()
    native = await post(proxy, "/v1/messages", MESSAGE, ANTHROPIC)
    assert (native.status_code, native.json()["error"]["type"]) == (529, "overloaded_error")
    assert (await post(proxy, "/v1/chat/completions", CHAT)).status_code == 503


# --- Gemini's dialect ----------------------------------------------------------------------------


async def test_the_key_may_stand_in_the_query_and_does_not_go_up(proxy, upstream, gemini):
    upstream.then(answers(body=WHOLE[Format.GEMINI](HELLO)))
    path = f"/v1beta/models/m:generateContent?key={KEY}"
    response = await post(proxy, path, GENERATION, {})
    assert response.status_code == 200
    assert upstream.calls[0].path == "/v1beta/models/up:generateContent"
    assert KEY not in upstream.calls[0].path + str(upstream.calls[0].headers)


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/v1/v1beta/models", "/v1beta/v1beta/models"])
async def test_generation_is_found_under_every_version(proxy, upstream, gemini, path):
    upstream.then(answers(body=WHOLE[Format.GEMINI](HELLO)))
    response = await post(proxy, f"{path}/m:generateContent", GENERATION)
    assert response.status_code == 200


@pytest.mark.parametrize("format_", list(CODECS))
async def test_without_alt_sse_a_stream_is_one_json_array(proxy, upstream, format_):
    adapter, path = {
        Format.OPENAI: ("openai-compatibility", "/v1"),
        Format.RESPONSES: ("codex", "/v1"),
        Format.CLAUDE: ("claude", ""),
        Format.GEMINI: ("gemini", ""),
    }[format_]
    proxy.offer("m", upstream.url + path, "up", adapter=adapter)
    upstream.then(streams(*STREAM[format_](HELLO)))
    response = await post(proxy, "/v1beta/models/m:streamGenerateContent", GENERATION)
    assert response.headers["content-type"].startswith("application/json")
    chunks = response.json()
    assert len(chunks) > 1
    texts = [part["text"] for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]
    assert "".join(texts) == HELLO.text
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"


@pytest.mark.parametrize("format_", [Format.OPENAI, Format.GEMINI])
async def test_an_array_that_is_cut_ends_with_an_error(proxy, upstream, format_):
    path, adapter = ("/v1", "openai-compatibility") if format_ is Format.OPENAI else ("", "gemini")
    proxy.offer("m", upstream.url + path, "up", adapter=adapter)
    upstream.then(streams(*STREAM[format_](HELLO)[:5]))
    response = await post(proxy, "/v1beta/models/m:streamGenerateContent", GENERATION)
    *_, last = response.json()
    assert last["error"]["code"] == 502
    assert proxy.line.outcome == "cut"


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1beta/models/m:streamGenerateContent?alt=sse"])
async def test_an_upstream_may_answer_with_an_array(proxy, upstream, gemini, path, at_once):
    whole = json.dumps(gemini_chunks(CALLS), indent=1, ensure_ascii=False).encode()

    async def script(request, call):
        answer = web.StreamResponse(headers={"content-type": "application/json"})
        await answer.prepare(request)
        for at in range(0, len(whole), len(whole) if at_once else 11):
            await answer.write(whole[at : at + (len(whole) if at_once else 11)])
        return answer

    upstream.then(script)
    body = {**CHAT, "stream": True} if "chat" in path else GENERATION
    response = await post(proxy, path, body)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text.count("get_weather") == 2
    assert proxy.line.outcome == "ok"
    assert proxy.line.output_tokens == CALLS.output


# --- Responses -----------------------------------------------------------------------------------


STATE = {
    "previous_response_id": "resp_0",
    "conversation": "conv_1",
    "background": True,
    "prompt": {"id": "p"},
}


@pytest.mark.parametrize("field", [{name: value} for name, value in STATE.items()], ids=STATE)
async def test_state_passes_to_who_keeps_it_and_is_refused_elsewhere(proxy, upstream, codex, field):
    upstream.then(answers(body=WHOLE[Format.RESPONSES](HELLO)))
    assert (await post(proxy, "/v1/responses", {**RESPONSE, **field})).status_code == 200
    assert upstream.calls[0].json == {**RESPONSE, **field, "model": "up"}
    proxy.offer("other", upstream.url, "up", adapter="claude")
    refused = await post(proxy, "/v1/responses", {**RESPONSE, **field, "model": "other"})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == next(iter(field))
    assert len(upstream.calls) == 1


async def test_state_chooses_the_upstream_that_keeps_it(proxy, upstream, chat):
    proxy.offer("m", f"{upstream.url}/v1", "up", adapter="codex")
    upstream.then(answers(body=WHOLE[Format.RESPONSES](HELLO)))
    for _ in range(3):
        body = {**RESPONSE, "previous_response_id": "resp_0"}
        assert (await post(proxy, "/v1/responses", body)).status_code == 200
    assert {call.path for call in upstream.calls} == {"/v1/responses"}


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
async def test_an_upstream_that_only_streams_is_asked_for_a_stream(proxy, upstream, codex, monkeypatch, path):
    monkeypatch.setattr(adapter_for("codex"), "streams_only", True)
    upstream.then(streams(*STREAM[Format.RESPONSES](HELLO)))
    response = await post(proxy, path, RESPONSE if path.endswith("responses") else CHAT)
    assert upstream.calls[0].json["stream"] is True
    assert upstream.calls[0].headers["accept"] == "text/event-stream"
    assert response.headers["content-type"] == "application/json"
    assert HELLO.text in json.dumps(response.json(), ensure_ascii=False)


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
async def test_an_upstream_that_never_streams_is_not_asked_to(proxy, upstream, codex, monkeypatch, path):
    monkeypatch.setattr(adapter_for("codex"), "never_streams", True)
    upstream.then(answers(body=WHOLE[Format.RESPONSES](HELLO)))
    body = RESPONSE if path.endswith("responses") else CHAT
    response = await post(proxy, path, {**body, "stream": True})
    assert upstream.calls[0].json.get("stream", False) is False
    assert response.headers["content-type"].startswith("text/event-stream")
    assert HELLO.text in response.text


async def test_compact_passes_through_or_is_refused(proxy, upstream, codex):
    compacted = {"id": "r", "object": "response.compaction", "output": [], "usage": {"input_tokens": 4}}
    upstream.then(answers(body=compacted))
    response = await post(proxy, "/v1/responses/compact", RESPONSE)
    assert (response.json(), upstream.calls[0].path) == (compacted, "/v1/responses/compact")
    proxy.offer("other", upstream.url, "up", adapter="gemini")
    assert (await post(proxy, "/v1/responses/compact", {**RESPONSE, "model": "other"})).status_code == 501


async def test_any_openai_compatible_server_is_asked_to_compact_in_the_form_of_responses(proxy, upstream):
    proxy.offer("m", f"{upstream.url}/v1", "up")
    compacted = {"id": "r", "object": "response.compaction", "output": []}
    upstream.then(answers(body=compacted), answers(404, {"error": {"message": "Not Found"}}))
    assert (await post(proxy, "/v1/responses/compact", RESPONSE)).json() == compacted
    (call,) = upstream.calls
    assert call.path == "/v1/responses/compact"
    assert (call.json["model"], call.json["input"]) == ("up", RESPONSE["input"])
    assert (await post(proxy, "/v1/responses/compact", RESPONSE)).status_code == 404
    upstream.scripts[:] = [answers(body=WHOLE[Format.OPENAI](HELLO))]
    assert (await post(proxy, "/v1/responses", RESPONSE)).status_code == 200  # it rests nobody


async def test_a_compatible_server_is_asked_in_chat_unless_it_speaks_responses(proxy, upstream):
    proxy.offer("a", f"{upstream.url}/v1", "up")
    proxy.offer("b", f"{upstream.url}/v1", "up", options={"speaks-responses": True})
    proxy.offer("c", f"{upstream.url}/v1", "up", adapter="openai")
    upstream.then(
        answers(body=WHOLE[Format.OPENAI](HELLO)),
        answers(body=WHOLE[Format.RESPONSES](HELLO)),
        answers(body=WHOLE[Format.RESPONSES](HELLO)),
    )
    for model in "abc":
        response = await post(proxy, "/v1/responses", {**RESPONSE, "model": model})
        assert response.json()["output"][0]["content"][0]["text"] == HELLO.text
    assert [call.path for call in upstream.calls] == [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/responses",
    ]


@pytest.mark.parametrize("format_", [Format.OPENAI, Format.RESPONSES, Format.CLAUDE])
@pytest.mark.parametrize("stream", [False, True])
async def test_cursors_body_on_the_chat_endpoint_is_answered_with_chat(proxy, upstream, format_, stream):
    adapter, path = {
        Format.OPENAI: ("openai-compatibility", "/v1"),
        Format.RESPONSES: ("codex", "/v1"),
        Format.CLAUDE: ("claude", ""),
    }[format_]
    proxy.offer("m", upstream.url + path, "up", adapter=adapter)
    upstream.then(streams(*STREAM[format_](HELLO)) if stream else answers(body=WHOLE[format_](HELLO)))
    body = {
        "model": "m",
        "stream": stream,
        "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "reasoning": {"effort": "low"},
        "include": ["reasoning.encrypted_content"],
    }
    response = await post(proxy, "/v1/chat/completions", body)
    assert response.status_code == 200
    if not stream:
        assert response.json()["choices"][0]["message"]["content"] == HELLO.text
        return
    lines = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    chunks = [json.loads(line) for line in lines]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    texts = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]]
    assert "".join(texts) == HELLO.text


# --- errors --------------------------------------------------------------------------------------

SHAPES = {
    Format.OPENAI: lambda body: body["error"]["type"],
    Format.RESPONSES: lambda body: body["error"]["type"],
    Format.CLAUDE: lambda body: (body["type"], body["error"]["type"]) and body["error"]["type"],
    Format.GEMINI: lambda body: body["error"]["status"],
}
PATHS = [
    ("/v1/chat/completions", Format.OPENAI),
    ("/v1/completions", Format.OPENAI),
    ("/v1/responses", Format.RESPONSES),
    ("/v1/messages", Format.CLAUDE),
    ("/v1/messages/count_tokens", Format.CLAUDE),
    ("/v1beta/models/m:generateContent", Format.GEMINI),
    ("/v1beta/models/m:countTokens", Format.GEMINI),
]


@pytest.mark.parametrize(("path", "dialect"), PATHS)
async def test_errors_are_in_the_callers_dialect(proxy, chat, path, dialect):
    found = {
        401: await post(proxy, path, {}, {}),
        400: await post(proxy, path, b"{nonsense"),
        405: await get(proxy, path),
        413: await post(proxy, path, b" " * (proxy.gateway.body_limit + 1)),
    }
    assert {status: response.status_code for status, response in found.items()} == {k: k for k in found}
    kinds = [SHAPES[dialect](response.json()) for response in found.values()]
    assert all(kinds)
    if dialect is Format.GEMINI:
        assert kinds[0] == "UNAUTHENTICATED"
    if dialect is Format.CLAUDE:
        assert (kinds[0], kinds[3]) == ("authentication_error", "request_too_large")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/messages", {**MESSAGE, "model": "nope"}, "not_found_error"),
        ("/v1beta/models/nope:generateContent", GENERATION, "NOT_FOUND"),
        ("/v1/responses", {**RESPONSE, "model": "nope"}, "model_not_found"),
    ],
)
async def test_an_unknown_model_is_what_the_vendor_says(proxy, path, body, status):
    response = await post(proxy, path, body)
    assert response.status_code == 404
    assert status in response.text


@pytest.mark.parametrize(
    ("path", "headers", "mark"),
    [
        ("/v1/messages/nope", {}, '"type":"error"'),
        ("/v1/nope", {"anthropic-version": "2023-06-01"}, '"type":"error"'),
        ("/v1beta/nope", {}, '"status":"NOT_FOUND"'),
        ("/v1/nope", {}, '"code":"unknown_url"'),
    ],
)
async def test_an_unknown_path_is_told_in_the_dialect_of_the_caller(proxy, path, headers, mark):
    response = await post(proxy, path, {}, headers)
    assert response.status_code == 404
    assert mark in response.text.replace('": ', '":')


NONSENSE = (
    b"",
    b"1",
    b"[]",
    b'{"model":1}',
    b'{"model":"m"}',
    b'{"model":"m","messages":7}',
    b'{"model":"m","input":{}}',
    b"[" * 3000,
    b'{"a":' * 3000,
    b"\xff\xfe",
)


@pytest.mark.parametrize("body", NONSENSE)
@pytest.mark.parametrize(("path", "dialect"), PATHS)
async def test_any_bytes_are_a_400_and_never_a_500(proxy, chat, upstream, path, dialect, body):
    upstream.then(answers(400, refusal(Format.OPENAI, 400, "bad")))
    response = await post(proxy, path, body)
    assert response.status_code in (400, 404)
    assert SHAPES[dialect](response.json())


# --- counting ------------------------------------------------------------------------------------


async def test_an_upstream_that_counts_is_asked(proxy, upstream, claude):
    upstream.then(answers(body={"input_tokens": 42}))
    body = {key: value for key, value in MESSAGE.items() if key != "max_tokens"}
    response = await post(proxy, "/v1/messages/count_tokens?beta=true", body, ANTHROPIC)
    assert response.json() == {"input_tokens": 42}
    assert "x-cliproxy-estimate" not in response.headers
    assert upstream.calls[0].path == "/v1/messages/count_tokens?beta=true"
    assert upstream.calls[0].json["model"] == "up"


async def test_gemini_counts_with_its_own_model_inside_the_body(proxy, upstream, gemini):
    upstream.then(answers(body={"totalTokens": 7}))
    inner = {"model": "models/m", **GENERATION}
    response = await post(proxy, "/v1beta/models/m:countTokens", {"generateContentRequest": inner})
    assert response.json() == {"totalTokens": 7}
    assert upstream.calls[0].path == "/v1beta/models/up:countTokens"
    assert upstream.calls[0].json["generateContentRequest"]["model"] == "models/up"


async def test_openai_counts_responses_itself(proxy, upstream):
    proxy.offer("m", f"{upstream.url}/v1", "up", adapter="openai")
    upstream.then(answers(body={"object": "response.input_tokens", "input_tokens": 5}))
    response = await post(proxy, "/v1/responses/input_tokens", RESPONSE)
    assert response.json()["input_tokens"] == 5
    assert upstream.calls[0].path == "/v1/responses/input_tokens"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/messages/count_tokens", {"model": "m", "messages": MESSAGE["messages"]}, "input_tokens"),
        ("/v1/responses/input_tokens", RESPONSE, "input_tokens"),
        ("/v1beta/models/m:countTokens", GENERATION, "totalTokens"),
        (
            "/v1beta/models/m:countTokens",
            {"generateContentRequest": {"model": "models/m", **GENERATION}},
            "totalTokens",
        ),
    ],
)
async def test_what_cannot_count_is_estimated_and_says_so(proxy, upstream, chat, path, body, field):
    response = await post(proxy, path, body)
    assert response.status_code == 200
    assert 5 <= response.json()[field] <= 15
    assert response.headers["x-cliproxy-estimate"] == "true"
    assert not upstream.calls


async def test_a_look_alike_without_a_counter_is_estimated_too(proxy, upstream, claude):
    upstream.then(answers(404, {"detail": "Not Found"}))
    response = await post(proxy, "/v1/messages/count_tokens", {"model": "m", "messages": MESSAGE["messages"]})
    assert response.headers["x-cliproxy-estimate"] == "true"


# --- lists ---------------------------------------------------------------------------------------


async def test_anthropics_list_has_its_shape_and_its_pages(proxy):
    for name in "abcde":
        proxy.offer(name, "http://127.0.0.1:1")
    first = (await get(proxy, "/v1/models?limit=2", ANTHROPIC)).json()
    assert [model["id"] for model in first["data"]] == ["a", "b"]
    assert (first["first_id"], first["last_id"], first["has_more"]) == ("a", "b", True)
    assert first["data"][0]["type"] == "model"
    assert first["data"][0]["created_at"].endswith("Z")
    following = (await get(proxy, "/v1/models?limit=3&after_id=b", ANTHROPIC)).json()
    assert ([model["id"] for model in following["data"]], following["has_more"]) == (["c", "d", "e"], False)
    before = (await get(proxy, "/v1/models?limit=2&before_id=d", ANTHROPIC)).json()
    assert ([model["id"] for model in before["data"]], before["has_more"]) == (["b", "c"], True)
    assert (await get(proxy, "/v1/models?limit=0", ANTHROPIC)).json()["type"] == "error"
    assert (await get(proxy, "/v1/models/a", ANTHROPIC)).json()["display_name"] == "a"


async def test_googles_list_has_its_shape_and_its_pages(proxy):
    for name in ("a", "v/b"):
        proxy.offer(name, "http://127.0.0.1:1")
    listed = (await get(proxy, "/v1beta/models?pageSize=1")).json()
    assert [model["name"] for model in listed["models"]] == ["models/a"]
    rest = (await get(proxy, f"/v1beta/models?pageToken={listed['nextPageToken']}")).json()
    assert [model["name"] for model in rest["models"]] == ["models/v/b"]
    assert "nextPageToken" not in rest
    one = (await get(proxy, "/v1beta/models/v/b")).json()
    assert "generateContent" in one["supportedGenerationMethods"]
    missing = await get(proxy, "/v1beta/models/nope")
    assert (missing.status_code, missing.json()["error"]["status"]) == (404, "NOT_FOUND")
    assert (await get(proxy, "/v1beta/models", {})).status_code == 401
    assert (await get(proxy, f"/v1beta/models?key={KEY}", {})).status_code == 200


async def test_codex_gets_slugs_and_an_etag(proxy):
    proxy.offer("a", "http://127.0.0.1:1")
    response = await get(proxy, "/v1/models?client_version=0.150.0")
    assert [model["slug"] for model in response.json()["models"]] == ["a"]
    assert response.headers["etag"]


async def test_a_key_sees_only_its_models_in_every_shape(proxy):
    proxy.clients[digest("few")] = ClientEntry(id=2, label="few", allowed=("a*",))
    proxy.offer("a1", "http://127.0.0.1:1")
    proxy.offer("b1", "http://127.0.0.1:1")
    few = {"authorization": "Bearer few"}
    for path, headers in (
        ("/v1/models", {**few, "anthropic-version": "2023-06-01"}),
        ("/v1beta/models", few),
        ("/v1/models?client_version=1", few),
    ):
        text = (await get(proxy, path, headers)).text
        assert "a1" in text
        assert "b1" not in text


async def test_claude_codes_probe_and_telemetry_are_answered(proxy):
    assert (await proxy.http.head(proxy.url)).status_code == 200
    response = await post(proxy, "/api/event_logging/batch", {"events": []}, {})
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


# --- legacy completions --------------------------------------------------------------------------


async def test_a_legacy_completion_is_answered_in_its_own_shape(proxy, upstream, chat):
    upstream.then(answers(body=WHOLE[Format.OPENAI](HELLO)))
    response = await post(proxy, "/v1/completions", {"model": "m", "prompt": "Say", "max_tokens": 5})
    body = response.json()
    assert (body["object"], body["choices"][0]["text"]) == ("text_completion", HELLO.text)
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["prompt_tokens"] == HELLO.input
    assert upstream.calls[0].json["messages"] == [{"role": "user", "content": "Say"}]
    assert proxy.line.input_tokens == HELLO.input


async def test_several_prompts_are_several_choices(proxy, upstream, claude):
    upstream.then(answers(body=WHOLE[Format.CLAUDE](HELLO)))
    response = await post(proxy, "/v1/completions", {"model": "m", "prompt": ["A", "B"], "echo": True})
    choices = response.json()["choices"]
    assert [(choice["index"], choice["text"]) for choice in choices] == [
        (0, "A" + HELLO.text),
        (1, "B" + HELLO.text),
    ]
    assert response.json()["usage"]["prompt_tokens"] == 2 * HELLO.input
    assert proxy.line.input_tokens == 2 * HELLO.input


@pytest.mark.parametrize("prompt", ["Say", ["Say", "it"]])
async def test_a_legacy_completion_streams(proxy, upstream, chat, prompt):
    upstream.then(streams(*STREAM[Format.OPENAI](HELLO)))
    response = await post(proxy, "/v1/completions", {"model": "m", "prompt": prompt, "stream": True})
    lines = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    choices = [choice for line in lines for choice in json.loads(line)["choices"]]
    count = 1 if isinstance(prompt, str) else 2
    for index in range(count):
        assert "".join(one["text"] for one in choices if one["index"] == index) == HELLO.text
    assert [one["finish_reason"] for one in choices if one["finish_reason"]] == ["stop"] * count
    assert proxy.line.output_tokens == count * HELLO.output


MIDDLE = {"model": "m", "prompt": "def f(", "suffix": "return 1"}
LEGACY: dict[str, Any] = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1,
    "model": "up",
    "choices": [{"text": "x): ", "index": 0, "logprobs": None, "finish_reason": "stop", "x_new": 1e3}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}


@pytest.mark.parametrize("lacks", [answers(404, {"detail": "Not Found"}), None], ids=["404", "chats"])
async def test_a_suffix_reaches_a_model_that_only_chats(proxy, upstream, chat, lacks):
    chats = answers(body=WHOLE[Format.OPENAI](HELLO))
    upstream.then(lacks or chats, chats)
    for _ in range(2):
        response = await post(proxy, "/v1/completions", MIDDLE)
        assert response.json()["choices"][0]["text"] == HELLO.text
    paths = [call.path for call in upstream.calls]
    assert paths == ["/v1/completions", "/v1/chat/completions", "/v1/chat/completions"]  # tried once
    text = json.dumps(upstream.calls[1].json["messages"])
    assert "def f(" in text
    assert "return 1" in text


@pytest.mark.parametrize(
    "fields",
    [{"suffix": "return 1"}, {"prompt": [1, 2, 3]}, {"prompt": [[1], [2]]}, {"logprobs": 2}, {"best_of": 3}],
)
async def test_what_chat_cannot_carry_passes_to_a_server_that_has_the_endpoint(proxy, upstream, chat, fields):
    upstream.then(answers(body=LEGACY))
    sent = {**MIDDLE, "suffix": None, **fields, "x_unknown": 1}
    response = await post(proxy, "/v1/completions", sent)
    assert response.content == json.dumps(LEGACY).encode()
    (call,) = upstream.calls
    assert (call.path, call.json) == ("/v1/completions", {**sent, "model": "up"})
    assert (proxy.line.input_tokens, proxy.line.output_tokens, proxy.line.dropped) == (9, 3, ())


async def test_a_legacy_stream_passes_and_is_counted(proxy, upstream, chat):
    def piece(**fields):
        return f"data: {json.dumps({**LEGACY, 'usage': None, **fields})}\n\n".encode()

    pieces = [piece(choices=[{**LEGACY["choices"][0], "finish_reason": None}]), piece()]
    pieces += [piece(choices=[], usage=LEGACY["usage"]), b"data: [DONE]\n\n"]
    upstream.then(streams(*pieces))
    response = await post(proxy, "/v1/completions", {**MIDDLE, "stream": True})
    assert response.text.count("x): ") == 2
    assert response.text.endswith("data: [DONE]\n\n")
    assert (proxy.line.input_tokens, proxy.line.outcome) == (9, "ok")


@pytest.mark.parametrize("has_it", [True, False])
async def test_a_switch_says_whether_a_server_has_the_endpoint(proxy, upstream, has_it):
    proxy.offer("m", f"{upstream.url}/v1", "up", options={"legacy-completions": has_it})
    upstream.then(answers(body=LEGACY if has_it else WHOLE[Format.OPENAI](HELLO)))
    plain = {"model": "m", "prompt": "Say"} if has_it else MIDDLE
    response = await post(proxy, "/v1/completions", plain)
    assert response.json()["object"] == "text_completion"
    assert [call.path for call in upstream.calls] == ["/v1/completions" if has_it else "/v1/chat/completions"]


async def test_an_empty_prompt_is_something_to_answer(proxy, upstream, chat):
    upstream.then(answers(body=WHOLE[Format.OPENAI](HELLO)))
    for body in ({"model": "m"}, {"model": "m", "prompt": ""}):
        assert (await post(proxy, "/v1/completions", body)).status_code == 200
    assert {call.json["messages"][0]["content"] for call in upstream.calls} == {"Complete this:"}


async def test_a_cut_legacy_stream_is_an_error(proxy, upstream, chat):
    upstream.then(streams(*STREAM[Format.OPENAI](HELLO)[:4]))
    response = await post(proxy, "/v1/completions", {"model": "m", "prompt": "Say", "stream": True})
    assert '"error"' in response.text
    assert "[DONE]" not in response.text


# --- /v1/responses/compact -------------------------------------------------------------------------


async def test_a_compaction_is_never_streamed_and_may_be_switched_off(proxy, upstream):
    proxy.offer("m", f"{upstream.url}/v1", "up", adapter="codex")
    upstream.then(answers(body={"id": "resp_1", "object": "response.compaction", "output": []}))
    body = {"model": "m", "input": "Hi"}
    for path in ("/v1/responses/compact", "/backend-api/codex/responses/compact"):
        assert (await post(proxy, path, body)).status_code == 200
    assert {call.path for call in upstream.calls} == {"/v1/responses/compact"}
    refused = await post(proxy, "/v1/responses/compact", {**body, "stream": True})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "stream")
    proxy.settings = RouteSettings(request_retry=0, responses_compact=False)
    proxy.publish()
    refused = await post(proxy, "/v1/responses/compact", body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "endpoint_not_supported")
    assert (await post(proxy, "/v1/responses", {"model": "nope", "input": "Hi"})).status_code == 404


@pytest.mark.parametrize("path", ["/v1/responses/compact", "/v1/responses/input_tokens", "/v1/responses"])
async def test_the_responses_routes_take_posts(proxy, path):
    answer = await proxy.http.get(f"{proxy.url}{path}", headers={"authorization": f"Bearer {KEY}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
