"""Every key of the file: what it becomes, and what is said, with its line, when it is wrong."""

from __future__ import annotations

import pytest

from management_api.config import document, parts, schema
from management_api.config.keys import DEDICATED_BLOCKS
from management_api.config.problems import Problem, Severity, errors, warnings
from management_api.config.values import ClientKeyConfig, GatewayConfig, ModelConfig, SettingsConfig


def read(text: str, environ: dict[str, str] | None = None) -> tuple[GatewayConfig, list[Problem]]:
    return schema.read(document.parse(text), environ or {})


def accepted(text, environ=None) -> GatewayConfig:
    config, problems = read(text, environ)
    assert problems == []
    return config


def refused(text, environ=None) -> list[str]:
    return [str(problem) for problem in errors(read(text, environ)[1])]


def warned(text, environ=None) -> list[str]:
    problems = read(text, environ)[1]
    assert errors(problems) == []
    return [str(problem) for problem in warnings(problems)]


def only_credential(config):
    (provider,) = config.providers
    (credential,) = provider.credentials
    return credential


# --- server and settings ---------------------------------------------------------------------


def test_a_file_that_sets_nothing_leaves_everything_to_the_database():
    config = accepted("api-keys: []\n")
    assert (config.host, config.port, config.settings) == (None, None, None)
    assert config.providers == ()
    assert config.client_keys == ()


def test_host_and_port_are_handed_to_the_caller():
    config = accepted('host: ""\nport: 8317\n')
    assert (config.host, config.port) == ("", 8317)
    assert config.settings is None


def test_port_0_is_no_port():
    assert accepted("port: 0\n").port is None


def test_every_setting_is_read_as_written():
    config = accepted(
        "debug: true\nproxy-url: socks5://u:p@proxy.example:1080\nrequest-retry: 2\n"
        "max-retry-credentials: 3\nmax-retry-interval: 12\ntransient-error-cooldown-seconds: -1\n"
        "disable-cooling: yes\nforce-model-prefix: on\n"
    )
    assert config.settings == SettingsConfig(
        debug=True,
        proxy_url="socks5://u:p@proxy.example:1080",
        request_retry=2,
        max_retry_credentials=3,
        max_retry_interval_s=12,
        transient_cooldown_s=-1,
        disable_cooling=True,
        force_model_prefix=True,
    )


def test_settings_left_out_have_their_defaults():
    assert accepted("debug: false\n").settings == SettingsConfig()


def test_negative_retry_settings_count_as_0():
    settings = accepted("request-retry: -1\nmax-retry-credentials: -5\nmax-retry-interval: -2\n").settings
    assert settings == SettingsConfig(request_retry=0, max_retry_credentials=0, max_retry_interval_s=0)


