"""Failures: the official OpenAI SDK through a real gateway to aimock's errors and chaos; each is told."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.integration.conftest import FORMATS
from tests.integration.test_aimock_answers import asking, text_of
from tests.processes import Gateway

pytestmark = pytest.mark.parametrize("upstream", FORMATS)


def failing(upstream: str, chaos: str, *, stream: bool = False) -> dict[str, Any]:
    return asking(upstream, "say hello") | {"model": f"{upstream}-{chaos}", "stream": stream}


def error_of(caught: openai.APIStatusError) -> dict[str, Any]:
    """OpenAI's error object, with all four of its fields."""
    error = caught.response.json()["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    return dict(error)


def test_a_refusal_keeps_its_status_and_its_words(sdk, upstream):
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.chat.completions.create(**asking(upstream, "bad request"))
    error = error_of(caught.value)
    assert "the far side dislikes this" in error["message"]
    assert error["type"] == "invalid_request_error"


def test_a_refused_upstream_key_is_not_the_clients_fault(sdk, upstream):
    with pytest.raises(openai.InternalServerError) as caught:
        sdk.chat.completions.create(**asking(upstream, "wrong upstream key") | {"model": f"{upstream}-other"})
    assert caught.value.status_code == 502
    assert error_of(caught.value)["code"] == "upstream_credential_refused"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
class TestChaos:
    def test_a_rate_limit_is_a_429_that_says_when_to_come_back(self, sdk, upstream, stream):
        with pytest.raises(openai.RateLimitError) as caught:
            sdk.chat.completions.create(**failing(upstream, "ratelimit", stream=stream))
        assert 1 <= float(caught.value.response.headers["retry-after"]) <= 60
        assert error_of(caught.value)["message"]

    def test_a_broken_upstream_is_a_server_error(self, sdk, upstream, stream):
        with pytest.raises(openai.InternalServerError) as caught:
            sdk.chat.completions.create(**failing(upstream, "drop", stream=stream))
        assert caught.value.status_code in (500, 502, 503)
        assert error_of(caught.value)["message"]

    def test_malformed_json_is_a_protocol_error(self, sdk, upstream, stream):
        with pytest.raises(openai.InternalServerError) as caught:
            sdk.chat.completions.create(**failing(upstream, "malformed", stream=stream))
        assert caught.value.status_code == 502
        assert error_of(caught.value)["code"] == "upstream_protocol_error"

    def test_a_dropped_connection_is_told(self, sdk, upstream, stream):
        with pytest.raises(openai.InternalServerError) as caught:
            sdk.chat.completions.create(**failing(upstream, "disconnect", stream=stream))
        assert caught.value.status_code == 502
        assert error_of(caught.value)["code"] in ("upstream_unreachable", "upstream_protocol_error")

    def test_a_second_credential_answers_for_the_first(self, sdk, upstream, stream):
        raw = sdk.chat.completions.with_raw_response.create(**failing(upstream, "failover", stream=stream))
        # The first credential may still rest from the other run of this test: then one attempt is enough.
        assert raw.headers["x-cliproxy-attempts"] in ("1", "2")
        answer = raw.parse()
        text = text_of(list(answer)) if stream else answer.choices[0].message.content
        assert text == "Hello from the far side, dear caller."


def test_a_cut_stream_ends_in_an_error_and_never_cleanly(sdk, upstream):
    received = []
    with (
        sdk.chat.completions.create(**asking(upstream, "cut the stream"), stream=True) as stream,
        pytest.raises(openai.APIError) as caught,
    ):
        received.extend(stream)
    assert text_of(received)
    assert "This answer will be cut".startswith(text_of(received)[:20])
    assert not [chunk for chunk in received if chunk.choices and chunk.choices[0].finish_reason]
    assert caught.value.message


def test_a_model_that_nobody_serves_is_unknown(sdk, upstream):
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.chat.completions.create(**asking(upstream, "say hello") | {"model": f"{upstream}-nonsense"})
    assert error_of(caught.value)["code"] == "model_not_found"


def test_a_wrong_client_key_is_refused_before_the_upstream_hears_of_it(aimock_gateway: Gateway, upstream):
    with (
        openai.OpenAI(base_url=f"{aimock_gateway.url}/v1", api_key="sk-wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        stranger.chat.completions.create(**asking(upstream, "say hello"))
    assert error_of(caught.value)["code"] == "invalid_api_key"


def test_no_secret_reaches_the_log(sdk, aimock_gateway: Gateway, upstream):
    sdk.chat.completions.create(**asking(upstream, "say hello"))
    assert aimock_gateway.key not in aimock_gateway.log
    assert f"upstream-aimock-{upstream}" not in aimock_gateway.log
    assert "say hello" not in aimock_gateway.log
