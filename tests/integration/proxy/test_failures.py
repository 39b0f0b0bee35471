"""What a client is told when something is wrong, in OpenAI's error shape."""

import msgspec
import pytest

from routing.core.table import ClientEntry
from tests.integration.proxy.conftest import KEY, digest
from tests.integration.proxy.upstream_double import (
    COMPLETION,
    HELLO_STREAM,
    answers,
    chunk,
    hangs_up,
    openai_error,
    streams,
    waits,
)


def error_of(response):
    error = response.json()["error"]
    return response.status_code, error["type"], error["code"]


@pytest.fixture
def offered(proxy, upstream):
    proxy.offer("m", f"{upstream.url}/v1")
    return proxy


# --- the client's doing ------------------------------------------------------------------------


async def test_no_key_is_a_401_that_says_how_to_send_one(offered):
    response = await offered.chat(key=None)
    assert error_of(response) == (401, "authentication_error", "invalid_api_key")
    assert "Authorization: Bearer" in response.json()["error"]["message"]
    assert offered.ledger.written == []


async def test_a_wrong_key_is_a_401(offered):
    assert error_of(await offered.chat(key="cpx-nobody")) == (401, "authentication_error", "invalid_api_key")


@pytest.mark.parametrize("header", ["x-api-key", "x-goog-api-key"])
async def test_the_key_is_found_in_every_header_that_sdks_use(offered, upstream, header):
    upstream.then(answers(body=COMPLETION))
    body = {"model": "m", "messages": []}
    assert (await offered.post(body, key=None, **{header: KEY})).status_code == 200


async def test_a_disabled_and_an_expired_key_are_told_apart(offered):
    offered.clients[digest("off")] = ClientEntry(id=2, label="off", enabled=False)
    offered.clients[digest("old")] = ClientEntry(id=3, label="old", expires_at=1.0)
    assert error_of(await offered.chat(key="off")) == (401, "authentication_error", "api_key_disabled")
    assert error_of(await offered.chat(key="old")) == (401, "authentication_error", "api_key_expired")


async def test_a_model_that_the_key_may_not_use_is_a_403(offered):
    offered.clients[digest("few")] = ClientEntry(id=2, label="few", allowed=("other-*",))
    assert error_of(await offered.chat(key="few")) == (403, "permission_error", "model_not_allowed")


async def test_an_unknown_model_is_a_404(offered):
    response = await offered.chat("nope")
    assert error_of(response) == (404, "invalid_request_error", "model_not_found")
    assert response.json()["error"]["param"] == "model"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b'{"model": "m"',
        b"\xff\xfe{}",
        b'{"messages": []}',
        b'{"model": 7}',
        b'{"model": ""}',
        b'{"model": null}',
        b'{"model": "m", "stream": "yes"}',
        b'{"model": "m\xff"}',
        b'{"model": "m", "messages": [{"role": "user", "content": "\xff"}]}',
        b"{" * 20_000,
    ],
)
async def test_a_malformed_body_is_a_400_and_reaches_nobody(offered, upstream, body):
    response = await offered.post(body)
    status, kind, _ = error_of(response)
    assert (status, kind) == (400, "invalid_request_error")
    assert upstream.calls == []


@pytest.mark.parametrize("declares_length", [True, False])
async def test_a_body_over_the_limit_is_a_413(offered, upstream, declares_length):
    big = b'{"model":"m","x":"' + b"a" * 70_000 + b'"}'

    async def pieces():
        yield big

    headers = {"authorization": f"Bearer {KEY}"}
    content = big if declares_length else pieces()
    response = await offered.http.post(f"{offered.url}/v1/chat/completions", content=content, headers=headers)
    assert error_of(response) == (413, "invalid_request_error", "request_too_large")
    assert upstream.calls == []


async def test_a_wrong_method_and_an_unknown_path_say_what_is_right(offered):
    wrong = await offered.http.get(f"{offered.url}/v1/chat/completions")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    unknown = await offered.http.post(f"{offered.url}/v1/nothing")
    assert unknown.status_code == 404
    assert "/v1/chat/completions" in unknown.json()["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/v1/v1/chat/completions", "/chat/completions", "/v1/chat/completions/", "//v1/chat/completions"]
)
async def test_a_slightly_wrong_base_url_still_works(offered, upstream, path):
    upstream.then(answers(body=COMPLETION))
    response = await offered.http.post(
        offered.url + path, json={"model": "m", "messages": []}, headers={"authorization": f"Bearer {KEY}"}
    )
    assert response.status_code == 200


