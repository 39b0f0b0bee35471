"""Limits of client keys, credentials and providers, as a client meets them."""

import asyncio

import pytest

from providers.values import Limits
from routing.core.table import ClientEntry
from tests.integration.proxy.conftest import KEY, digest
from tests.integration.proxy.upstream_double import COMPLETION, HELLO_STREAM, answers, openai_error, streams

USED = 12
"""Tokens of COMPLETION."""
CLAUDE_BODY = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}


def limit_key(proxy, **limits):
    proxy.clients[digest(KEY)] = ClientEntry(id=1, label="alice", limits=Limits(**limits))
    proxy.publish()


def refusal(response):
    error = response.json()["error"]
    return response.status_code, error["type"], error["code"]


@pytest.fixture
def served(proxy, upstream):
    upstream.then(answers(body=COMPLETION))
    proxy.offer("m", f"{upstream.url}/v1")
    return proxy


async def test_a_client_key_gets_as_many_as_its_limit_and_is_told_what_is_left(served, upstream):
    limit_key(served, rpm=2, tpm=10_000)
    first, second, third = [await served.chat() for _ in range(3)]
    assert [first.status_code, second.status_code] == [200, 200]
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert [
        first.headers["x-ratelimit-remaining-requests"],
        second.headers["x-ratelimit-remaining-requests"],
    ] == [
        "1",
        "0",
    ]
    assert first.headers["x-ratelimit-remaining-tokens"] == str(10_000 - USED)
    assert second.headers["x-ratelimit-reset-requests"] in ("1m0s", "1m1s")
    assert refusal(third) == (429, "rate_limit_error", "rate_limit_exceeded")
    assert 59 <= int(third.headers["retry-after"]) <= 61
    assert third.headers["x-ratelimit-remaining-requests"] == "0"
    assert "2 requests per minute" in third.json()["error"]["message"]
    assert len(upstream.calls) == 2


async def test_tokens_of_answers_count(served):
    limit_key(served, tpm=USED + 1)
    assert [(await served.chat()).status_code for _ in range(3)] == [200, 200, 429]


async def test_tokens_of_a_stream_count_before_its_last_byte(proxy, upstream):
    upstream.then(streams(*HELLO_STREAM))
    proxy.offer("m", f"{upstream.url}/v1")
    limit_key(proxy, tpm=12, concurrency=1)
    asked = {"stream": True, "stream_options": {"include_usage": True}}
    statuses = [(await proxy.chat(**asked)).status_code for _ in range(2)]
    assert statuses == [200, 429]


async def test_anthropic_clients_are_told_in_their_words(served):
    limit_key(served, rpm=1)
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    url = f"{served.url}/v1/messages"
    first = await served.http.post(url, json=CLAUDE_BODY, headers=headers)
    second = await served.http.post(url, json=CLAUDE_BODY, headers=headers)
    assert first.headers["anthropic-ratelimit-requests-limit"] == "1"
    assert first.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert first.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
    assert second.status_code == 429
    assert second.json()["error"]["type"] == "rate_limit_error"
    assert int(second.headers["retry-after"]) >= 1


async def test_without_a_limit_no_header_speaks_of_one(served):
    response = await served.chat()
    assert not [name for name in response.headers if "ratelimit" in name]


async def test_a_credential_at_its_limit_hands_over_to_the_next(proxy, upstream):
    upstream.then(answers(body=COMPLETION))
    proxy.offer("m", f"{upstream.url}/v1", priority=5, limits=Limits(rpm=2))
    proxy.offer("m", f"{upstream.url}/v1")
    assert [(await proxy.chat()).headers["x-cliproxy-provider"] for _ in range(4)] == [
        "fake-1",
        "fake-1",
        "fake-2",
        "fake-2",
    ]


async def test_when_every_credential_is_at_its_limit_the_client_hears_when(proxy, upstream):
    upstream.then(answers(body=COMPLETION))
    proxy.offer("m", f"{upstream.url}/v1", limits=Limits(rpm=1))
    assert (await proxy.chat()).status_code == 200
    refused = await proxy.chat()
    assert refusal(refused) == (429, "rate_limit_error", "rate_limit_exceeded")
    assert 59 <= int(refused.headers["retry-after"]) <= 61
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert len(upstream.calls) == 1


