"""Providers behind logins, asked by the vendors' own SDKs: text, tools, streams, usage and errors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from providers.values import Format
from tests.integration.proxy.pairs.clients import (
    CLIENTS,
    ClaudeClient,
    Failure,
    GeminiClient,
    OpenAIClient,
    Question,
    ResponsesClient,
)
from tests.integration.proxy.pairs.spoken import CALLS, HELLO, STREAM, WHOLE, sse
from tests.integration.proxy.upstream_double import answers, streams

SHAPES = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def clients(*kinds: Any) -> pytest.MarkDecorator:
    """Only these of the four SDKs: what a format makes of an upstream is told by the pairs' own tests."""
    return pytest.mark.parametrize(
        "client", kinds, indirect=True, ids=[f"from-{kind.format}" for kind in kinds]
    )


@dataclass(frozen=True)
class Login:
    """How a provider is reached in a test: ``path`` where it wants its calls, by the format they come in."""

    adapter: str
    paths: dict[Format, str]
    only_streams: bool = False
    base: str = ""
    account: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.adapter}{self.base.replace('/', '-')}"


LOGINS = [
    Login("codex", {Format.RESPONSES: "/responses"}, only_streams=True, account={"account_id": "acc"}),
    Login(
        "github-copilot",
        {Format.OPENAI: "/chat/completions", Format.RESPONSES: "/responses"},
        account={"api_base": "https://api.individual.githubcopilot.com"},
    ),
    Login("claude", {Format.CLAUDE: "/v1/messages"}),
    Login("kimi", {Format.OPENAI: "/v1/chat/completions", Format.CLAUDE: "/v1/messages"}),
    Login("xai", {Format.RESPONSES: "/responses"}, only_streams=True),
    Login("cursor", {Format.OPENAI: "/v1/chat/completions"}),
    Login("kilo", {Format.OPENAI: "/chat/completions"}, account={"organization_id": "org"}),
    Login("roo", {Format.OPENAI: "/chat/completions"}),
    Login("minimax", {Format.OPENAI: "/chat/completions"}),
    Login("minimax", {Format.CLAUDE: "/anthropic/v1/messages"}, base="/anthropic"),
]


def offered(proxy, upstream, login: Login) -> Login:
    base = upstream.url + login.base
    channel = login.adapter
    proxy.offer("m", base, "up", adapter=login.adapter, channel=channel, account=login.account)
    return login


def in_rotation(shift: int) -> pytest.MarkDecorator:
    """Each provider with one of the four SDKs, another one for each ``shift``."""
    pairs = [(login, CLIENTS[(number + shift) % len(CLIENTS)]) for number, login in enumerate(LOGINS)]
    ids = [f"{kind.format}-to-{login}" for login, kind in pairs]
    return pytest.mark.parametrize("pair", pairs, indirect=True, ids=ids)


@pytest.fixture
async def pair(request, proxy, upstream) -> AsyncIterator[tuple[Login, Any]]:
    """A provider, and an SDK that asks it."""
    chosen, kind = request.param
    client = kind(proxy.url)
    yield offered(proxy, upstream, chosen), client
    await client.close()


def spoken_with(login: Login, client: Any) -> Format:
    return client.format if client.format in login.paths else next(iter(login.paths))


def told(login: Login, format_: Format, said: Any, *, stream: bool) -> Any:
    if stream or login.only_streams:
        return streams(*STREAM[format_](said))
    return answers(body=WHOLE[format_](said))


async def ask_for_a_text(pair, upstream, proxy, *, stream: bool) -> None:
    login, client = pair
    format_ = spoken_with(login, client)
    upstream.then(told(login, format_, HELLO, stream=stream))
    heard = await client.ask(Question(), stream=stream)
    assert (heard.text, heard.stop, heard.input, heard.output) == (
        HELLO.text,
        "end",
        HELLO.input,
        HELLO.output,
    )
    call = upstream.calls[0]
    assert call.path.partition("?")[0] == login.paths[format_]
    assert call.headers["authorization"] == "Bearer upstream-secret-1"
    assert call.headers["user-agent"].startswith("cliproxy/")
    assert (proxy.line.input_tokens, proxy.line.outcome) == (HELLO.input, "ok")