# --- the upstream's doing ----------------------------------------------------------------------


async def test_a_refused_request_passes_with_the_upstreams_own_words_and_is_not_repeated(offered, upstream):
    refusal = openai_error("Unknown parameter: 'x'.", "invalid_request_error", "unknown_parameter")
    upstream.then(answers(400, refusal))
    response = await offered.chat()
    assert response.status_code == 400
    assert response.json() == refusal
    assert len(upstream.calls) == 1
    assert (offered.line.status, offered.line.outcome) == (400, "error")


async def test_the_gateways_refused_key_is_a_502_and_never_a_401(offered, upstream):
    upstream.then(answers(401, openai_error("Incorrect API key provided: upstream-secret-1")))
    response = await offered.chat()
    assert error_of(response)[0] == 502
    assert "upstream-secret-1" not in response.text
    assert "upstream-secret-1" not in msgspec.json.encode(offered.line).decode()


async def test_a_spent_quota_is_a_429_with_retry_after(offered, upstream):
    upstream.then(answers(429, openai_error("Slow down", "rate_limit_error"), {"retry-after": "7"}))
    response = await offered.chat()
    assert response.status_code == 429
    assert response.headers["retry-after"] == "7"
    again = await offered.chat()
    assert error_of(again) == (429, "rate_limit_error", "model_cooldown")
    assert int(again.headers["retry-after"]) in (6, 7)
    assert len(upstream.calls) == 1


async def test_a_server_error_keeps_its_status(offered, upstream):
    upstream.then(answers(500, openai_error("Boom")))
    assert error_of(await offered.chat())[0] == 500


async def test_an_html_error_page_is_put_into_the_clients_shape(offered, upstream):
    upstream.then(
        answers(503, b"<html><body>Service Unavailable</body></html>", {"content-type": "text/html"})
    )
    response = await offered.chat()
    assert error_of(response)[0] == 503
    assert "<html" not in response.text


async def test_an_upstream_that_is_not_there_is_a_502(proxy):
    proxy.offer("m", "http://127.0.0.1:1/v1")
    assert error_of(await proxy.chat()) == (502, "server_error", "upstream_unreachable")


async def test_an_upstream_that_hangs_up_is_a_502(offered, upstream):
    upstream.then(hangs_up())
    assert error_of(await offered.chat()) == (502, "server_error", "upstream_unreachable")


async def test_a_name_that_does_not_resolve_is_a_502(proxy):
    proxy.offer("m", "http://no-such-host.invalid/v1")
    assert error_of(await proxy.chat()) == (502, "server_error", "upstream_unreachable")


async def test_a_metadata_address_is_never_called(proxy):
    proxy.offer("m", "http://169.254.169.254/v1")
    response = await proxy.chat()
    assert error_of(response) == (502, "server_error", "upstream_unreachable")
    assert "metadata" in response.json()["error"]["message"]


@pytest.mark.parametrize("stream", [True, False])
async def test_no_first_byte_in_time_is_a_504(offered, upstream, stream):
    upstream.then(waits())
    response = await offered.chat(stream=stream)
    assert error_of(response) == (504, "server_error", "upstream_timeout")
    assert "no first byte" in response.json()["error"]["message"]


async def test_silence_before_the_first_event_is_a_504_too(offered, upstream):
    upstream.then(streams(b": keep-alive\n\n", then_wait=True))
    response = await offered.chat(stream=True)
    assert error_of(response)[0] == 504


async def test_silence_inside_a_stream_ends_it_with_an_error_event(offered, upstream):
    upstream.then(streams(chunk("Hel"), then_wait=True))
    response = await offered.chat(stream=True)
    assert response.status_code == 200
    assert response.content.startswith(chunk("Hel"))
    assert b"fell silent" in response.content
    assert b"[DONE]" not in response.content
    assert (offered.line.outcome, offered.line.error_code) == ("cut", "upstream_timeout")


@pytest.mark.parametrize("body", [b"", b"  ", b"not json", b'{"id": ', b"[1, 2]"])
async def test_a_broken_or_empty_answer_is_a_502(offered, upstream, body):
    upstream.then(answers(200, body))
    assert error_of(await offered.chat()) == (502, "server_error", "upstream_protocol_error")


