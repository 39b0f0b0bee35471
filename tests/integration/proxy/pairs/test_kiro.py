"""Kiro behind the vendors' own SDKs: text, tools, streams, usage, and streams that break."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from providers.translation.codecs.kiro.framing import MEDIA_TYPE
from providers.values import Format
from tests.integration.proxy.conftest import KEY
from tests.integration.proxy.pairs.clients import (
    CLIENTS,
    ClaudeClient,
    Failure,
    GeminiClient,
    OpenAIClient,
    Question,
    ResponsesClient,
)
from tests.integration.proxy.upstream_double import answers
from tests.unit.providers.translation.codecs.kiro.wire import CALL, HELLO, METADATA, event, exception, said

TEXT = "Hello, Wörld"


def asked_by(*kinds, stream=None):
    """Only these of the four SDKs; ``stream`` tells for each whether it asks for one."""
    names, values = ("client,stream", zip(kinds, stream, strict=True)) if stream else ("client", kinds)
    return pytest.mark.parametrize(
        names, list(values), indirect=["client"], ids=[f"from-{kind.format}" for kind in kinds]
    )


def event_stream(*pieces, cut=False, content_type=MEDIA_TYPE):
    async def script(request, call):
        response = web.StreamResponse(headers={"content-type": content_type})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if cut and request.transport is not None:
            request.transport.abort()
        return response

    return script


@pytest.fixture
def kiro(proxy, upstream):
    return proxy.offer(
        "m",
        upstream.url,
        "kiro-claude-sonnet-4-5",
        adapter="kiro",
        channel="kiro",
        account={"email": "a@b.c"},
    )


@asked_by(*CLIENTS, stream=[False, True, True, False])
async def test_text_and_usage(client, upstream, proxy, kiro, stream):
    upstream.then(event_stream(*HELLO))
    heard = await client.ask(Question(), stream=stream)
    assert (heard.text, heard.stop, heard.output) == (TEXT, "end", 7)
    assert proxy.line.input_tokens == 120
    sent = upstream.calls[0]
    assert sent.path == "/generateAssistantResponse"
    message = sent.json["conversationState"]["currentMessage"]["userInputMessage"]
    assert message["content"].endswith("Hi there")
    assert "Be brief." in message["content"]
    assert message["modelId"] == "claude-sonnet-4.5"


@asked_by(*CLIENTS, stream=[True, False, False, True])
async def test_a_tool_is_called_and_answered(client, upstream, proxy, kiro, stream):
    upstream.then(event_stream(*CALL))
    question = Question(with_tools=True, with_history=True, with_image=client.format is not Format.RESPONSES)
    heard = await client.ask(question, stream=stream)
    assert heard.calls == [("get_weather", {"city": "Paris"})]
    assert heard.stop == "calls"
    state = upstream.calls[0].json["conversationState"]
    results = state["currentMessage"]["userInputMessage"]["userInputMessageContext"]["toolResults"]
    assert [result["content"][0]["text"] for result in results] == ["rain", "sun"] or len(results) == 2
    assert proxy.line.attempts[0]["usage"] == "estimated"


@asked_by(ClaudeClient)
async def test_a_stream_in_single_bytes_reads_the_same(client, upstream, kiro):
    whole = b"".join(HELLO)
    upstream.then(event_stream(*(whole[i : i + 1] for i in range(len(whole))), content_type="text/plain"))
    assert (await client.ask(Question(), stream=True)).text == TEXT


def broken(kind):
    whole = b"".join(HELLO)
    damaged = bytearray(whole)
    damaged[len(HELLO[0]) + 40] ^= 1
    return {
        "damaged": event_stream(bytes(damaged)),
        "cut inside": event_stream(whole[: len(HELLO[0]) + 30]),
        "dropped": event_stream(whole[: len(HELLO[0])], cut=True),
        "exception": event_stream(HELLO[0], exception("InternalServerException", message="Broken")),
    }[kind]


@pytest.mark.parametrize(
    ("client", "kind"),
    list(zip(CLIENTS, ["damaged", "cut inside", "dropped", "exception"], strict=True)),
    indirect=["client"],
    ids=lambda value: value if isinstance(value, str) else f"from-{value.format}",
)
async def test_a_broken_stream_is_an_error_and_never_a_clean_end(client, upstream, kiro, kind):
    upstream.then(broken(kind))
    with pytest.raises(Failure):
        await client.ask(Question(), stream=True)


@pytest.mark.parametrize("kind", ["damaged", "cut inside", "dropped", "exception"])
async def test_a_broken_stream_is_no_whole_answer(proxy, upstream, kiro, kind):
    upstream.then(broken(kind))
    answer = await proxy.chat()
    assert answer.status_code >= 500
    assert answer.json()["error"]["message"]


@asked_by(OpenAIClient)
async def test_an_account_that_is_spent_makes_room_for_another(client, upstream, proxy, kiro):
    proxy.offer("m", upstream.url, "kiro-claude-sonnet-4-5", adapter="kiro", channel="kiro")
    spent = {"message": "You have reached the limit.", "reason": "MONTHLY_REQUEST_COUNT"}
    upstream.then(answers(402, spent), event_stream(*HELLO))
    assert (await client.ask(Question())).text == TEXT
    signed = [call.headers["authorization"] for call in upstream.calls]
    assert len(set(signed)) == 2


@asked_by(ResponsesClient, ClaudeClient, stream=[False, True])
async def test_an_exception_before_the_first_word_is_tried_elsewhere(client, upstream, proxy, kiro, stream):
    proxy.offer("m", upstream.url, "kiro-claude-sonnet-4-5", adapter="kiro", channel="kiro")
    slow = exception("ThrottlingException", message="Slow")
    upstream.then(event_stream(slow), event_stream(*HELLO))
    assert (await client.ask(Question(), stream=stream)).text == TEXT


@asked_by(GeminiClient)
async def test_a_refusal_comes_in_the_clients_format(client, upstream, kiro):
    upstream.then(answers(400, {"message": "x", "reason": "CONTENT_LENGTH_EXCEEDS_THRESHOLD"}))
    with pytest.raises(Failure) as caught:
        await client.ask(Question())
    assert caught.value.status == 400


async def test_an_estimate_is_marked_in_the_head(proxy, upstream, kiro):
    upstream.then(event_stream(said("Hi")))
    answer = await proxy.chat()
    assert answer.headers["x-cliproxy-estimate"] == "true"
    assert json.loads(answer.content)["usage"]["completion_tokens"] == 1


async def test_throttling_after_the_first_word_rests_the_account_too(proxy, upstream, kiro):
    upstream.then(event_stream(said("Hi"), exception("ThrottlingException", message="Slow")))
    answer = await proxy.chat(stream=True)
    assert "Slow" in answer.text
    assert "[DONE]" not in answer.text
    rest = proxy.state.cooldown(kiro.id, "another", proxy.gateway.clock())
    assert rest is not None
    assert (rest.cause.value, round(rest.until - rest.since)) == ("quota", 60)


# --- web search ------------------------------------------------------------------------------------


def searching(query: str, number: int = 1) -> tuple[bytes, ...]:
    call = {"toolUseId": f"tooluse_{number}", "name": "remote_web_search"}
    return (
        event("toolUseEvent", **call, input=json.dumps({"query": query})),
        event("toolUseEvent", **call, stop=True),
        METADATA,
    )


def found(*pages: tuple[str, str]):
    results = [{"title": title, "url": url, "snippet": "…"} for title, url in pages]
    text = json.dumps({"results": results, "totalResults": len(results)})
    return answers(
        body={"jsonrpc": "2.0", "id": "x", "result": {"content": [{"type": "text", "text": text}]}}
    )


SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
PAGE = ("Paris", "https://example.com/paris")


def ask_claude(proxy, *, stream: bool = False, **fields):
    body = {
        "model": "m",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Search for the weather"}],
        "tools": [SEARCH],
        "stream": stream,
        **fields,
    }
    headers = {"x-api-key": KEY}
    return proxy.http.post(f"{proxy.url}/v1/messages", json=body, headers=headers)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_search_is_run_for_the_model_and_shown_to_the_client(proxy, upstream, kiro, stream):
    upstream.then(event_stream(*searching("weather in Paris")), found(PAGE), event_stream(*HELLO))
    forced = {"type": "tool", "name": "web_search"}
    answer = await ask_claude(proxy, stream=stream, tool_choice=forced)
    assert answer.status_code == 200, answer.text
    first, search, second = upstream.calls
    asked = first.json["conversationState"]["currentMessage"]["userInputMessage"]
    (tool,) = asked["userInputMessageContext"]["tools"]
    assert tool["toolSpecification"]["name"] == "remote_web_search"
    assert "remote_web_search" in asked["content"]
    assert (search.path, search.headers["authorization"]) == ("/mcp", first.headers["authorization"])
    assert search.json["method"] == "tools/call"
    assert search.json["params"] == {"name": "web_search", "arguments": {"query": "weather in Paris"}}
    continued = second.json["conversationState"]["currentMessage"]["userInputMessage"]
    assert "remote_web_search" not in continued["content"]  # it was insisted on once
    told = continued["userInputMessageContext"]
    assert PAGE[1] in told["toolResults"][0]["content"][0]["text"]
    if stream:
        assert '"server_tool_use"' in answer.text
        assert '"web_search_tool_result"' in answer.text
        assert "message_stop" in answer.text
        return
    use, result, text = answer.json()["content"]
    assert (use["type"], use["input"]) == ("server_tool_use", {"query": "weather in Paris"})
    assert result["content"][0]["url"] == PAGE[1]
    assert text["text"] == TEXT
    assert answer.json()["stop_reason"] == "end_turn"
    assert proxy.line.input_tokens == 240  # both calls of the model


async def test_a_search_that_fails_is_told_to_the_model(proxy, upstream, kiro):
    upstream.then(event_stream(*searching("x")), answers(500, {"error": "no"}), event_stream(*HELLO))
    assert (await ask_claude(proxy)).json()["content"][-1]["text"] == TEXT
    context = upstream.calls[-1].json["conversationState"]["currentMessage"]["userInputMessage"]
    (result,) = context["userInputMessageContext"]["toolResults"]
    assert result["status"] == "error"


async def test_searches_come_to_an_end(proxy, upstream, kiro):
    for number in range(2):
        upstream.then(event_stream(*searching("more", number)), found(PAGE))
    upstream.then(event_stream(*searching("more", 3)), event_stream(said("Enough"), *searching("more", 4)))
    answer = await ask_claude(proxy, tools=[{**SEARCH, "max_uses": 2}])
    assert [call.path for call in upstream.calls].count("/mcp") == 2
    assert answer.json()["content"][-1]["text"] == "Enough"
    assert answer.json()["stop_reason"] == "end_turn"


async def test_a_search_beside_other_tools_is_left_out(proxy, upstream, kiro):
    upstream.then(event_stream(*HELLO))
    own = {"name": "get_weather", "description": "x", "input_schema": {"type": "object"}}
    answer = await ask_claude(proxy, tools=[SEARCH, own])
    assert "web_search" in answer.headers["x-cliproxy-dropped"]
    asked = upstream.calls[0].json["conversationState"]["currentMessage"]["userInputMessage"]
    (tool,) = asked["userInputMessageContext"]["tools"]
    assert tool["toolSpecification"]["name"] == "get_weather"
