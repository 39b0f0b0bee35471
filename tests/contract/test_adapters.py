"""Each adapter against exchanges in the shape that its vendor documents: what is sent, and how a refusal
is read. Sources per adapter: docs/protocols/providers.md. The keys are made up."""

import json
from pathlib import Path

import pytest

from providers.adapters.base import Call
from providers.adapters.registry import ADAPTERS, BY_KEY, UnknownAdapter, adapter_for
from providers.values import Format
from tests.contract.adapter_calls import BODY, KEY, NOW, credential_of, sent

DOCS = Path(__file__).parents[2] / "docs" / "protocols" / "providers.md"
NETWORKED = [adapter for adapter in ADAPTERS if not (adapter.in_process or adapter.needs_login)]

CHAT_URLS = {
    "openai": "https://api.openai.com/v1/chat/completions",
    "openai-compatibility": "http://localhost:11434/v1/chat/completions",
    "deepseek": "https://api.deepseek.com/chat/completions",
    "groq": "https://api.groq.com/openai/v1/chat/completions",
    "mistral": "https://api.mistral.ai/v1/chat/completions",
    "openrouter": "https://openrouter.ai/api/v1/chat/completions",
    "together": "https://api.together.xyz/v1/chat/completions",
    "fireworks": "https://api.fireworks.ai/inference/v1/chat/completions",
    "novita": "https://api.novita.ai/v1/chat/completions",
    "siliconflow": "https://api.siliconflow.cn/v1/chat/completions",
    "minimax": "https://api.minimax.chat/v1/chat/completions",
    "roo": "https://api.roocode.com/v1/chat/completions",
    "kilo": "https://api.kilo.ai/v1/chat/completions",
    "xai": "https://api.x.ai/v1/chat/completions",
    "zen": "https://opencode.ai/zen/v1/chat/completions",
    "cursor": "http://127.0.0.1:3000/v1/chat/completions",
    "nim": "https://integrate.api.nvidia.com/v1/chat/completions",
    "ampcode": "https://ampcode.com/chat/completions",
    "iflow": "https://apis.iflow.cn/v1/chat/completions",
    "vertex": "https://aiplatform.googleapis.com/v1/publishers/google/models/m:streamGenerateContent?alt=sse",
    "codex": "http://localhost:11434/v1/responses",
    "claude": "https://api.anthropic.com/v1/messages",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/models/m:streamGenerateContent?alt=sse",
}
MODEL_URLS = {
    "openai": "https://api.openai.com/v1/models",
    "openai-compatibility": "http://localhost:11434/v1/models",
    "deepseek": "https://api.deepseek.com/v1/models",
    "openrouter": "https://openrouter.ai/api/v1/models",
    "claude": "https://api.anthropic.com/v1/models?limit=1000",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/models?pageSize=1000",
}


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.key)
def test_a_sheet_is_complete(adapter):
    assert adapter.key == adapter.key.lower()
    assert adapter.name
    assert adapter.speaks in Format
    assert adapter.key_hint
    assert bool(adapter.base_url) is not (adapter.needs_base_url or adapter.in_process)
    assert not adapter.base_url.endswith("/")
    ids = [model.id for model in adapter.catalogue]
    assert len(ids) == len(set(ids))
    assert {route for route, _ in adapter.default_mappings} <= set(ids)


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.key)
def test_every_provider_has_a_section_in_the_docs(adapter):
    text = DOCS.read_text()
    assert f"`{adapter.key}`" in text
    assert adapter.base_url in text
    for name in adapter.environment:
        assert f"`{name}`" in text


def test_no_key_stands_twice_and_an_unknown_one_is_an_error():
    assert len(BY_KEY) == len(ADAPTERS)
    with pytest.raises(UnknownAdapter, match="no provider kind 'nobody'"):
        adapter_for("nobody")


@pytest.mark.parametrize("key", [adapter.key for adapter in NETWORKED])
def test_a_streamed_call_is_addressed_and_signed(key):
    request = sent(key)
    headers = dict(request.headers)
    assert (request.method, request.url, request.body) == ("POST", CHAT_URLS[key], BODY)
    assert headers["accept"] == "text/event-stream"
    assert headers["accept-encoding"] == "identity"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("iFlow-Cli" if key == "iflow" else "cliproxy/")
    assert any(KEY in value for value in headers.values())
    assert len(headers) == len(request.headers)
    assert all(name == name.lower() for name in headers)
    assert KEY not in request.url


