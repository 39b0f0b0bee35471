"""No secret leaves a preview, wherever an adapter puts it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from providers.adapters.registry import ADAPTERS
from providers.values import CredentialEntry, Format
from routing.core.resolve import Candidate
from routing.outgoing import Ask
from routing.preview import CLIENT_FORMATS, Question, Redaction, sample_of, sent_to

CANARY = "canary-of-the-credential-0001"
HEADER = "canary-of-a-custom-header"


def entry(adapter: str, **changes) -> CredentialEntry:
    values: dict[str, Any] = {
        "id": 1,
        "provider_id": 1,
        "provider_key": adapter,
        "adapter": adapter,
        "base_url": "https://api.example.test/v1",
        "secret": CANARY,
        "headers": (("x-tenant", HEADER), ("x-copied", "$X-Mine")),
        "proxy_url": "socks5h://lena:canary-of-the-proxy@proxy.test:1080",
        "account": {"project_id": "p", "account_id": "a", "region": "us-east-1", "profile_arn": "arn:x"},
    }
    return CredentialEntry(**(values | changes))


def preview(credential: CredentialEntry, **changes):
    question = Question(model="m", headers={"x-mine": "canary-of-the-client"}, body=None, **changes)
    parsed = sample_of(question)
    ask = Ask(
        parsed=parsed,
        suffix="",
        headers=question.headers,
        format=question.format,
        now=1,
        seed="0" * 32,
    )
    return sent_to(Candidate(credential=credential, model="m-1"), ask, question, 1.0)


@pytest.mark.parametrize("key", [adapter.key for adapter in ADAPTERS])
def test_no_adapter_shows_a_secret(key):
    for format_ in CLIENT_FORMATS:
        sent = preview(entry(key), format=Format(format_))
        assert "canary" not in repr(msgspec.to_builtins(sent)), key


@pytest.mark.parametrize("key", [adapter.key for adapter in ADAPTERS])
def test_a_credential_that_is_not_ready_yet_breaks_no_page(key):
    bare = entry(key, secret="", account={}, headers=(), base_url="", proxy_url="")
    for format_ in CLIENT_FORMATS:
        sent = preview(bare, format=Format(format_))
        assert sent.error or sent.url


def test_names_of_headers_and_the_rest_of_a_value_stay():
    sent = preview(entry("openai"))
    assert sent.headers["authorization"].startswith("Bearer [")
    assert sent.headers["content-type"] == "application/json"
    assert set(sent.headers) >= {"x-tenant", "x-copied"}
    assert sent.proxy.endswith("@proxy.test:1080")


def test_a_value_made_from_a_secret_is_hidden_by_its_headers_name():
    shown = Redaction(entry("openai"))
    assert shown._header("x-amz-signature", "derived") not in ("", "derived")
    assert shown._header("authorization", "") == ""
    assert shown._header("anthropic-version", "2023-06-01") == "2023-06-01"


def test_a_short_placeholder_does_not_mangle_an_address():
    shown = Redaction(entry("openai", secret="v1", headers=()))
    assert shown.text("http://localhost/v1") == "http://localhost/v1"


def test_what_is_no_json_is_told_by_its_size():
    assert Redaction(entry("openai")).body(b"\xff\xfe") == "2 bytes that are no JSON"


def test_an_upstream_that_cannot_carry_the_request_says_so():
    sent = preview(entry("no-such-kind"))
    assert "no-such-kind" in sent.error
