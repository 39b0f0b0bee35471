"""Every example of the product's own documents is accepted and yields the rows that it promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from management_api.config import document, schema, startup
from management_api.config.problems import errors
from providers import secrets
from providers.models import Credential, Provider
from routing.models import ClientKey, GatewaySettings, ModelAlias, ModelExclusion

pytestmark = pytest.mark.django_db

SEEDS = Path(__file__).parents[2] / "exchanges" / "seeds"
FILES = sorted(SEEDS.glob("*.yaml"))
LATER = {path.stem for path in FILES if path.stem.startswith("map_")} | {"session_login"}
"""Blocks that this version reads past with a warning: the ``providers:`` map and session logins."""


def load(name):
    startup.load_and_apply(SEEDS / f"{name}.yaml", {})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_is_accepted(path):
    config, problems = schema.read(document.load(path), {})
    assert errors(problems) == []
    if path.stem in LATER:
        assert [problem.where for problem in problems] == [next(iter(document.load(path).root.entries))]
    else:
        assert problems == []
        assert config.providers or config.settings


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_is_applied_once_and_then_stays(path):
    load(path.stem)
    counts = [model.objects.count() for model in (Provider, Credential, ModelAlias)]
    assert counts[0] == (0 if path.stem in LATER | {"retry_settings"} else counts[0])
    load(path.stem)
    assert [model.objects.count() for model in (Provider, Credential, ModelAlias)] == counts


def test_several_keys_become_several_credentials():
    load("compatible_several_keys")
    assert [secrets.reveal(row.secret_token) for row in Credential.objects.order_by("id")] == [
        f"sk-or-v1-...b78{n}" for n in range(3)
    ]


def test_each_key_has_its_own_proxy():
    load("compatible_proxy_per_key")
    assert [secrets.reveal(row.proxy_token) for row in Credential.objects.order_by("id")] == [
        "socks5://proxy1.example.com:1080",
        "socks5://proxy2.example.com:1080",
        "",
    ]


def test_custom_headers_keep_their_names():
    load("compatible_headers")
    headers = secrets.reveal_headers(Provider.objects.get().headers_token)
    assert headers == {"HTTP-Referer": "https://myapp.com", "X-Title": "My Application"}


def test_a_repeated_alias_is_a_pool_in_file_order():
    load("compatible_pool")
    assert list(ModelAlias.objects.order_by("position").values_list("alias", "upstream_model")) == [
        ("smart-model", "qwen3.5-plus"),
        ("smart-model", "glm-5"),
        ("smart-model", "kimi-k2.5"),
    ]


def test_the_four_shapes_of_exclusion_are_kept():
    load("compatible_exclusions")
    patterns = set(ModelExclusion.objects.values_list("pattern", flat=True))
    assert patterns == {"gpt-3.5-turbo", "gpt-4-*", "*-vision", "*embedding*"}


def test_retry_settings_are_honoured_as_written():
    load("retry_settings")
    row = GatewaySettings.objects.get()
    assert (row.request_retry, row.max_retry_credentials, row.max_retry_interval_s) == (3, 3, 30)


def test_a_provider_with_a_prefix_and_no_models_has_no_aliases():
    load("orchids")
    provider = Provider.objects.get()
    assert (provider.key, provider.prefix) == ("orchids", "orchids")
    assert not provider.aliases.exists()


def test_the_production_pattern_forces_prefixes_and_leaves_the_address_to_the_vendor_block():
    load("usage_production")
    assert GatewaySettings.objects.get().force_model_prefix
    assert set(Credential.objects.values_list("provider__key", "prefix", "base_url")) == {
        ("claude", "agent-core", ""),
        ("openrouter", "batch", ""),
    }
    assert ModelAlias.objects.values_list("credential__provider__key", flat=True).get() == "claude"


def test_the_common_pattern_has_a_client_key_and_two_providers():
    load("usage_common")
    assert ClientKey.objects.count() == 1
    assert set(Provider.objects.values_list("key", "adapter")) == {
        ("claude", "claude"),
        ("openrouter", "openai-compatibility"),
    }


def test_a_vendor_block_may_name_its_own_address():
    load("kilo_free")
    credential = Credential.objects.get()
    assert credential.base_url == "https://api.kilo.ai/api/openrouter"
    assert secrets.reveal(credential.secret_token) == "anonymous"


def test_the_example_in_the_docs_is_accepted_without_a_warning():
    path = Path(__file__).parents[3] / "docs" / "config.example.yaml"
    names = {"OPENROUTER_API_KEY": "a", "ANTHROPIC_API_KEY": "b", "GEMINI_API_KEY": "c"}
    config, problems = schema.read(document.load(path), names)
    assert problems == []
    assert {provider.key for provider in config.providers} >= {"claude", "gemini", "openrouter"}