@pytest.mark.parametrize("written", ["direct", "NONE", "None"])
def test_no_proxy_at_all_is_written_in_any_case(written):
    settings = accepted(f"proxy-url: {written}\n").settings
    assert settings is not None
    assert settings.proxy_url == written.lower()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port: -1", "config.yaml line 1, port: must be from 0 to 65535, not -1"),
        ("port: 65536", "config.yaml line 1, port: must be from 0 to 65535, not 65536"),
        ('port: "many"', "config.yaml line 1, port: must be a whole number, not text in quotes"),
        ("port: 1.5", "config.yaml line 1, port: must be a whole number, not a decimal number"),
        (f"port: {'9' * 5000}", "config.yaml line 1, port: must be a whole number"),
        ("port: [1]", "config.yaml line 1, port: must be a whole number, not a list"),
        ("debug: 1", "config.yaml line 1, debug: must be true or false, not a whole number"),
        ("debug: maybe", "config.yaml line 1, debug: must be true or false, not text"),
        ("host: {a: b}", "config.yaml line 1, host: must be text, not a mapping"),
        (
            "request-retry: 2147483648",
            "config.yaml line 1, request-retry: must be from -2147483647 to 2147483647, not 2147483648",
        ),
        ("api-keys: one", "config.yaml line 1, api-keys: must be a list (`- …`), not text"),
        (
            "claude-api-key:\n  api-key: a",
            "config.yaml line 1, claude-api-key: must be a list (`- …`), not a mapping",
        ),
        (
            "claude-api-key:\n  - sk-1",
            "config.yaml line 2, claude-api-key[0]: must be a mapping (`key: value` lines), not text",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_line(text, message):
    assert refused(text) == [message]


def test_every_error_is_reported_at_once_and_by_line():
    messages = refused(
        "port: x\n"
        "claude-api-key:\n"
        "  - api-key: a\n"
        "    weight: heavy\n"
        "openai-compatibility:\n"
        "  - name: local\n"
        "    base-url: localhost:8000/v1\n"
        "    priority: high\n"
    )
    assert [message.split(": ")[0] for message in messages] == [
        "config.yaml line 1, port",
        "config.yaml line 4, claude-api-key[0].weight",
        "config.yaml line 7, openai-compatibility[0].base-url",
        "config.yaml line 8, openai-compatibility[0].priority",
    ]


def test_a_value_without_text_in_a_mapping_counts_as_blank():
    assert warned("claude-api-key:\n  - {api-key: a, headers: {X-A: }}\n") == [
        "config.yaml line 2, claude-api-key[0].headers.X-A: is blank and ignored"
    ]


def test_numbers_in_other_notations_and_with_a_leading_zero_are_read():
    assert accepted("port: 0x207D").port == 8317
    assert accepted("port: 08317").port == 8317


# --- environment -----------------------------------------------------------------------------


def test_a_name_in_braces_is_taken_from_the_environment():
    config = accepted(
        "port: ${PORT}\ndebug: ${LOUD}\nclaude-api-key:\n  - api-key: ${KEY}\n    prefix: a-${TEAM}-b\n",
        {"PORT": "9000", "LOUD": "true", "KEY": "sk-1", "TEAM": "red"},
    )
    assert config.port == 9000
    assert config.settings == SettingsConfig(debug=True)
    credential = only_credential(config)
    assert (credential.api_key, credential.prefix) == ("sk-1", "a-red-b")


def test_a_name_that_is_not_set_is_an_error_that_names_it():
    assert refused("claude-api-key:\n  - api-key: ${A}${B}\n", {"A": "x"}) == [
        "config.yaml line 2, claude-api-key[0].api-key: the environment variable B is not set"
    ]


def test_a_value_from_the_environment_is_checked_like_a_written_one():
    assert refused("port: ${PORT}", {"PORT": "many"}) == ["config.yaml line 1, port: must be a whole number"]
    assert refused("port: ${PORT}") == ["config.yaml line 1, port: the environment variable PORT is not set"]


def test_a_doubled_dollar_keeps_the_characters():
    assert accepted("api-keys: ['a$${X}b', 'c$d']").client_keys[0].key == "a${X}b"


def test_braces_without_a_name_are_an_error():
    assert refused("api-keys: ['${a-b}']") == [
        "config.yaml line 1, api-keys[0]: `${a-b}` is no environment name; write `$${` for the characters"
    ]


def test_the_environment_wins_over_the_file():
    config = accepted(
        "host: 0.0.0.0\nport: 1\ndebug: false\napi-keys: [a]\n",
        {
            "CLIPROXY_HOST": "127.0.0.1",
            "CLIPROXY_PORT": "9",
            "CLIPROXY_DEBUG": "Yes",
            "CLIPROXY_API_KEYS": " one , two,,one",
        },
    )
    assert (config.host, config.port) == ("127.0.0.1", 9)
    assert config.settings == SettingsConfig(debug=True)
    assert config.client_keys == (
        ClientKeyConfig(origin_key="CLIPROXY_API_KEYS[0]", key="one"),
        ClientKeyConfig(origin_key="CLIPROXY_API_KEYS[1]", key="two"),
    )


@pytest.mark.parametrize("value", ["0", "70000", "x", "-1", "²"])
def test_a_port_in_the_environment_that_is_none_is_ignored_with_a_warning(value):
    config, problems = read("port: 5\n", {"CLIPROXY_PORT": value})
    assert config.port == 5
    assert [str(problem) for problem in problems] == [
        "config.yaml: the environment variable CLIPROXY_PORT is not a port (1 to 65535) and is ignored"
    ]


def test_a_debug_switch_in_the_environment_that_is_none_is_ignored_with_a_warning():
    assert "CLIPROXY_DEBUG is neither" in warned("port: 5\n", {"CLIPROXY_DEBUG": "perhaps"})[0]


# --- client keys -----------------------------------------------------------------------------


def test_client_keys_keep_their_text_even_when_they_look_like_numbers():
    keys = accepted("api-keys:\n  - 0123\n  - 1e3\n  - 'a b'\n").client_keys
    assert [key.key for key in keys] == ["0123", "1e3", "a b"]


def test_blank_and_repeated_client_keys_are_left_out_with_a_warning():
    assert warned("api-keys:\n  - a\n  -\n  - ' '\n  - a\n") == [
        "config.yaml line 3, api-keys[1]: is empty and ignored",
        "config.yaml line 4, api-keys[2]: is empty and ignored",
        "config.yaml line 5, api-keys[3]: repeats api-keys[0] and is ignored",
    ]


# --- providers -------------------------------------------------------------------------------


def test_a_claude_entry_carries_all_its_own_values():
    config = accepted(
        """
claude-api-key:
  - api-key: " sk-ant-1 "
    base-url: https://relay.example/anthropic/
    prefix: /team/
    proxy-url: direct
    headers: {X-Team: red, X-Blank: "a "}
    priority: 5
    weight: 7
    disable-cooling: true
    request-retry: 1
    disabled: true
    models:
      - {name: claude-3-5-sonnet-20241022, alias: core, display-name: Core, force-mapping: true}
      - name: claude-3-opus
    excluded-models: ["*-Preview", "*-preview", x]
"""
    )
    (provider,) = config.providers
    assert (provider.key, provider.adapter, provider.origin_key) == ("claude", "claude", "claude-api-key")
    credential = only_credential(config)
    assert credential.origin_key == "claude-api-key[0]"
    assert credential.api_key == "sk-ant-1"
    assert credential.base_url == "https://relay.example/anthropic"
    assert credential.prefix == "team"
    assert credential.proxy_url == "direct"
    assert credential.headers == {"X-Team": "red", "X-Blank": "a"}
    assert (credential.priority, credential.weight, credential.request_retry) == (5, 7, 1)
    assert credential.disable_cooling is True
    assert credential.enabled is False
    assert credential.models == (
        ModelConfig(name="claude-3-5-sonnet-20241022", alias="core", display_name="Core", force_mapping=True),
        ModelConfig(name="claude-3-opus", alias="claude-3-opus"),
    )
    assert credential.excluded_models == ("*-preview", "x")


def test_entries_inherit_what_they_do_not_say():
    credential = only_credential(accepted("gemini-api-key:\n  - api-key: a\n    request-retry: -1\n"))
    assert (credential.priority, credential.weight, credential.request_retry) == (None, 1, None)
    assert credential.disable_cooling is None
    assert credential.enabled


@pytest.mark.parametrize("block", DEDICATED_BLOCKS)
def test_each_vendor_of_its_own_is_a_list_of_keys(block):
    config = accepted(f"{block}:\n  - api-key: a\n  - api-key: b\n")
    (provider,) = config.providers
    assert (provider.key, provider.adapter, len(provider.credentials)) == (block, block, 2)


def test_a_compatible_provider_is_read_whole():
    config = accepted(
        """
openai-compatibility:
  - name: My Provider
    prefix: my
    base-url: http://127.0.0.1:8000/v1
    headers: {X-Title: App}
    priority: -3
    disable-cooling: false
    request-retry: 0
    disabled: true
    models-endpoint: /models
    proxy-url: http://proxy.example:3128
    api-key-entries:
      - api-key: a
        proxy-url: socks5h://proxy.example
        weight: -4
        disabled: true
        priority: 2
      - api-key: b
    models:
      - {name: one, alias: pool}
      - {name: two, alias: pool}
    excluded-models: [GPT-4-*]
"""
    )
    (provider,) = config.providers
    assert (provider.key, provider.name, provider.adapter) == (
        "my-provider",
        "My Provider",
        "openai-compatibility",
    )
    assert (provider.prefix, provider.base_url) == ("my", "http://127.0.0.1:8000/v1")
    assert provider.headers == {"X-Title": "App"}
    assert (provider.priority, provider.request_retry, provider.disable_cooling) == (-3, 0, False)
    assert (provider.enabled, provider.options) == (False, {"models-endpoint": "/models"})
    assert provider.proxy_url == "http://proxy.example:3128"
    first, second = provider.credentials
    assert (first.api_key, first.proxy_url, first.weight) == ("a", "socks5h://proxy.example", 0)
    assert (first.enabled, first.priority) == (False, 2)
    assert (second.api_key, second.proxy_url, second.weight) == ("b", "", 1)
    assert [(model.alias, model.name) for model in provider.models] == [("pool", "one"), ("pool", "two")]
    assert provider.excluded_models == ("gpt-4-*",)


def test_a_compatible_provider_without_keys_sends_none():
    config = accepted("openai-compatibility:\n  - name: local\n    base-url: http://localhost:1/v1\n")
    assert only_credential(config).api_key == ""


def test_providers_that_share_a_name_are_not_merged():
    entry = "  - {name: Local, base-url: 'http://localhost:1/v1'}\n"
    config = accepted(f"openrouter:\n  - api-key: a\nopenai-compatibility:\n{entry * 3}")
    assert [provider.key for provider in config.providers] == ["openrouter", "local", "local-2", "local-3"]


def test_a_compatible_provider_named_like_a_block_of_the_file_gets_the_next_key():
    config = accepted(
        "openai-compatibility:\n  - {name: groq, base-url: 'http://x/v1'}\ngroq:\n  - api-key: a\n"
    )
    assert [(provider.key, provider.adapter) for provider in config.providers] == [
        ("groq", "groq"),
        ("groq-2", "openai-compatibility"),
    ]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Together AI", "together-ai"),
        ("api.example.com/v1", "api-example-com-v1"),
        ("Épée", "epee"),
        ("智谱", "provider"),
        ("x" * 90, "x" * 59),
    ],
)
def test_a_name_becomes_a_key_of_plain_letters(name, key):
    assert parts.slug(name) == key


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "base-url: api.example.com/v1",
            "config.yaml line 2, claude-api-key[0].base-url: The base URL must begin with http:// or https://.",
        ),
        (
            "base-url: 'http://169.254.169.254/x'",
            "config.yaml line 2, claude-api-key[0].base-url: The base URL names a link-local or metadata "
            "address, which is refused.",
        ),
        (
            "weight: 1000001",
            "config.yaml line 2, claude-api-key[0].weight: must be at most 1000000, not 1000001",
        ),
        (
            "weight: 1.5",
            "config.yaml line 2, claude-api-key[0].weight: must be a whole number, not a decimal number",
        ),
        (
            f"prefix: {'p' * 65}",
            "config.yaml line 2, claude-api-key[0].prefix: must have at most 64 characters",
        ),
        (
            "headers: [a]",
            "config.yaml line 2, claude-api-key[0].headers: must be a mapping of names to texts",
        ),
        (
            "headers: {'X Y': a}",
            "config.yaml line 2, claude-api-key[0].headers: a header name has a character that none may have",
        ),
        (
            'headers: {X: "a\\nb"}',
            "config.yaml line 2, claude-api-key[0].headers.X: must be a single line",
        ),
        (
            "models: [[gpt]]",
            "config.yaml line 2, claude-api-key[0].models[0]: must be a mapping (`key: value` lines)",
        ),
        (
            "excluded-models: [[a]]",
            "config.yaml line 2, claude-api-key[0].excluded-models[0]: must be text, not a list",
        ),
        (
            f"excluded-models: [{'p' * 301}]",
            "config.yaml line 2, claude-api-key[0].excluded-models[0]: must have at most 300 characters",
        ),
        (
            "disabled: 2020-01-01",
            "config.yaml line 2, claude-api-key[0].disabled: must be true or false, not a",
        ),
    ],
)
def test_a_wrong_value_of_an_entry_is_named_with_its_line(entry, message):
    (found,) = refused(f"claude-api-key:\n  - {entry}\n    api-key: a\n")
    assert found.startswith(message)