async def test_an_error_under_status_200_is_an_error(offered, upstream):
    upstream.then(answers(200, openai_error("model overloaded")))
    assert (await offered.chat()).status_code >= 500
    upstream.scripts[:] = [
        streams(b'data: {"error": {"message": "model overloaded", "type": "server_error"}}\n\n')
    ]
    assert (await offered.chat(stream=True)).status_code >= 500


async def test_an_empty_stream_is_a_502(offered, upstream):
    upstream.then(streams())
    assert error_of(await offered.chat(stream=True)) == (502, "server_error", "upstream_protocol_error")


@pytest.mark.parametrize("pieces", range(1, 3))
async def test_a_cut_stream_ends_with_an_error_event_and_never_cleanly(offered, upstream, pieces):
    upstream.then(streams(*HELLO_STREAM[:pieces], cut=True))
    response = await offered.chat(stream=True)
    assert response.content.startswith(b"".join(HELLO_STREAM[:pieces]))
    last = response.text.strip().split("\n\n")[-1]
    assert '"error"' in last
    assert "[DONE]" not in response.text
    assert offered.line.outcome == "cut"


async def test_a_stream_that_closes_before_its_end_is_no_clean_end_either(offered, upstream):
    upstream.then(streams(chunk("Hel")))
    response = await offered.chat(stream=True)
    assert '"error"' in response.text
    assert "[DONE]" not in response.text


# --- failover ----------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "failure",
    [
        answers(500, openai_error("Boom")),
        answers(429, openai_error("Slow down")),
        answers(401, openai_error("Bad key")),
        answers(404, openai_error("No such model")),
        answers(200, b""),
        hangs_up(),
        streams(),
        streams(b'data: {"error": {"message": "overloaded"}}\n\n'),
    ],
)
async def test_before_the_first_byte_the_next_candidate_takes_over(proxy, upstream, failure, stream):
    proxy.offer("m", f"{upstream.url}/v1")
    proxy.offer("m", f"{upstream.url}/v1")
    upstream.then(failure, streams(*HELLO_STREAM) if stream else answers(body=COMPLETION))
    response = await proxy.chat(stream=stream)
    assert response.status_code == 200
    assert response.headers["x-cliproxy-attempts"] == "2"
    assert [attempt["credential"] for attempt in proxy.line.attempts] == [1, 2]
    assert proxy.line.attempts[0]["reason"]


async def test_after_the_first_byte_nobody_takes_over(proxy, upstream):
    proxy.offer("m", f"{upstream.url}/v1")
    proxy.offer("m", f"{upstream.url}/v1")
    upstream.then(streams(chunk("Hel"), cut=True))
    response = await proxy.chat(stream=True)
    assert '"error"' in response.text
    assert len(upstream.calls) == 1


async def test_when_every_candidate_fails_the_last_error_is_told(proxy, upstream):
    proxy.offer("m", f"{upstream.url}/v1")
    proxy.offer("m", f"{upstream.url}/v1")
    upstream.then(answers(500, openai_error("first")), answers(503, openai_error("second")))
    response = await proxy.chat()
    assert response.status_code == 503
    assert response.json()["error"]["message"] == "second"


async def test_another_round_waits_for_a_short_cooldown(proxy, upstream):
    # Without a deadline of its own a request waits no longer than for a first byte, which is short here.
    proxy.settings = msgspec.structs.replace(proxy.settings, request_retry=1, deadline_s=20.0)
    proxy.offer("m", f"{upstream.url}/v1")
    upstream.then(answers(500, openai_error("Boom")), answers(body=COMPLETION))
    response = await proxy.chat()
    assert response.status_code == 200
    assert [attempt["status"] for attempt in proxy.line.attempts] == [500, 200]


async def test_a_request_on_a_new_connection_goes_out_once(offered, upstream):
    upstream.then(hangs_up(), answers(body=COMPLETION))
    assert (await offered.chat()).status_code == 502
    assert len(upstream.calls) == 1


async def test_a_stale_kept_alive_connection_costs_nothing(offered, upstream):
    upstream.then(answers(body=COMPLETION), hangs_up(), answers(body=COMPLETION))
    assert (await offered.chat()).status_code == 200
    assert (await offered.chat()).status_code == 200
    assert offered.ledger.written[-1].attempts[0]["status"] == 200
