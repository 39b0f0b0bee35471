"""Files in the shape of those that CLIProxyAPI's users have load, and what they say holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from management_api.config import document, schema, startup
from management_api.config.problems import errors, warnings
from providers import secrets
from providers.models import Credential, Provider
from routing import client_keys, table
from routing.models import ChannelAlias, ChannelExclusion, ClientKey, GatewaySettings

pytestmark = pytest.mark.django_db

FILES = Path(__file__).parents[2] / "exchanges" / "config"


def load(name):
    startup.load_and_apply(FILES / f"{name}.yaml", {})


def test_the_usual_file_is_accepted_and_only_disguise_is_warned_about():
    problems = schema.read(document.load(FILES / "shipped_shape.yaml"), {})[1]
    assert errors(problems) == []
    assert [problem.where for problem in problems] == ["claude-api-key[1].cloak"]


def test_everything_of_the_usual_file_holds():
    load("shipped_shape")
    row = GatewaySettings.objects.get()
    assert (row.keepalive_s, row.bootstrap_retries, row.ws_auth, row.incognito_browser) == (
        15,
        1,
        False,
        True,
    )
    assert row.management_key_hash == ""
    assert {len(row.payload[part]) for part in ("default", "default_raw", "override", "filter")} == {1}
    assert set(Provider.objects.values_list("key", flat=True)) == {
        "gemini",
        "codex",
        "claude",
        "openrouter",
        "vertex",
        "ampcode",
    }
    assert ClientKey.objects.count() == 2
    assert ChannelAlias.objects.count() == 3
    assert ChannelExclusion.objects.count() == 2
    amp = Credential.objects.get(provider__key="ampcode")
    assert amp.options == {"client-keys": [client_keys.digest("key-of-the-laptop")]}
    models = table.build().models
    assert {"codex-latest", "test/claude-sonnet-latest", "test/kimi-k2"} <= set(models)
    assert {"vertex-flash", "claude-sonnet-4-6", "gemini-2.5-flash"} <= set(models)
    assert {"kimi-k2", "test/gemini-flash", "gemini-flash"}.isdisjoint(models)


def test_a_file_that_grew_over_years_is_accepted():
    problems = schema.read(document.load(FILES / "grown_over_years.yaml"), {})[1]
    assert errors(problems) == []
    assert [problem.where for problem in warnings(problems)] == [
        "allow-localhost-unauthenticated",
        "gemini-web",
        "proxy-url",
        "openai-compatibility[1]",
        "kiro-fingerprint",
    ]


def test_everything_of_a_file_that_grew_over_years_holds():
    load("grown_over_years")
    assert GatewaySettings.objects.get().request_retry == 3
    digests = set(ClientKey.objects.values_list("digest", flat=True))
    assert digests == {client_keys.digest("old-client-key"), client_keys.digest("123456")}
    keys: dict[str, set[str]] = {}
    for row in Credential.objects.select_related("provider"):
        keys.setdefault(row.provider.key, set()).add(secrets.reveal(row.secret_token))
    assert keys == {
        "gemini": {"AIzaSy-old-one", "AIzaSy-old-two"},
        "claude": {"sk-ant-a", "sk-ant-b"},
        "one-api": {"sk-old-1", "sk-old-2"},
        "ollama": {""},
    }
    assert Provider.objects.get(key="one-api").base_url == "http://192.168.1.10:3000/v1"
    assert {"gpt-4o", "deepseek"} <= set(table.build().models)
    assert [secrets.reveal(row.proxy_token) for row in Credential.objects.filter(provider__key="claude")] == [
        "none",
        "none",
    ]