@pytest.mark.parametrize("key", [adapter.key for adapter in NETWORKED])
def test_without_a_secret_nothing_is_signed(key):
    names = dict(sent(key, secret="").headers)
    assert not {"authorization", "x-api-key", "x-goog-api-key"} & set(names)


@pytest.mark.parametrize("key", [adapter.key for adapter in NETWORKED])
def test_a_custom_header_replaces_a_built_in_one(key):
    headers = (("User-Agent", "mine"), ("authorization", "Token t"), ("x-user", "$X-User"))
    values = dict(sent(key, headers=(("x-kept", "1"),), client_headers=(("x-user", "ada"),)).headers)
    assert values["x-kept"] == "1"
    request = adapter_for(key).request(
        Call(
            credential=credential_of(key, headers=headers),
            model="m",
            body=BODY,
            stream=False,
            client_headers=(("x-user", "ada"),),
        )
    )
    values = dict(request.headers)
    assert (values["user-agent"], values["authorization"], values["x-user"]) == ("mine", "Token t", "ada")
    assert values["accept"] == "application/json"


@pytest.mark.parametrize("key", [adapter.key for adapter in NETWORKED])
def test_a_calls_headers_never_carry_the_clients_own_key_upstream(key):
    client_key = "cpx-the-clients-own"
    names = ("Authorization", "x-api-key", "X-Goog-Api-Key", "cookie")
    request = sent(key, headers=tuple((name, client_key) for name in names))
    assert not any(client_key in value for _, value in request.headers)
    assert any(KEY in value for _, value in request.headers)


@pytest.mark.parametrize(("key", "url"), MODEL_URLS.items())
def test_the_model_list_is_asked_for_at_its_address(key, url):
    request = adapter_for(key).models_request(credential_of(key))
    assert request is not None
    assert (request.method, request.url, request.body) == ("GET", url, b"")
    assert any(KEY in value for _, value in request.headers)


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.key)
@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"{}", b'{"error":[]}', b'{"base_resp":{"status_code":[]}}']
)
@pytest.mark.parametrize("status", [200, 400, 403, 429, 500])
def test_classifying_never_fails(adapter, body, status):
    found = adapter.classify(
        status, {"retry-after": "x", "anthropic-ratelimit-unified-reset": "y"}, body, NOW
    )
    assert found.status >= 400


# --- chat completions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "base", "url"),
    [
        ("openai", "https://api.openai.com", "https://api.openai.com/v1/chat/completions"),
        ("openrouter", "https://openrouter.ai/api", "https://openrouter.ai/api/v1/chat/completions"),
        ("openrouter", "https://openrouter.ai", "https://openrouter.ai/api/v1/chat/completions"),
        ("fireworks", "https://api.fireworks.ai/", "https://api.fireworks.ai/inference/v1/chat/completions"),
        ("together", "https://api.together.ai/v1", "https://api.together.ai/v1/chat/completions"),
        ("openai", "http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1/chat/completions"),
        ("openai-compatibility", "http://127.0.0.1:9", "http://127.0.0.1:9/chat/completions"),
    ],
)
def test_the_beginning_of_a_vendors_address_stands_for_the_whole(key, base, url):
    assert sent(key, base_url=base).url == url


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("/api/tags", "http://localhost:11434/api/tags"),
        ("list", "http://localhost:11434/v1/list"),
        ("http://localhost:9/all", "http://localhost:9/all"),
        ("", "http://localhost:11434/v1/models"),
        (7, "http://localhost:11434/v1/models"),
    ],
)
def test_the_models_endpoint_may_be_absolute_rooted_or_relative(endpoint, url):
    credential = credential_of("openai-compatibility", options={"models-endpoint": endpoint})
    request = adapter_for("openai-compatibility").models_request(credential)
    assert request is not None
    assert request.url == url