def test_a_compatible_provider_needs_a_name():
    assert refused("openai-compatibility:\n  - base-url: http://localhost:1/v1\n") == [
        "config.yaml line 2, openai-compatibility[0].name: is missing: give the provider a name"
    ]


def test_a_models_endpoint_is_a_path_or_an_address():
    entry = "openai-compatibility:\n  - name: a\n    base-url: http://x/v1\n    models-endpoint: "
    for endpoint in ("https://x/list?all=1", "models"):
        (provider,) = accepted(f"{entry}{endpoint}\n").providers
        assert provider.options == {"models-endpoint": endpoint}
    assert refused(f"{entry}ftp://x/models\n") == [
        "config.yaml line 4, openai-compatibility[0].models-endpoint: must be a path (/v1/models) or an "
        "http or https URL"
    ]


def test_entries_that_cannot_be_called_are_left_out_with_a_warning():
    assert warned(
        "gemini-api-key:\n  - prefix: a\nkilo:\n  - api-key: ''\nopenai-compatibility:\n  - name: b\n"
    ) == [
        "config.yaml line 2, gemini-api-key[0]: has neither api-key nor base-url and is left out",
        "config.yaml line 4, kilo[0]: has neither api-key nor base-url and is left out",
        "config.yaml line 6, openai-compatibility[0]: has no base-url and is left out",
    ]