async def test_requests_at_once_are_bounded_and_come_back(proxy, upstream):
    async def slow(request, call):
        await asyncio.sleep(0.15)
        return await answers(body=COMPLETION)(request, call)

    upstream.then(slow)
    proxy.offer("m", f"{upstream.url}/v1", provider_limits=Limits(concurrency=2))
    statuses = sorted(
        response.status_code for response in await asyncio.gather(*(proxy.chat() for _ in range(5)))
    )
    assert statuses == [200, 200, 429, 429, 429]
    assert (await proxy.chat()).status_code == 200


async def test_a_limit_that_waits_holds_the_request(proxy, upstream):
    running = most = 0

    async def slow(request, call):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        return await answers(body=COMPLETION)(request, call)

    upstream.then(slow)
    proxy.offer("m", f"{upstream.url}/v1", limits=Limits(concurrency=1, waits=True, max_wait_s=5))
    responses = await asyncio.gather(*(proxy.chat() for _ in range(4)))
    assert [response.status_code for response in responses] == [200] * 4
    assert most == 1
    assert all(float(response.headers["x-cliproxy-overhead-ms"]) < 45 for response in responses)


async def test_a_wait_that_would_be_too_long_is_refused_at_once(served):
    limit_key(served, rpm=1, waits=True, max_wait_s=2)
    assert (await served.chat()).status_code == 200
    began = asyncio.get_running_loop().time()
    assert (await served.chat()).status_code == 429
    assert asyncio.get_running_loop().time() - began < 1


async def test_a_failed_attempt_frees_its_place_and_its_tokens(proxy, upstream):
    upstream.then(answers(500, openai_error("broken")), answers(body=COMPLETION))
    limits = Limits(concurrency=1, tpm=5)
    proxy.offer("m", f"{upstream.url}/v1", limits=limits)
    proxy.offer("m", f"{upstream.url}/v1")
    assert (await proxy.chat()).status_code == 200
    now = proxy.gateway.clock()
    assert proxy.state.limit_wait_s("credential:1", limits, now) == 0


async def test_a_client_that_leaves_frees_its_place(proxy, upstream):
    upstream.then(streams(*HELLO_STREAM[:1], then_wait=True))
    proxy.offer("m", f"{upstream.url}/v1")
    limit_key(proxy, concurrency=1)
    async with proxy.http.stream(
        "POST",
        f"{proxy.url}/v1/chat/completions",
        json={"model": "m", "messages": [], "stream": True},
        headers={"authorization": f"Bearer {KEY}"},
    ) as response:
        assert response.status_code == 200
        assert (await proxy.chat()).status_code == 429
    upstream.scripts[:] = [answers(body=COMPLETION)]
    for _ in range(100):
        if (status := (await proxy.chat()).status_code) == 200:
            break
        await asyncio.sleep(0.02)
    assert status == 200


async def test_relayed_endpoints_take_part(proxy, upstream):
    upstream.then(answers(body={"data": [], "usage": {"prompt_tokens": 3, "total_tokens": 3}}))
    proxy.offer("m", f"{upstream.url}/v1", adapter="openai")
    limit_key(proxy, rpm=1)
    url, headers = f"{proxy.url}/v1/embeddings", {"authorization": f"Bearer {KEY}"}
    first = await proxy.http.post(url, json={"model": "m", "input": "x"}, headers=headers)
    second = await proxy.http.post(url, json={"model": "m", "input": "x"}, headers=headers)
    assert (first.status_code, first.headers["x-ratelimit-remaining-requests"]) == (200, "0")
    assert refusal(second) == (429, "rate_limit_error", "rate_limit_exceeded")


async def test_a_count_made_here_takes_no_place_of_the_credential(served, upstream):
    served.offer("n", f"{upstream.url}/v1", limits=Limits(rpm=1))
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    url = f"{served.url}/v1/messages/count_tokens"
    for _ in range(3):
        answer = await served.http.post(url, json={**CLAUDE_BODY, "model": "n"}, headers=headers)
        assert answer.headers["x-cliproxy-estimate"] == "true"
    assert upstream.calls == []
