"""Blocks of keys beyond what every entry has: vertex, xai, interactions, older forms, zen and nim."""

from __future__ import annotations

import json

import pytest
import yaml

from providers.values import ErrorRule, Features, Limits, RuleAction, Thinking
from tests.unit.management_api.config.reading import accepted, only, read, warned


@pytest.mark.parametrize(
    ("text", "key", "adapter"),
    [
        ("interactions-api-key: [{api-key: a}]", "gemini-interactions", "gemini"),
        ("vertex-api-key: [{api-key: a}]", "vertex", "vertex"),
        ("xai-api-key: [{api-key: a, base-url: 'https://api.x.ai/v1'}]", "xai", "xai"),
        ("codex-api-key: [{api-key: a, base-url: 'https://x/v1'}]", "codex", "codex"),
    ],
)
def test_each_list_is_a_provider(text, key, adapter):
    found = only(text)
    assert (found.key, found.adapter, len(found.credentials)) == (key, adapter, 1)


def test_xai_is_addressed_in_the_responses_format_and_over_websockets():
    (credential,) = only(
        "xai-api-key: [{api-key: a, base-url: 'https://x/v1', websockets: true}]"
    ).credentials
    assert credential.options == {"speaks-responses": True}
    assert credential.websockets is True


def test_switches_of_claude_and_codex():
    assert only("claude-api-key: [{api-key: a, rebuild-mid-system-message: true}]").credentials[
        0
    ].options == {"rebuild-mid-system-message": True}
    assert only("codex-api-key: [{api-key: a, base-url: 'https://x', alpha-search: true}]").credentials[
        0
    ].options == {"alpha-search": True}


def test_entries_that_cannot_be_called_say_what_they_lack():
    assert warned("xai-api-key: [{api-key: a}]\nvertex-api-key: [{base-url: 'https://x'}]\n") == [
        "config.yaml line 1, xai-api-key[0]: has no base-url and is left out (its vendor's is "
        "https://api.x.ai/v1)",
        "config.yaml line 2, vertex-api-key[0]: has no api-key and is left out",
    ]


def test_a_model_of_vertex_needs_an_alias():
    text = "vertex-api-key: [{api-key: a, models: [{name: x}, {name: y, alias: z}]}]\n"
    assert [model.alias for model in read(text)[0].providers[0].credentials[0].models] == ["z"]


def test_what_an_item_of_models_may_say():
    (model,) = only(
        "openai-compatibility:\n  - name: a\n    base-url: http://x/v1\n    models:\n"
        "      - {name: m, max-context-length: 9, is-compat: true, image: true, "
        "input-modalities: [Text, text], output-modalities: [image], "
        "thinking: {min: 1, max: 2, zero-allowed: true, levels: [LOW, high]}}\n"
    ).models
    assert model.features == Features(
        images=True,
        vision=False,
        is_compat=True,
        thinking=Thinking(min=1, max=2, zero_allowed=True, levels=("low", "high")),
    )
    assert model.options == {
        "context_length": 9,
        "input_modalities": ["text"],
        "output_modalities": ["image"],
    }


def test_limits_and_error_rules_of_an_entry():
    (credential,) = only(
        "groq: [{api-key: a, rate-limit: {rpm: 1, tpm: 2, rpd: 3, tpd: -4, wait-on-limit: true, "
        "max-wait-seconds: 0}, request-scoped-errors: [{status: 400, match: [x], action: stop}]}]"
    ).credentials
    assert credential.limits == Limits(rpm=1, tpm=2, rpd=3, waits=True)
    assert credential.error_rules == (ErrorRule(status=400, action=RuleAction.STOP, texts=("x",)),)


TWICE = "{api-key: k, base-url: 'http://x/v1', prefix: p, models: [{name: a, alias: a}]}"


@pytest.mark.parametrize(
    ("block", "change", "kept"),
    [
        ("claude-api-key", "", 1),
        ("claude-api-key", "priority: 1", 2),
        ("codex-api-key", "proxy-url: direct", 2),
        ("xai-api-key", "models: [{name: b, alias: b}]", 2),
        ("gemini-api-key", "priority: 1", 1),
        ("gemini-api-key", "proxy-url: direct", 2),
        ("interactions-api-key", "headers: {X-A: b}", 2),
        ("vertex-api-key", "prefix: q", 1),
        ("vertex-api-key", "base-url: 'http://y'", 2),
        ("groq", "weight: 2", 2),
    ],
)
def test_when_an_entry_repeats_another(block, change, kept):
    said = {**yaml.safe_load(TWICE), **yaml.safe_load(f"{{{change}}}")}
    config, problems = read(f"{block}:\n  - {TWICE}\n  - {json.dumps(said)}\n")
    (provider,) = config.providers
    assert len(provider.credentials) == kept
    told = {(*credential.identity, credential.variant) for credential in provider.credentials}
    assert len(told) == kept
    assert len(problems) == 2 - kept


def test_older_forms_of_lists_of_keys():
    found = read(
        "generative-language-api-key: [g1, g2]\n"
        "gemini-api-key: [{api-key: g1}]\n"
        "openai-compatibility: [{name: a, base-url: 'http://x/v1', api-keys: [o1, o2]}]\n"
        "auth:\n  providers:\n    - {name: default, type: config-api-key, api-keys: [c1]}\n"
    )[0]
    assert [row.api_key for row in found.providers[0].credentials] == ["g1", "g2"]
    assert [row.api_key for row in found.providers[1].credentials] == ["o1", "o2"]
    assert [row.key for row in found.client_keys] == ["c1"]


def test_the_older_block_of_client_keys_counts_only_without_the_newer():
    found = accepted("api-keys: [new]\nauth: {providers: [{api-keys: [old]}]}\n")
    assert [row.key for row in found.client_keys] == ["new"]


def test_a_client_key_may_say_more_of_itself():
    (found,) = accepted(
        "api-keys: [{api-key: a, name: ci, allowed-models: [GPT-*], limits: {rpm: 5, concurrency: 2}}]\n"
    ).client_keys
    assert (found.key, found.note, found.allowed_models) == ("a", "ci", ("gpt-*",))
    assert found.limits == Limits(rpm=5, concurrency=2)


@pytest.mark.parametrize(
    ("environ", "keys"),
    [
        ({"ZEN_API_KEY": " ", "OPENCODE_API_KEY": "z"}, {"zen": "z"}),
        ({"THGENT_ZEN_API_KEY": "z", "NVIDIA_API_KEY": "n"}, {"zen": "z", "nim": "n"}),
        ({}, {}),
    ],
)
def test_zen_and_nim_come_from_the_environment(environ, keys):
    config = accepted("port: 1\n", environ)
    assert {row.key: row.credentials[0].api_key for row in config.providers} == keys


def test_zen_of_the_file_wins():
    config = accepted("openai-compatibility: [{name: Zen, base-url: 'http://x/v1'}]\n", {"ZEN_API_KEY": "z"})
    assert [(row.key, row.adapter) for row in config.providers] == [("zen", "openai-compatibility")]