@in_rotation(0)
async def test_a_text_is_asked_and_answered(pair, upstream, proxy):
    await ask_for_a_text(pair, upstream, proxy, stream=False)


@in_rotation(1)
async def test_a_text_is_asked_and_answered_in_a_stream(pair, upstream, proxy):
    await ask_for_a_text(pair, upstream, proxy, stream=True)


@in_rotation(2)
async def test_tools_are_called_and_answered_in_a_stream(pair, upstream):
    login, client = pair
    format_ = spoken_with(login, client)
    upstream.then(told(login, format_, CALLS, stream=True))
    heard = await client.ask(Question(with_tools=True, with_history=True), stream=True)
    assert heard.calls == [(name, value) for _, name, value in CALLS.calls]
    assert heard.stop == "calls"
    assert "rain" in upstream.calls[0].body.decode()


@in_rotation(3)
async def test_a_refusal_is_an_error_in_the_clients_format(pair, upstream):
    _, client = pair
    upstream.then(answers(400, {"error": {"message": "no such field", "type": "invalid_request_error"}}))
    with pytest.raises(Failure, match="no such field") as caught:
        await client.ask(Question())
    assert caught.value.status == 400


@pytest.mark.parametrize("login", [LOGINS[0], LOGINS[3]], ids=str)
async def test_a_cut_stream_is_an_error(login, upstream, proxy):
    offered(proxy, upstream, login)
    format_ = login.paths.keys() & {Format.OPENAI} or login.paths
    pieces = STREAM[next(iter(format_))](HELLO)
    upstream.then(streams(*pieces[: len(pieces) // 2], cut=True))
    answer = await proxy.chat(stream=True)
    assert '"error"' in answer.text
    assert "[DONE]" not in answer.text


# --- codex -----------------------------------------------------------------------------------------


@pytest.fixture
def codex(proxy, upstream):
    return proxy.offer("m", upstream.url, "gpt-5.5", adapter="codex", channel="codex")


def limit_reached(seconds=7200):
    return {"type": "usage_limit_reached", "message": "Over", "resets_in_seconds": seconds}


@clients(ClaudeClient)
@SHAPES
async def test_a_limit_told_inside_the_stream_rests_the_account(client, upstream, proxy, codex, stream):
    failed = {"type": "response.failed", "response": {"status": "failed", "error": limit_reached()}}
    upstream.then(streams(sse(failed, "response.failed")))
    with pytest.raises(Failure):
        await client.ask(Question(), stream=stream)
    rest = proxy.state.cooldown(codex.id, "another-model", proxy.gateway.clock())
    assert rest is not None
    assert rest.until - rest.since == pytest.approx(7200, abs=5)


async def test_a_limit_told_to_a_passing_client_rests_the_account_too(upstream, proxy, codex):
    created = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}}
    failed = {"type": "response.failed", "response": {"status": "failed", "error": limit_reached()}}
    upstream.then(streams(sse(created, "response.created"), sse(failed, "response.failed")))
    body = {"model": "m", "input": "Hi", "stream": True}
    headers = {"authorization": "Bearer cpx-test-key-of-alice"}
    answer = await proxy.http.post(f"{proxy.url}/v1/responses", json=body, headers=headers)
    assert "usage_limit_reached" in answer.text
    rest = proxy.state.cooldown(codex.id, "another-model", proxy.gateway.clock())
    assert rest is not None
    assert rest.until - rest.since == pytest.approx(7200, abs=5)
    assert proxy.line.outcome == "cut"


async def test_the_last_event_has_the_output_that_the_backend_left_out(upstream, proxy, codex):
    pieces = STREAM[Format.RESPONSES](HELLO)
    *before, last = pieces
    payload = json.loads(last.decode().partition("data: ")[2])
    payload["response"]["output"] = []
    upstream.then(streams(*before, sse(payload, payload["type"])))
    body = {"model": "m", "input": "Hi", "stream": True}
    headers = {"authorization": "Bearer cpx-test-key-of-alice"}
    answer = await proxy.http.post(f"{proxy.url}/v1/responses", json=body, headers=headers)
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == HELLO.text


async def test_a_conversation_is_compacted(upstream, proxy, codex):
    upstream.then(answers(body={"object": "response.compaction", "output": []}))
    headers = {"authorization": "Bearer cpx-test-key-of-alice"}
    body = {"model": "m", "input": "Hi"}
    answer = await proxy.http.post(f"{proxy.url}/v1/responses/compact", json=body, headers=headers)
    assert answer.json()["object"] == "response.compaction"
    assert upstream.calls[0].path == "/responses/compact"
    assert "stream" not in upstream.calls[0].json


async def test_what_is_kept_elsewhere_goes_to_who_keeps_it(upstream, proxy, codex):
    body = {"model": "m", "input": "Hi", "previous_response_id": "resp_1"}
    headers = {"authorization": "Bearer cpx-test-key-of-alice"}
    refused = await proxy.http.post(f"{proxy.url}/v1/responses", json=body, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "previous_response_not_found")
    proxy.offer("m", upstream.url, "gpt-5.5", adapter="openai")
    upstream.then(answers(body=WHOLE[Format.RESPONSES](HELLO)))
    answer = await proxy.http.post(f"{proxy.url}/v1/responses", json=body, headers=headers)
    assert answer.status_code == 200
    assert [call.headers["authorization"] for call in upstream.calls] == ["Bearer upstream-secret-2"]


async def test_what_was_left_out_is_named(upstream, proxy, codex):
    upstream.then(streams(*STREAM[Format.RESPONSES](HELLO)))
    answer = await proxy.chat(temperature=0.5, max_tokens=99)
    assert answer.headers["x-cliproxy-dropped"] == "temperature, max_output_tokens"


# --- github-copilot --------------------------------------------------------------------------------


@clients(ClaudeClient, ResponsesClient)
@SHAPES
async def test_copilots_wrong_endpoint_is_made_good(client, upstream, proxy, stream):
    proxy.offer("m", upstream.url, "gpt-5", adapter="github-copilot", channel="github-copilot")
    wrong = {"error": {"code": "unsupported_api_for_model", "message": "not accessible via this endpoint"}}
    other = Format.OPENAI if client.format is Format.RESPONSES else Format.RESPONSES
    right = streams(*STREAM[other](HELLO)) if stream else answers(body=WHOLE[other](HELLO))
    upstream.then(answers(400, wrong), right)
    assert (await client.ask(Question(), stream=stream)).text == HELLO.text
    paths = [call.path for call in upstream.calls]
    assert sorted(paths) == ["/chat/completions", "/responses"]


@clients(ClaudeClient, OpenAIClient)
async def test_copilots_record_chooses_the_endpoint(client, upstream, proxy):
    proxy.offer(
        "m",
        upstream.url,
        "claude-sonnet-4.5",
        adapter="github-copilot",
        channel="github-copilot",
        model_formats={"claude-sonnet-4.5": (Format.OPENAI, Format.CLAUDE)},
    )
    format_ = Format.CLAUDE if client.format is Format.CLAUDE else Format.OPENAI
    upstream.then(answers(body=WHOLE[format_](HELLO)))
    assert (await client.ask(Question(with_image=True))).text == HELLO.text
    call = upstream.calls[0]
    assert call.path == ("/v1/messages" if format_ is Format.CLAUDE else "/chat/completions")
    assert call.headers["copilot-vision-request"] == "true"
    assert call.headers["x-initiator"] == "user"


@clients(GeminiClient, ResponsesClient)
async def test_a_stream_that_is_named_wrongly_is_read_all_the_same(upstream, proxy, client):
    proxy.offer("m", upstream.url, "gpt-5", adapter="github-copilot", channel="github-copilot")
    format_ = Format.RESPONSES if client.format is Format.RESPONSES else Format.OPENAI
    body = b"".join(STREAM[format_](HELLO))
    upstream.then(answers(body=body, headers={"content-type": "application/json"}))
    assert (await client.ask(Question(), stream=True)).text == HELLO.text
