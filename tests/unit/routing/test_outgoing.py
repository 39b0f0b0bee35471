"""What one candidate is sent: the same bytes where the format is spoken, a translation where not."""

from __future__ import annotations

import msgspec
import pytest

from providers.adapters.base import Operation
from providers.translation.codec import MalformedRequest
from providers.translation.codecs.openai.passthrough import effort_of
from providers.translation.registry import PASSTHROUGHS
from providers.values import CredentialEntry, Format
from routing.core.payload import PayloadRule, PayloadRules, PayloadSelector
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
        ("\u00b2", "auto", None, None),
        ("9" * 5000, "on", None, 10**9),
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


def test_a_suffix_says_how_much_is_thought_and_the_client_what_is_shown():
    thinking = {"type": "adaptive", "display": "omitted"}
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "thinking": thinking}
    asked = ask(body, Format.CLAUDE)
    asked.suffix = "high"
    reasoning = asked.neutral().reasoning
    assert (reasoning.mode, reasoning.effort, reasoning.show) == ("on", "high", "none")


def test_a_body_too_deep_to_be_walked_is_the_clients_fault():
    schema: dict = {"type": "string"}
    for _ in range(450):
        schema = {"type": "object", "properties": {"a": schema}}
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": schema}}
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": [tool]}
    with pytest.raises(MalformedRequest):
        prepare(ask(body), candidate("claude"), 0.0)


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


# --- the operator's rules about bodies ----------------------------------------------------------


def rules(params: dict, **selector) -> PayloadRules:
    chosen = PayloadSelector(**{"name": "*", **selector})
    return PayloadRules(override=(PayloadRule(models=(chosen,), params=tuple(params.items())),))


def sent(asked: Ask, adapter: str, model: str = "m-1") -> dict:
    body: dict = msgspec.json.decode(prepare(asked, candidate(adapter, model), 1.0).call.body)
    return body


SUFFIXED = {"model": "fast(high)", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("name", ["m-1", "fast", "fast(high)", "f*", "*"])
def test_a_rule_finds_the_model_by_all_its_names(name):
    asked = ask(SUFFIXED, payload=rules({"top_k": 7}, name=name))
    asked.suffix = "high"
    assert sent(asked, "openai-compatibility")["top_k"] == 7


@pytest.mark.parametrize(
    ("adapter", "protocol", "holds"),
    [
        ("openai-compatibility", "openai", True),
        ("claude", "claude", True),
        ("claude", "openai", False),
        ("gemini", "gemini", True),
        ("codex", "codex", True),
        ("codex", "openai-response", True),
        ("openai", "codex", False),
        ("kiro", "", False),
    ],
)
def test_a_rule_sees_the_body_in_the_upstream_s_format(adapter, protocol, holds):
    asked = ask({**SUFFIXED, "model": "fast"}, payload=rules({"extra.here": True}, protocol=protocol))
    assert sent(asked, adapter).get("extra") == ({"here": True} if holds else None)


def test_a_rule_wins_over_the_suffix_and_a_body_without_one_keeps_its_bytes():
    asked = ask(SUFFIXED, payload=rules({"reasoning_effort": "low"}))
    asked.suffix = "high"
    assert sent(asked, "openai-compatibility")["reasoning_effort"] == "low"
    raw = b'{"model": "m-1",  "messages":[], "seed": 1.50}'
    untouched = Ask(
        parsed=PASSTHROUGHS[Format.OPENAI].parse(raw),
        suffix="",
        headers={},
        format=Format.OPENAI,
        now=1,
        seed="0" * 32,
        payload=rules({"x": 1}, name="other"),
    )
    assert prepare(untouched, candidate("openai-compatibility"), 1.0).call.body == raw


def test_the_built_in_image_tool_is_taken_out_where_it_is_switched_off():
    body = {"model": "m-1", "input": "Hi", "tools": [{"type": "image_generation"}, {"type": "web_search"}]}
    kept = sent(ask(body, Format.RESPONSES), "codex")
    assert kept["tools"] == body["tools"]
    stripped = sent(ask(body, Format.RESPONSES, strips_image_tool=True), "codex")
    assert stripped["tools"] == [{"type": "web_search"}]


def test_a_rule_may_put_the_image_tool_back():
    body = {"model": "m-1", "input": "Hi", "tools": [{"type": "image_generation"}]}
    asked = ask(
        body,
        Format.RESPONSES,
        strips_image_tool=True,
        payload=rules({"tools.-1": {"type": "image_generation"}}),
    )
    assert sent(asked, "codex")["tools"] == [{"type": "image_generation"}]


def test_a_count_is_asked_without_what_rules_add():
    asked = ask({**SUFFIXED, "model": "m-1"}, payload=rules({"top_k": 7}), operation=Operation.COUNT)
    assert "top_k" not in sent(asked, "openai-compatibility")


def test_names_of_what_was_dropped_are_the_clients_and_so_are_bounded():
    odd = {"x\r\nevil: 1": 1, "k" * 500: 1} | {f"field{n}": 1 for n in range(300)}
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **odd}
    dropped = prepare(ask(body), candidate("claude"), 0.0).dropped
    assert len(dropped) == 101
    assert (dropped[0], len(dropped[1]), dropped[-1]) == ("x??evil: 1", 200, "(202 more)")