def test_a_repeated_key_is_left_out_with_a_warning():
    assert warned("claude-api-key:\n  - api-key: a\n  - {api-key: a, prefix: p}\n  - api-key: a\n") == [
        "config.yaml line 4, claude-api-key[2]: repeats claude-api-key[0] and is left out"
    ]


def test_models_without_a_name_or_said_twice_are_left_out_with_a_warning():
    config, problems = read(
        "claude-api-key:\n  - api-key: a\n    models:\n      - alias: x\n      - name: y\n      - name: y\n"
    )
    assert [str(problem) for problem in problems] == [
        "config.yaml line 4, claude-api-key[0].models[0]: has no name and is left out",
        "config.yaml line 6, claude-api-key[0].models[2]: repeats the alias `y` for the same name and is "
        "left out",
    ]
    assert len(only_credential(config).models) == 1


def test_a_prefix_with_a_slash_inside_is_no_prefix():
    config, problems = read("claude-api-key:\n  - api-key: a\n    prefix: a/b\n")
    assert [str(problem) for problem in problems] == [
        "config.yaml line 3, claude-api-key[0].prefix: has a slash inside and is ignored: the entry has no "
        "prefix"
    ]
    assert only_credential(config).prefix == ""


def test_a_blank_header_is_ignored_with_a_warning():
    assert warned("claude-api-key:\n  - api-key: a\n    headers:\n      X-A: ''\n") == [
        "config.yaml line 4, claude-api-key[0].headers.X-A: is blank and ignored"
    ]


