"""Every example of the product's own documents loads as it stands, and a request goes where it says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from management_api.config import document, schema, startup
from management_api.config.problems import errors
from providers import secrets
from providers.models import Credential, Provider
from providers.values import CredentialEntry
from routing import table
from routing.core.table import RoutingTable
from routing.models import ClientKey, GatewaySettings, ModelAlias, ModelExclusion
from tests.integration.proxy.conftest import proxy, upstream  # noqa: F401 -- fixtures
from tests.integration.proxy.upstream_double import answers

pytestmark = pytest.mark.django_db

SEEDS = Path(__file__).parents[2] / "exchanges" / "seeds"
FILES = sorted(SEEDS.glob("*.yaml"))
WITHOUT_PROVIDER = {"retry_settings", "map_custom"}
"""A block of settings alone, and an example that names no endpoint."""
ENVIRONMENT = {
    f"{name}_API_KEY": f"{name.lower()}-key"
    for name in (
        "CLAUDE",
        "GEMINI",
        "OPENAI",
        "OPENROUTER",
        "TOGETHER",
        "FIREWORKS",
        "ROOCODE",
        "KILOAI",
        "MINIMAX",
    )
}
"""The examples of the ``providers:`` map leave the key to the environment."""


def load(name):
    startup.load_and_apply(SEEDS / f"{name}.yaml", ENVIRONMENT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_is_accepted(path):
    config, problems = schema.read(document.load(path), ENVIRONMENT)
    assert errors(problems) == []
    if path.stem == "map_custom":
        assert [str(problem) for problem in problems] == [
            "map_custom.yaml line 3, providers.custom: has no endpoint and is left out"
        ]
    else:
        assert problems == []
        assert config.providers or config.settings


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_is_applied_once_and_then_stays(path):
    load(path.stem)
    counts = [model.objects.count() for model in (Provider, Credential, ModelAlias)]
    assert (counts[0] > 0) == (path.stem not in WITHOUT_PROVIDER)
    load(path.stem)
    assert [model.objects.count() for model in (Provider, Credential, ModelAlias)] == counts


# --- a request through every block ------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """What a client asks for, and what its provider must then see."""

    asked: str
    path: str
    key: str
    sent: str
    host: str
    """Where the example points, before the test puts a double there."""


CHAT = "/v1/chat/completions"
OPENROUTER = "openrouter.ai"
WAYS = {
    "aggregator": Way("or/any/model", "/api/v1/chat/completions", "sk-or-v1-...", "any/model", OPENROUTER),
    "cline_groq": Way(
        "groq-llama", "/openai/v1/chat/completions", "gsk_...", "llama-3.3-70b-versatile", "api.groq.com"
    ),
    "compatible_basic": Way(
        "openrouter-claude",
        "/api/v1/chat/completions",
        "sk-or-v1-...b780",
        "anthropic/claude-3.5-sonnet",
        OPENROUTER,
    ),
    "compatible_deepseek": Way("deepseek-code", CHAT, "sk-...", "deepseek-coder", "api.deepseek.com"),
    "compatible_exclusions": Way(
        "claude-sonnet",
        "/api/v1/chat/completions",
        "sk-or-v1-...b780",
        "anthropic/claude-3.5-sonnet",
        OPENROUTER,
    ),
    "compatible_groq": Way(
        "groq-mixtral", "/openai/v1/chat/completions", "gsk_...", "mixtral-8x7b-32768", "api.groq.com"
    ),
    "compatible_headers": Way(
        "openrouter-claude",
        "/api/v1/chat/completions",
        "sk-or-v1-...b780",
        "anthropic/claude-3.5-sonnet",
        OPENROUTER,
    ),
    "compatible_openrouter": Way(
        "kimi-k2", "/api/v1/chat/completions", "sk-or-v1-...b780", "moonshotai/kimi-k2:free", OPENROUTER
    ),
    "compatible_pool": Way(
        "smart-model", "/api/v1/chat/completions", "sk-or-v1-...b780", "qwen3.5-plus", OPENROUTER
    ),
    "compatible_prefix": Way(
        "or/claude-sonnet",
        "/api/v1/chat/completions",
        "sk-or-v1-...b780",
        "anthropic/claude-3.5-sonnet",
        OPENROUTER,
    ),
    "compatible_proxy_per_key": Way(
        "openrouter-claude",
        "/api/v1/chat/completions",
        "sk-or-v1-...b780",
        "anthropic/claude-3.5-sonnet",
        OPENROUTER,
    ),
    "compatible_registry": Way("or/x/y", "/api/v1/chat/completions", "sk-or-v1-...", "x/y", OPENROUTER),
    "compatible_several_keys": Way(
        "openrouter-claude",
        "/api/v1/chat/completions",
        "sk-or-v1-...b780",
        "anthropic/claude-3.5-sonnet",
        OPENROUTER,
    ),
    "compatible_together": Way(
        "mixtral", CHAT, "...", "mistralai/Mixtral-8x7B-Instruct-v0.1", "api.together.xyz"
    ),
    "cursor_openrouter": Way(
        "openrouter-claude",
        "/api/v1/chat/completions",
        "sk-or-v1-...",
        "anthropic/claude-3.5-sonnet",
        OPENROUTER,
    ),
    "direct_key": Way(
        "claude-prod/claude-sonnet-4-6",
        "/v1/messages",
        "sk-ant-...",
        "claude-sonnet-4-6",
        "api.anthropic.com",
    ),
    "kilo_free": Way(
        "some/free-model", "/api/openrouter/chat/completions", "anonymous", "some/free-model", "api.kilo.ai"
    ),
    "map_claude": Way(
        "claude-3-5-sonnet", "/v1/messages", "claude-key", "claude-3-5-sonnet-20241022", "api.anthropic.com"
    ),
    "map_fireworks": Way(
        "accounts/fireworks/models/x",
        "/inference/v1/chat/completions",
        "fireworks-key",
        "accounts/fireworks/models/x",
        "api.fireworks.ai",
    ),
    "map_gemini": Way(
        "gemini-1.5-pro",
        "/v1beta/models/gemini-1.5-pro-preview-0514:generateContent",
        "gemini-key",
        "",
        "generativelanguage.googleapis.com",
    ),
    "map_kiloai": Way("m", CHAT, "kiloai-key", "m", "api.kiloai.io"),
    "map_minimax": Way("m", CHAT, "minimax-key", "m", "api.minimax.chat"),
    "map_openai": Way("gpt-4-turbo", CHAT, "openai-key", "gpt-4-turbo-preview", "api.openai.com"),
    "map_openrouter": Way(
        "claude-3-5-sonnet",
        "/api/v1/chat/completions",
        "openrouter-key",
        "anthropic/claude-3.5-sonnet",
        OPENROUTER,
    ),
    "map_roocode": Way("m", CHAT, "roocode-key", "m", "api.roocode.ai"),
    "map_together": Way("m", CHAT, "together-key", "m", "api.together.xyz"),
    "orchids": Way("orchids/m", CHAT, "<orchids-api-key>", "m", "<your-orchids-endpoint>"),
    "usage_common": Way("or/a/b", "/api/v1/chat/completions", "sk-or-v1-xxxx", "a/b", OPENROUTER),
    "usage_local_mlx": Way("mlx/m", CHAT, "dummy-or-local-key", "m", "127.0.0.1:8000"),
    "usage_production": Way(
        "agent-core/core-sonnet",
        "/v1/messages",
        "sk-ant-...",
        "claude-3-5-sonnet-20241022",
        "api.anthropic.com",
    ),
}
UNROUTED = {"map_copilot", "map_kiro", "session_login", "map_own_provider", *WITHOUT_PROVIDER}
"""Logins, whose credentials come from the login; a provider that is switched off; no provider at all."""


def test_every_example_is_routed_or_has_a_reason_not_to_be():
    assert set(WAYS) | UNROUTED == {path.stem for path in FILES}


@pytest.fixture
def built(name, db) -> RoutingTable:
    load(name)
    return table.build()


def pointed_at(built: RoutingTable, url: str) -> tuple[RoutingTable, set[str]]:
    """The same table with every address moved to the double, proxies left aside; and the old hosts."""
    hosts: set[str] = set()

    def moved(credential: CredentialEntry) -> CredentialEntry:
        parts = urlsplit(credential.base_url)
        hosts.add(parts.netloc)
        return msgspec.structs.replace(credential, base_url=f"{url}{parts.path}", proxy_url="direct")

    def all_moved(offers):
        return tuple(msgspec.structs.replace(offer, credential=moved(offer.credential)) for offer in offers)

    def listed(offers):
        """Offers of a model hold their candidates ready; these have to be made anew."""
        return tuple(msgspec.structs.replace(offer, candidates=()) for offer in all_moved(offers))

    moved_table = msgspec.structs.replace(
        built,
        models={
            name: msgspec.structs.replace(model, offers=listed(model.offers), tiers=())
            for name, model in built.models.items()
        },
        open_prefixes={prefix: all_moved(offers) for prefix, offers in built.open_prefixes.items()},
        open_offers=all_moved(built.open_offers),
    )
    return moved_table, hosts


@pytest.mark.parametrize("name", sorted(WAYS))
async def test_a_request_goes_where_the_example_says(name, built, proxy, upstream):  # noqa: F811 -- fixtures
    way = WAYS[name]
    upstream.then(answers(status=400, body={"error": {"message": "seen", "type": "invalid_request_error"}}))
    moved, hosts = pointed_at(built, upstream.url)
    proxy.live.table = msgspec.structs.replace(moved, clients=proxy.clients)
    assert way.host in hosts
    await proxy.chat(way.asked)
    (call,) = upstream.calls
    assert call.path.partition("?")[0] == way.path
    assert way.key in (
        call.headers.get("authorization", "").removeprefix("Bearer "),
        call.headers.get("x-api-key"),
        call.headers.get("x-goog-api-key"),
    )
    if way.sent:
        assert json.loads(call.body)["model"] == way.sent


@pytest.mark.parametrize("name", ["compatible_exclusions"])
async def test_an_excluded_id_is_not_routed(name, built, proxy, upstream):  # noqa: F811 -- fixtures
    proxy.live.table = msgspec.structs.replace(pointed_at(built, upstream.url)[0], clients=proxy.clients)
    for model in ("gpt-3.5-turbo", "gpt-4-turbo", "x-vision", "text-embedding-3"):
        assert (await proxy.chat(model)).status_code == 404
    assert upstream.calls == []


# --- what the blocks become -------------------------------------------------------------------


def test_a_custom_provider_without_an_endpoint_needs_one(tmp_path):
    file = tmp_path / "config.yaml"
    text = (SEEDS / "map_custom.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("type:", 'endpoint: "http://127.0.0.1:9"\n    type:'), encoding="utf-8")
    startup.load_and_apply(file, {})
    assert Provider.objects.get().base_url == "http://127.0.0.1:9/v1"
    models = table.build().models
    assert {name: model.offers[0].members for name, model in models.items()} == {
        "gpt-4": ("my-provider-v1-large",),
        "gpt-3.5-turbo": ("my-provider-v1-medium",),
    }


def test_a_login_block_becomes_a_login_that_waits_for_its_file():
    load("session_login")
    login = Credential.objects.get()
    assert (login.provider.key, login.kind, login.channel) == ("kiro", "oauth", "kiro")
    assert login.options == {"token-file": "~/.aws/sso/cache/kiro-auth-token.json", "region": "us-east-1"}


@pytest.mark.parametrize(("name", "key"), [("map_kiro", "kiro"), ("map_copilot", "github-copilot")])
def test_a_provider_that_is_logged_in_to_has_no_key(name, key):
    load(name)
    provider = Provider.objects.get()
    assert (provider.key, provider.adapter) == (key, key)
    assert provider.features == {"code_generation": True}
    assert not provider.credentials.exists()
    assert ModelAlias.objects.get().alias == ("codeguru-codegen" if key == "kiro" else "copilot-codegen")


def test_a_provider_of_the_map_that_is_switched_off_offers_nothing():
    load("map_own_provider")
    assert not Provider.objects.get().enabled
    assert table.build().models == {}


def test_features_and_limits_of_the_map_are_kept():
    load("map_claude")
    provider = Provider.objects.get()
    assert provider.limits == {"rpm": 60, "tpm": 40_000}
    assert provider.features == {
        "streaming": True,
        "functions": True,
        "vision": True,
        "code_generation": True,
    }
    assert provider.model_features == {
        "claude-3-5-sonnet-20241022": {"functions": True, "streaming": True, "max_tokens": 200_000}
    }
    model = table.build().models["claude-3-5-sonnet"]
    assert (model.context_length, len(table.build().models)) == (200_000, 1)


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
