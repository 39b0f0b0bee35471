"""The ``providers:`` map: types, endpoints, keys, models, features, limits, cooldowns."""

from __future__ import annotations

import pytest

from providers.values import CoolingLadder, Features, Limits
from tests.unit.management_api.config.reading import accepted, only, read, refused, warned


def provider(text: str, environ: dict[str, str] | None = None):
    return only(f"providers:\n  {text}\n", {"A_API_KEY": "k", **(environ or {})})


@pytest.mark.parametrize(
    ("kind", "endpoint", "adapter", "base_url"),
    [
        ("openai", "https://api.openai.com", "openai", "https://api.openai.com/v1"),
        ("openai", "https://api.openai.com/v1", "openai", "https://api.openai.com/v1"),
        ("openrouter", "https://openrouter.ai/api", "openrouter", "https://openrouter.ai/api/v1"),
        ("openrouter", "https://openrouter.ai", "openrouter", "https://openrouter.ai/api/v1"),
        ("fireworks", "https://api.fireworks.ai", "fireworks", "https://api.fireworks.ai/inference/v1"),
        ("groq", "https://api.groq.com/", "groq", "https://api.groq.com/openai/v1"),
        ("roocode", "https://api.roocode.ai", "roo", "https://api.roocode.ai/v1"),
        ("kiloai", "https://api.kiloai.io", "kilo", "https://api.kiloai.io/v1"),
        ("deepseek", "http://localhost:9", "deepseek", "http://localhost:9/v1"),
        ("claude", "https://api.anthropic.com", "claude", "https://api.anthropic.com"),
        ("gemini", "https://g.example", "gemini", "https://g.example"),
        ("custom", "http://127.0.0.1:9/x", "openai-compatibility", "http://127.0.0.1:9/x/v1"),
        ("acme", "http://127.0.0.1:9/v3", "openai-compatibility", "http://127.0.0.1:9/v3"),
        ("mistral", "", "mistral", ""),
    ],
)
def test_an_endpoint_ends_before_the_version(kind, endpoint, adapter, base_url):
    found = provider(f"a: {{type: {kind}, endpoint: '{endpoint}'}}")
    assert (found.adapter, found.base_url) == (adapter, base_url)


def test_the_key_is_the_file_s_or_the_environment_s():
    text = "a: {type: claude, api_key: own}"
    assert provider(text).credentials[0].api_key == "own"
    assert provider("a: {type: claude}").credentials[0].api_key == "k"
    named = only(
        "providers: {my-claude: {type: claude}}", {"MY_CLAUDE_API_KEY": "m", "ANTHROPIC_API_KEY": "v"}
    )
    assert named.credentials[0].api_key == "m"
    usual = only("providers: {my-claude: {type: claude}}", {"ANTHROPIC_API_KEY": "v"})
    assert usual.credentials[0].api_key == "v"


def test_without_a_key_calls_go_out_without_one_and_that_is_said():
    text = "providers: {my-claude: {type: claude}}"
    assert warned(text) == [
        "config.yaml line 1, providers.my-claude: has no api_key and MY_CLAUDE_API_KEY is not set: its calls "
        "go out without a key"
    ]
    assert read(text)[0].providers[0].credentials[0].kind == "none"
    local = "providers: {local: {type: custom, endpoint: 'http://127.0.0.1:9'}}"
    assert accepted(local).providers[0].credentials[0].kind == "none"


def test_a_login_brings_its_own_credentials():
    assert provider("a: {type: kiro}").credentials[0].api_key == "k"
    assert only("providers: {kiro: {type: kiro, auth_type: oauth_device_flow}}").credentials == ()
    found = only("providers: {copilot: {type: copilot}}")
    assert (found.key, found.adapter, found.name) == ("github-copilot", "github-copilot", "copilot")