# --- keys that are not read ------------------------------------------------------------------


def test_a_key_without_effect_is_told_from_an_unknown_one():
    assert warned(
        "port: 1\nplugins: {enabled: true}\ntelemetry: 1\napi-key: [a]\nclaude-header-defaults: {}\n"
    ) == [
        "config.yaml line 2, plugins: has no effect: the gateway loads no foreign code; a provider is added "
        "in its own module",
        "config.yaml line 3, telemetry: is an unknown key and ignored",
        "config.yaml line 4, api-key: is an unknown key and ignored; did you mean `api-keys`?",
        "config.yaml line 5, claude-header-defaults: is ignored on purpose: the gateway does not pass itself "
        "off as another client",
    ]


def test_a_block_that_is_switched_off_is_not_worth_a_warning():
    accepted("plugins: {enabled: false}\npprof: {enable: false, addr: 127.0.0.1:8316}\n")
    accepted("codex: {live-media-relay: {enabled: false}}\n")


def test_unread_keys_inside_entries_are_told_with_their_place():
    assert warned(
        "openai-compatibility:\n"
        "  - name: a\n"
        "    base-url: http://x/v1\n"
        "    base_url: b\n"
        "    cloak: {mode: auto}\n"
        "    models:\n"
        "      - name: m\n"
        "        allias: m\n"
    ) == [
        "config.yaml line 4, openai-compatibility[0].base_url: is an unknown key and ignored; did you mean "
        "`base-url`?",
        "config.yaml line 5, openai-compatibility[0].cloak: is ignored on purpose: the gateway does not pass "
        "itself off as another client",
        "config.yaml line 8, openai-compatibility[0].models[0].allias: is an unknown key and ignored; did "
        "you mean `alias`?",
    ]


