"""Google's login providers, Vertex, qwen and iflow behind the gateway, from every client format."""

from __future__ import annotations

import base64
import json

import pytest

from routing.core.table import RouteSettings
from tests.integration.proxy.conftest import KEY
from tests.integration.proxy.pairs.spoken import (
    CALLS,
    HELLO,
    gemini_chunks,
    gemini_whole,
    openai_stream,
    openai_whole,
    sse,
)
from tests.integration.proxy.upstream_double import answers, streams

BEARER = {"authorization": f"Bearer {KEY}"}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
MESSAGE = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "Hi"}]}
RESPONSE = {"model": "m", "input": "Hi"}
GENERATION = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}

CLIENTS = {
    "openai": ("/v1/chat/completions", CHAT),
    "claude": ("/v1/messages", MESSAGE),
    "responses": ("/v1/responses", RESPONSE),
    "gemini": ("/v1beta/models/m:generateContent", GENERATION),
}


def offer(proxy, upstream, adapter, member="up", **fields):
    fields.setdefault("account", {"project_id": "proj"})
    return proxy.offer("m", upstream.url, member, adapter=adapter, channel=adapter, **fields)


async def post(proxy, path, body):
    return await proxy.http.post(f"{proxy.url}{path}", json=body, headers=BEARER)


def wrapped_stream(said):
    return [sse({"response": chunk, "traceId": "t"}) for chunk in gemini_chunks(said)]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("adapter", ["gemini-cli", "antigravity"])
async def test_every_client_is_answered_out_of_the_envelope(proxy, upstream, adapter, client):
    offer(proxy, upstream, adapter)
    upstream.then(answers(body={"response": gemini_whole(HELLO), "traceId": "t"}))
    answer = await post(proxy, *CLIENTS[client])
    assert answer.status_code == 200, answer.text
    assert HELLO.text in json.dumps(answer.json(), ensure_ascii=False)
    assert "traceId" not in answer.text
    sent = upstream.calls[0]
    assert sent.path == "/v1internal:generateContent"
    assert sent.json["project"] == "proj"
    assert sent.json["model"] == "up"
    assert sent.json["request"]["contents"][0]["parts"][0]["text"] == "Hi"
    assert proxy.ledger.written[-1].input_tokens


@pytest.mark.parametrize("adapter", ["gemini-cli", "antigravity"])
async def test_a_stream_with_tools_comes_out_of_the_envelope(proxy, upstream, adapter):
    offer(proxy, upstream, adapter)
    upstream.then(streams(*wrapped_stream(CALLS)))
    answer = await post(proxy, "/v1/chat/completions", {**CHAT, "stream": True})
    chunks = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    names = [
        call["function"]["name"]
        for chunk in chunks
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls") or ()
        if call["function"].get("name")
    ]
    assert names == ["get_weather", "get_weather"]
    assert answer.text.rstrip().endswith("data: [DONE]")


async def test_a_gemini_clients_stream_passes_without_the_envelope(proxy, upstream):
    offer(proxy, upstream, "gemini-cli")
    upstream.then(streams(*wrapped_stream(HELLO)))
    answer = await post(proxy, "/v1beta/models/m:streamGenerateContent?alt=sse", GENERATION)
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert events == gemini_chunks(HELLO)


async def test_a_cut_envelope_is_an_error_and_never_a_clean_end(proxy, upstream):
    offer(proxy, upstream, "gemini-cli")
    upstream.then(streams(*wrapped_stream(HELLO)[:3], cut=True))
    answer = await post(proxy, "/v1/chat/completions", {**CHAT, "stream": True})
    assert '"error"' in answer.text
    assert "[DONE]" not in answer.text


async def test_an_error_in_the_envelope_is_an_error(proxy, upstream):
    offer(proxy, upstream, "gemini-cli")
    error = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "bad"}}
    upstream.then(answers(400, error))
    answer = await post(proxy, "/v1/chat/completions", CHAT)
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "bad")


async def test_another_project_of_the_account_answers_after_429(proxy, upstream):
    offer(proxy, upstream, "gemini-cli", account={"project_id": "one,two"})
    busy = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "no"}}
    upstream.then(answers(429, busy), answers(body={"response": gemini_whole(HELLO)}))
    answer = await post(proxy, "/v1/chat/completions", CHAT)
    assert answer.status_code == 200
    assert [call.json["project"] for call in upstream.calls] == ["one", "two"]


async def test_a_whole_answer_of_a_claude_model_is_put_together_from_its_stream(proxy, upstream):
    offer(proxy, upstream, "antigravity", "claude-sonnet-4-6")
    upstream.then(streams(*wrapped_stream(HELLO)))
    answer = await post(proxy, "/v1/messages", MESSAGE)
    assert answer.json()["content"][0]["text"] == HELLO.text
    assert upstream.calls[0].path == "/v1internal:streamGenerateContent?alt=sse"