def test_models_are_a_closed_list_that_keeps_those_that_are_off():
    found = provider(
        "a: {type: gemini, models: [{name: gemini-1.5-pro, max_tokens: 9, supports_functions: false}, "
        "{name: off, enabled: false}, plain], model_mappings: {fast: plain}}"
    )
    assert [(model.alias, model.name, model.enabled) for model in found.models] == [
        ("gemini-1.5-pro", "gemini-1.5-pro-preview-0514", True),
        ("off", "off", False),
        ("plain", "plain", True),
        ("fast", "plain", True),
    ]
    assert found.models[0].features == Features(functions=False, max_tokens=9)
    assert found.models[0].context_length == 9
    assert found.options == {"only-listed": True}


def test_a_list_of_models_that_are_all_off_offers_none():
    found = provider("a: {type: openai, models: [{name: gpt-4, enabled: false}]}")
    assert [(model.alias, model.enabled) for model in found.models] == [("gpt-4", False)]
    assert found.options == {"only-listed": True}


def test_mappings_alone_leave_the_catalogue_open_but_for_a_custom_provider():
    assert provider("a: {type: openai, model_mappings: {x: gpt-5}}").options == {"only-listed": False}
    custom = provider("a: {type: custom, endpoint: 'http://x', model_mappings: {x: y}}")
    assert custom.options == {"only-listed": True}


def test_a_mapping_of_the_file_goes_before_the_built_in_one():
    found = provider(
        "a: {type: openai, models: [gpt-4-turbo], model_mappings: {gpt-4-turbo: gpt-4-turbo-2024-04-09}}"
    )
    assert [(model.alias, model.name) for model in found.models] == [
        ("gpt-4-turbo", "gpt-4-turbo-2024-04-09")
    ]


def test_features_limits_and_cooldown():
    found = provider(
        "a: {type: openai, features: {streaming: false, multimodal: true}, priority: 3, prefix: /p/, "
        "limits: {requests_per_minute: 6, tokens_per_minute: 0, max_tokens_per_request: 100}, "
        "cooldown: {enabled: true, initial_seconds: 5, max_seconds: 2}}"
    )
    assert found.features == Features(streaming=False, multimodal=True, max_tokens=100)
    assert found.limits == Limits(rpm=6)
    assert found.ladder == CoolingLadder(initial_s=5, max_s=5)
    assert (found.disable_cooling, found.priority, found.prefix) == (False, 3, "p")
    off = provider("a: {type: openai, cooldown: {enabled: false}}")
    assert (off.disable_cooling, off.ladder) == (True, None)


@pytest.mark.parametrize("key", ["limits", "rate_limit", "rate-limit"])
def test_limits_may_be_written_as_in_the_lists(key):
    text = "a: {type: openai, KEY: {rpm: 6, tpm: 7, rpd: 8, tpd: 9, concurrency: 2}}"
    assert provider(text.replace("KEY", key)).limits == Limits(rpm=6, tpm=7, rpd=8, tpd=9, concurrency=2)


def test_a_type_is_needed_and_a_custom_provider_needs_an_endpoint():
    assert refused("providers: {a: {}}") == [
        "config.yaml line 1, providers.a.type: is missing: name the kind of provider, custom for any other"
    ]
    assert refused("providers:\n  a:\n")[0].startswith("config.yaml line 2, providers.a.type: is missing")
    assert warned("providers: {a: {type: custom}}") == [
        "config.yaml line 1, providers.a: has no endpoint and is left out"
    ]


def test_an_unknown_way_to_authenticate_is_said():
    assert (
        "auth_type: is none of api_key, oauth_device_flow"
        in warned("providers: {a: {type: openai, api_key: k, auth_type: magic}}")[0]
    )


def test_it_stands_beside_the_lists_and_takes_the_next_key():
    text = "claude-api-key: [{api-key: a}]\nproviders: {claude: {type: claude, api_key: b}}\n"
    assert [found.key for found in read(text)[0].providers] == ["claude", "claude-2"]
    assert warned(text) == [
        "config.yaml line 2, providers.claude: provider already registered: claude; this one is stored as "
        "`claude-2`"
    ]