def test_keys_that_begin_with_x_are_free_for_anchors():
    config = accepted(
        "x-common: &common\n  prefix: team\nclaude-api-key:\n  - {<<: *common, api-key: a}\n"
        "  - <<: *common\n    api-key: b\n"
    )
    assert [credential.prefix for credential in config.providers[0].credentials] == ["team", "team"]


def test_a_mistake_in_a_shared_anchor_is_told_once_per_place():
    problems = read("x-a: &a {weight: x}\nkilo:\n  - {<<: *a, api-key: a}\n  - {<<: *a, api-key: b}\n")[1]
    assert [(problem.severity, problem.line, problem.where) for problem in problems] == [
        (Severity.ERROR, 1, "kilo[0].weight"),
        (Severity.ERROR, 1, "kilo[1].weight"),
    ]


def test_keys_with_no_value_count_as_absent():
    assert accepted("port:\napi-keys:\nclaude-api-key: ~\nproxy-url:\ndebug:\n") == GatewayConfig(
        content_hash=document.parse("port:\napi-keys:\nclaude-api-key: ~\nproxy-url:\ndebug:\n").content_hash
    )


def test_secrets_show_in_no_repr_and_in_no_message():
    config, problems = read(
        "api-keys: [sk-secret, sk-secret]\nproxy-url: 'socks5://u:sk-secret@h'\n"
        "claude-api-key:\n  - api-key: sk-secret\n    headers: {A: sk-secret}\n    weight: sk-secret\n"
        "  - api-key: sk-secret\n    proxy-url: sk-secret\n    base-url: sk-secret\n"
    )
    assert "sk-secret" not in repr(config)
    assert "sk-secret" not in " ".join(str(problem) for problem in problems)


def test_a_file_of_the_newer_layout_is_refused_and_not_read_as_an_empty_one():
    newer = "config-version: 8\nserver: {port: 8317}\nclient: {api-keys: [a]}\n"
    assert refused(newer) == [
        "config.yaml line 1, config-version: layout 8 cannot be read; use the one of CLIProxyAPI 7, without "
        "config-version"
    ]
    assert accepted("config-version: 7").client_keys == ()


def test_keys_of_earlier_releases_say_why_they_do_nothing():
    assert warned("gemini-web: {context: true}\ncodex-instructions-enabled: false") == [
        "config.yaml line 1, gemini-web: has no effect: the web page of Gemini is no provider here",
        "config.yaml line 2, codex-instructions-enabled: is ignored on purpose: the gateway does not pass "
        "itself off as another client",
    ]
