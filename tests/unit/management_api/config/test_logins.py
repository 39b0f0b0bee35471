"""Blocks of logins and the maps that hold for a channel."""

from __future__ import annotations

from management_api.config.values import ChannelAliasConfig
from tests.unit.management_api.config.reading import accepted, only, read, refused, settings, warned


def test_kiro_logs_in_by_file_or_by_tokens():
    found = only(
        "kiro:\n"
        "  - token-file: ~/kiro.json\n"
        "    preferred-endpoint: IDE\n"
        "    agent-task-type: vibe\n"
        "    proxy-url: direct\n"
        "  - {access-token: a, refresh-token: r, profile-arn: arn, region: eu-west-1, start-url: 'https://s'}\n"
    )
    assert (found.key, found.adapter) == ("kiro", "kiro")
    first, second = found.credentials
    assert (first.kind, first.channel, first.proxy_url, first.tokens) == ("oauth", "kiro", "direct", {})
    assert first.options == {
        "token-file": "~/kiro.json",
        "region": "us-east-1",
        "agent-task-type": "vibe",
        "preferred-endpoint": "codewhisperer",
    }
    assert second.tokens == {"access-token": "a", "refresh-token": "r"}
    assert second.options == {"profile-arn": "arn", "region": "eu-west-1", "start-url": "https://s"}
    assert first.identity != second.identity


def test_a_login_without_tokens_is_left_out():
    assert warned("kiro:\n  - region: x\ncursor:\n  - cursor-api-url: http://127.0.0.1:1\n") == [
        "config.yaml line 2, kiro[0]: has neither token-file nor tokens and is left out",
        "config.yaml line 4, cursor[0]: has neither token-file nor auth-token and is left out",
    ]


def test_words_of_kiro_that_are_none_are_ignored():
    text = "kiro: [{token-file: t, agent-task-type: nap, preferred-endpoint: moon}]\n"
    assert len(warned(text)) == 2
    assert read(text)[0].providers[0].credentials[0].options == {"token-file": "t", "region": "us-east-1"}


def test_tokens_in_the_file_tell_one_login_from_another():
    for text in (
        "kiro: [{access-token: a}, {access-token: b}]\n",
        "cursor: [{auth-token: a}, {auth-token: b}]\n",
    ):
        assert len(only(text).credentials) == 2


def test_cursor_talks_to_its_local_bridge():
    found = only("cursor: [{token-file: t}, {auth-token: a, cursor-api-url: 'http://127.0.0.1:4000/'}]\n")
    assert [row.base_url for row in found.credentials] == ["http://127.0.0.1:3000", "http://127.0.0.1:4000"]


def test_copilot_takes_its_logins_from_the_gateway():
    found = only("github-copilot: [{name: work, prefix: gh}, {name: own}]\n")
    assert (found.key, found.prefix, found.credentials) == ("github-copilot", "gh", ())
    assert found.options == {"accounts": [{"name": "work", "prefix": "gh"}, {"name": "own", "prefix": ""}]}
    assert accepted("github-copilot: []\n").providers == ()


def test_ampcode_in_all_its_spellings():
    block = "{upstream-url: 'https://ampcode.com', upstream-api-key: k, model-mappings: [{from: a, to: b}]}"
    for text in (
        f"ampcode: {block}",
        f"amp-code: {block}",
        "amp-upstream-url: https://ampcode.com\namp-upstream-api-key: k\n"
        "amp-model-mappings: [{from: a, to: b}]",
    ):
        found = only(text)
        assert (found.key, found.base_url, found.credentials[0].api_key) == (
            "ampcode",
            "https://ampcode.com",
            "k",
        )
        assert found.options == {
            "restrict-management-to-localhost": True,
            "model-mappings": [{"from": "a", "to": "b", "regex": False, "params": {}}],
            "force-model-mappings": False,
        }


def test_amp_s_key_may_come_from_the_environment_and_differ_by_client():
    found = only(
        "ampcode: {upstream-url: 'https://ampcode.com', upstream-api-keys: "
        "[{upstream-api-key: x, api-keys: [c1, c2]}]}\n",
        {"AMP_API_KEY": "e"},
    )
    assert [(row.api_key, row.client_keys) for row in found.credentials] == [("e", ()), ("x", ("c1", "c2"))]


def test_a_token_file_may_stand_for_a_key():
    credential = only("minimax: [{token-file: /t}]\n").credentials[0]
    assert (credential.kind, credential.channel, credential.options) == (
        "oauth",
        "minimax",
        {"token-file": "/t"},
    )
    both = only("roo: [{token-file: /t, api-key: k}]\n").credentials[0]
    assert (both.kind, both.channel, both.options) == ("api_key", "", {})


# --- maps by channel --------------------------------------------------------------------------


def test_the_older_name_of_aliases_counts_only_without_the_newer():
    old = "oauth-model-mappings: {codex: [{name: gpt-5, alias: g5}], kiro: []}\n"
    config = accepted(old)
    assert [(alias.channel, alias.name, alias.alias) for alias in config.channel_aliases] == [
        ("codex", "gpt-5", "g5")
    ]
    assert settings(old).channels_without_aliases == ("kiro",)
    both = old + "oauth-model-alias: {codex: [{name: gpt-5, alias: new}]}\n"
    assert [alias.alias for alias in read(both)[0].channel_aliases] == ["new"]
    assert "oauth-model-mappings: is the older name" in warned(both)[0]


def test_aliases_of_a_channel():
    text = (
        "oauth-model-alias:\n  gemini-cli:\n"
        "    - {name: gemini-2.5-pro, alias: pro, fork: true, display-name: Pro, force-mapping: true}\n"
        "    - {name: gemini-2.5-flash, alias: PRO}\n"
        "    - {name: same, alias: Same}\n"
        "    - {name: x}\n"
        "  Kiro: []\n"
    )
    config = read(text)[0]
    assert config.channel_aliases == (
        ChannelAliasConfig(
            origin_key="oauth-model-alias.gemini-cli[0]",
            channel="gemini-cli",
            name="gemini-2.5-pro",
            alias="pro",
            fork=True,
            display_name="Pro",
            force_mapping=True,
        ),
    )
    assert [line.rpartition(": ")[2] for line in warned(text)] == [
        "uses the alias `PRO` a second time and is left out",
        "has its own name as alias and is left out",
        "needs a name and an alias and is left out",
    ]
    assert config.settings is not None
    assert config.settings.channels_without_aliases == ("Kiro",)


def test_exclusions_of_a_channel_are_lower_case_and_each_once():
    found = accepted("oauth-excluded-models: {claude: ['*-Preview', '*-preview', x]}\n").channel_exclusions
    assert [(row.channel, row.pattern) for row in found] == [("claude", "*-preview"), ("claude", "x")]


def test_another_address_for_a_channel():
    found = settings("oauth-upstream: {GitHub_Copilot: 'https://proxy.example/'}\n")
    assert found.channel_base_urls == {"github-copilot": "https://proxy.example"}
    assert refused("oauth-upstream: {codex: ftp://x}\n")