QUOTA = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You have exhausted your quota."}}
POOR = {
    "error": {
        "code": 429,
        "status": "RESOURCE_EXHAUSTED",
        "message": "No credits.",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "INSUFFICIENT_G1_CREDITS_BALANCE",
            }
        ],
    }
}


def paid(upstream):
    return [call.json.get("enabledCreditTypes") for call in upstream.calls]


async def test_credits_are_the_last_resort_of_a_spent_account(proxy, upstream):
    for _ in range(2):
        offer(proxy, upstream, "antigravity", "claude-sonnet-4-6")
    answer = answers(body={"response": gemini_whole(HELLO), "traceId": "t"})
    upstream.then(answers(429, QUOTA), answers(429, QUOTA), answer)
    assert (await post(proxy, *CLIENTS["openai"])).status_code == 200
    assert paid(upstream) == [None, None, ["GOOGLE_ONE_AI"]]
    assert [note.get("because") for note in proxy.line.attempts] == [None, None, "credits"]
    assert (await post(proxy, *CLIENTS["openai"])).status_code == 200
    assert paid(upstream)[3:] == [["GOOGLE_ONE_AI"]]  # the allowances still rest


async def test_an_account_without_credits_is_not_asked_for_them_again(proxy, upstream):
    offer(proxy, upstream, "antigravity", "claude-sonnet-4-6")
    upstream.then(answers(429, QUOTA), answers(429, POOR))
    for _ in range(2):
        assert (await post(proxy, *CLIENTS["openai"])).status_code == 429
    assert paid(upstream) == [None, ["GOOGLE_ONE_AI"]]


@pytest.mark.parametrize(("member", "is_on"), [("claude-sonnet-4-6", False), ("gemini-3-flash", True)])
async def test_credits_are_kept_where_the_switch_is_off_and_for_other_models(proxy, upstream, member, is_on):
    proxy.settings = RouteSettings(request_retry=0, antigravity_credits=is_on)
    offer(proxy, upstream, "antigravity", member)
    upstream.then(answers(429, QUOTA))
    assert (await post(proxy, *CLIENTS["openai"])).status_code == 429
    assert paid(upstream) == [None]


async def test_an_account_keeps_its_project_where_the_switch_is_off(proxy, upstream):
    offer(
        proxy,
        upstream,
        "gemini-cli",
        account={"project_id": "one,two"},
        options={"keeps-project": True},
    )
    upstream.then(answers(429, QUOTA))
    assert (await post(proxy, *CLIENTS["openai"])).status_code == 429
    assert [call.json["project"] for call in upstream.calls] == ["one"]


async def test_tokens_are_counted_in_the_envelope(proxy, upstream):
    offer(proxy, upstream, "gemini-cli")
    upstream.then(answers(body={"totalTokens": 7}))
    answer = await post(proxy, "/v1beta/models/m:countTokens", GENERATION)
    assert answer.json() == {"totalTokens": 7}
    assert upstream.calls[0].json == {"request": GENERATION}


@pytest.mark.parametrize("stream", [False, True])
async def test_an_image_model_of_vertex_answers_as_a_generation(proxy, upstream, stream):
    offer(proxy, upstream, "vertex", "imagen-4.0-generate-001")
    picture = base64.b64encode(b"picture").decode()
    upstream.then(answers(body={"predictions": [{"bytesBase64Encoded": picture, "mimeType": "image/png"}]}))
    action = "streamGenerateContent?alt=sse" if stream else "generateContent"
    answer = await post(proxy, f"/v1beta/models/m:{action}", GENERATION)
    assert answer.status_code == 200, answer.text
    body = json.loads(answer.text.split("data: ")[1]) if stream else answer.json()
    assert body["candidates"][0]["content"]["parts"][0]["inlineData"]["data"] == picture
    assert "/projects/proj/" in upstream.calls[0].path


async def test_qwen_streams_to_a_claude_client(proxy, upstream):
    offer(proxy, upstream, "qwen")
    upstream.then(streams(*openai_stream(CALLS)))
    answer = await post(proxy, "/v1/messages", {**MESSAGE, "stream": True})
    assert answer.text.count('"type":"tool_use"') == 2
    assert "event: message_stop" in answer.text


async def test_iflows_wrapped_answer_and_its_error_inside_a_200(proxy, upstream):
    offer(proxy, upstream, "iflow")
    upstream.then(
        answers(body={"success": True, "data": openai_whole(HELLO)}),
        answers(body={"status": "429", "msg": "slow down"}),
    )
    assert (await post(proxy, "/v1/messages", MESSAGE)).json()["content"][0]["text"] == HELLO.text
    refused = await post(proxy, "/v1/chat/completions", CHAT)
    assert refused.status_code == 429
    assert "slow down" in refused.text