def test_a_model_list_is_read_with_what_vendors_add_to_it():
    body = json.dumps(
        {
            "data": [
                {"id": "a", "created": 1, "owned_by": "x", "context_length": 8192, "name": "A"},
                {"id": ""},
                {"id": 5},
                "b",
                {"id": "a", "created": True},
            ]
        }
    ).encode()
    models = adapter_for("openai").read_models(body)
    assert [(m.id, m.created) for m in models] == [("a", 0)]


def test_togethers_bare_array_is_a_list_too():
    body = b'[{"id": "meta-llama/Llama-3", "display_name": "Llama 3", "context_length": 131072}]'
    (model,) = adapter_for("together").read_models(body)
    assert (model.id, model.display_name, model.context_length) == ("meta-llama/Llama-3", "Llama 3", 131_072)


def test_what_a_server_nobody_knows_can_do_is_put_in_the_older_words():
    abilities = adapter_for("openai-compatibility").capabilities("llama3.2")
    assert abilities.legacy_max_tokens
    assert not abilities.developer_role
    assert abilities.thinking == "unknown"


@pytest.mark.parametrize(
    ("key", "model", "field", "value"),
    [
        ("openai", "gpt-4o", "thinking", "none"),
        ("openai", "gpt-4o-2024-11-20", "legacy_max_tokens", False),
        ("openai", "o3-mini", "accepts_sampling", False),
        ("openai", "gpt-5-2025-08-07", "thinking_levels", ("minimal", "low", "medium", "high")),
        ("openai", "gpt-5-chat-latest", "accepts_sampling", True),
        ("openai", "gpt-3.5-turbo-0125", "max_output_tokens", 4_096),
        ("openai", "ft:unheard-of", "thinking", "unknown"),
        ("openai-compatibility", "o3", "legacy_max_tokens", False),
        ("openrouter", "openai/gpt-5", "legacy_max_tokens", False),
        ("openrouter", "anthropic/claude-3.5-sonnet", "legacy_max_tokens", True),
        ("mistral", "mistral-large-latest", "stream_usage", False),
        ("deepseek", "deepseek-reasoner", "reasoning_in_history", True),
        ("xai", "grok-4.3", "thinking_zero", True),
        ("claude", "claude-3-5-sonnet-20241022", "thinking", "none"),
        ("claude", "claude-sonnet-4-5", "thinking", "budget"),
        ("claude", "claude-opus-4-1-20250805", "max_output_tokens", 32_000),
        ("claude", "claude-opus-4-6", "adaptive_thinking", False),
        ("claude", "claude-opus-4-7", "adaptive_thinking", True),
        ("claude", "claude-opus-4-7", "accepts_sampling", False),
        ("claude", "claude-opus-4-7", "mid_system", False),
        ("claude", "claude-opus-4-8", "mid_system", True),
        ("claude", "claude-sonnet-5", "thinking", "level"),
        ("claude", "someone-elses-model", "thinking", "unknown"),
        ("gemini", "gemini-2.5-pro", "thinking_zero", False),
        ("gemini", "gemini-2.5-flash-preview-09-2025", "thinking_zero", True),
        ("gemini", "gemini-3-pro-preview", "signatures_required", True),
        ("gemini", "gemini-1.5-pro-preview-0514", "json_schema_native", False),
    ],
)
def test_models_can_do_what_their_family_can(key, model, field, value):
    assert getattr(adapter_for(key).capabilities(model), field) == value


@pytest.mark.parametrize(
    ("model", "upstream"),
    [
        (
            "claude-3-5-sonnet",
            {"claude": "claude-3-5-sonnet-20241022", "openrouter": "anthropic/claude-3.5-sonnet"},
        ),
        ("gpt-4-turbo", {"openai": "gpt-4-turbo-preview", "openrouter": "openai/gpt-4-turbo"}),
        ("gemini-1.5-pro", {"gemini": "gemini-1.5-pro-preview-0514", "openrouter": "google/gemini-pro-1.5"}),
    ],
)
def test_the_usual_ids_lead_to_each_vendors_own(model, upstream):
    for key, wanted in upstream.items():
        adapter = adapter_for(key)
        assert dict(adapter.default_mappings)[model] == wanted
        assert model in {known.id for known in adapter.catalogue}
