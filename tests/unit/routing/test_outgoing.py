"""What one candidate is sent: the same bytes where the format is spoken, a translation where not."""

from __future__ import annotations

import msgspec
import pytest

from providers.translation.codecs.openai.passthrough import effort_of
from providers.translation.registry import PASSTHROUGHS
from providers.values import CredentialEntry, Format
from routing.core.resolve import Candidate
from routing.outgoing import Ask, prepare, reasoning_of


@pytest.mark.parametrize(
    ("suffix", "mode", "effort", "budget"),
    [
        ("high", "on", "high", None),
        (" XHigh ", "on", "xhigh", None),
        ("none", "off", None, None),
        ("0", "off", None, None),
        ("8192", "on", None, 8192),
        ("auto", "auto", None, None),
        ("-1", "auto", None, None),
    ],
)
def test_a_suffix_is_a_level_a_number_of_tokens_none_or_auto(suffix, mode, effort, budget):
    reasoning = reasoning_of(suffix)
    assert (reasoning.mode, reasoning.effort, reasoning.budget) == (mode, effort, budget)


@pytest.mark.parametrize(
    ("suffix", "change"),
    [
        ("auto", None),
        ("none", "none"),
        ("low", "low"),
        ("512", "minimal"),
        ("513", "low"),
        ("1024", "low"),
        ("8192", "medium"),
        ("24576", "high"),
        ("24577", "xhigh"),
    ],
)
def test_a_passed_chat_request_gets_the_level_that_is_meant(suffix, change):
    assert effort_of(reasoning_of(suffix)) == change


def ask(body: dict, format_: Format = Format.OPENAI, **options) -> Ask:
    parsed = PASSTHROUGHS[format_].parse(msgspec.json.encode(body))
    return Ask(parsed=parsed, suffix="", headers={}, format=format_, now=1, seed="0" * 32, **options)


def candidate(adapter: str, model: str = "m-1", **options) -> Candidate:
    entry = CredentialEntry(
        id=1, provider_id=1, provider_key=adapter, adapter=adapter, base_url="http://x", secret="s", **options
    )
    return Candidate(credential=entry, model=model)


CHAT = {"model": "fast", "messages": [{"role": "user", "content": "Hi"}], "seed": 7}


def test_a_spoken_format_passes_with_the_model_renamed():
    outgoing = prepare(ask(CHAT, query="x=1"), candidate("openai-compatibility"), 5.0)
    assert outgoing.passes
    assert msgspec.json.decode(outgoing.call.body) == {**CHAT, "model": "m-1"}
    assert (outgoing.call.query, outgoing.call.now, outgoing.dropped) == ("x=1", 5.0, ())


def test_another_format_is_translated_and_tells_what_it_dropped():
    outgoing = prepare(ask(CHAT, query="x=1"), candidate("claude"), 5.0)
    body = msgspec.json.decode(outgoing.call.body)
    assert not outgoing.passes
    assert outgoing.call.format is Format.CLAUDE
    assert body["messages"][0]["role"] == "user"
    assert body["model"] == "m-1"
    assert "seed" in outgoing.dropped
    assert outgoing.call.query == ""


def test_client_headers_are_looked_at_only_where_custom_headers_may_want_them():
    headers = {"x-tenant": "blue"}
    plain = prepare(msgspec.structs.replace(ask(CHAT), headers=headers), candidate("openai"), 0.0)
    custom = candidate("openai", headers=(("x-tenant", "$X-Tenant"),))
    copied = prepare(msgspec.structs.replace(ask(CHAT), headers=headers), custom, 0.0)
    assert plain.call.client_headers == ()
    assert copied.call.client_headers == (("x-tenant", "blue"),)
