"""Each adapter against exchanges in the shape that its vendor documents: what is sent, and how a refusal
is read. Sources per adapter: docs/protocols/providers.md. The keys are made up."""

import json
from pathlib import Path

import pytest

from providers.adapters.base import Call
from providers.adapters.registry import ADAPTERS, BY_KEY, UnknownAdapter, adapter_for
from providers.values import Format, RefusalKind
from tests.unit.providers.adapters.makers import make_credential

NOW = 1_700_000_000.0
KEY = "test-key-0123456789"
BODY = b'{"model":"m","messages":[]}'
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


def credential_of(key, **fields):
    if key in ("openai-compatibility", "codex"):
        fields.setdefault("base_url", "http://localhost:11434/v1")
    return make_credential(key, **fields)


def sent(key, *, stream=True, model="m", headers=(), client_headers=(), **fields):
    call = Call(
        credential=credential_of(key, **fields),
        model=model,
        body=BODY,
        stream=stream,
        headers=headers,
        client_headers=client_headers,
    )
    return adapter_for(key).request(call)


def refused(key, status, body, headers=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return adapter_for(key).classify(status, headers or {}, raw, NOW)


# --- every adapter ---------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("key", "status", "body", "headers", "kind", "wait"),
    [
        (
            "openai",
            401,
            {
                "error": {
                    "message": "Incorrect API key provided: sk-abc***xyz.",
                    "type": "invalid_request_error",
                    "param": None,
                    "code": "invalid_api_key",
                }
            },
            {},
            RefusalKind.UNAUTHORIZED,
            None,
        ),
        (
            "openai",
            429,
            {
                "error": {
                    "message": "Rate limit reached for gpt-4o on tokens per min. Please try again in 1.2s.",
                    "type": "tokens",
                    "param": None,
                    "code": "rate_limit_exceeded",
                }
            },
            {"retry-after-ms": "1200", "retry-after": "2"},
            RefusalKind.QUOTA,
            1.2,
        ),
        (
            "openai",
            404,
            {
                "error": {
                    "message": "The model `x` does not exist",
                    "type": "invalid_request_error",
                    "param": None,
                    "code": "model_not_found",
                }
            },
            {},
            RefusalKind.NOT_FOUND,
            None,
        ),
        (
            "openai",
            400,
            {
                "error": {
                    "message": "This model's maximum context length is 128000 tokens.",
                    "type": "invalid_request_error",
                    "param": "messages",
                    "code": "context_length_exceeded",
                }
            },
            {},
            RefusalKind.CONTEXT_LENGTH,
            None,
        ),
        (
            "deepseek",
            401,
            {
                "error": {
                    "message": "Authentication Fails",
                    "type": "authentication_error",
                    "param": None,
                    "code": "invalid_request_error",
                }
            },
            {},
            RefusalKind.UNAUTHORIZED,
            None,
        ),
        (
            "deepseek",
            402,
            {
                "error": {
                    "message": "Insufficient Balance",
                    "type": "unknown_error",
                    "param": None,
                    "code": "invalid_request_error",
                }
            },
            {},
            RefusalKind.PAYMENT,
            1800.0,
        ),
        (
            "groq",
            429,
            {"error": {"message": "Rate limit reached", "type": "tokens", "code": "rate_limit_exceeded"}},
            {"retry-after": "8"},
            RefusalKind.QUOTA,
            8.0,
        ),
        ("groq", 498, {"error": {"message": "Flex tier capacity exceeded"}}, {}, RefusalKind.TRANSIENT, None),
        (
            "mistral",
            422,
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs"}]},
            {},
            RefusalKind.REQUEST,
            None,
        ),
        (
            "mistral",
            429,
            {
                "object": "error",
                "message": "Requests rate limit exceeded",
                "type": "rate_limit_error",
                "param": None,
                "code": "1300",
            },
            {"retry-after": "3"},
            RefusalKind.QUOTA,
            3.0,
        ),
        (
            "openrouter",
            402,
            {"error": {"code": 402, "message": "Insufficient credits"}},
            {"retry-after": "60"},
            RefusalKind.PAYMENT,
            60.0,
        ),
        (
            "openrouter",
            403,
            {
                "error": {
                    "code": 403,
                    "message": "Input was flagged by moderation",
                    "metadata": {"reasons": ["violence"]},
                }
            },
            {},
            RefusalKind.CONTENT_FILTER,
            None,
        ),
        (
            "openrouter",
            200,
            {"error": {"code": 502, "message": "Provider returned error", "metadata": {"raw": "overloaded"}}},
            {},
            RefusalKind.TRANSIENT,
            None,
        ),
        (
            "openrouter",
            429,
            {"error": {"code": 429, "message": "Rate limit exceeded: free-models-per-min"}},
            {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000030000"},
            RefusalKind.QUOTA,
            30.0,
        ),
        (
            "together",
            403,
            {"error": {"message": "Input tokens and max_tokens exceed the context length"}},
            {},
            RefusalKind.CONTEXT_LENGTH,
            None,
        ),
        ("fireworks", 412, {"error": {"message": "Account x is suspended"}}, {}, RefusalKind.PAYMENT, None),
        (
            "novita",
            403,
            {"code": 403, "reason": "MODEL_ACCESS_DENIED", "message": "no access", "metadata": {}},
            {},
            RefusalKind.PAYMENT,
            None,
        ),
        (
            "siliconflow",
            429,
            {"code": 50603, "message": "System is too busy now.", "data": None},
            {},
            RefusalKind.QUOTA,
            None,
        ),
        (
            "minimax",
            200,
            {"base_resp": {"status_code": 1004, "status_msg": "login fail"}},
            {},
            RefusalKind.UNAUTHORIZED,
            None,
        ),
        (
            "minimax",
            200,
            {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}},
            {},
            RefusalKind.QUOTA,
            None,
        ),
        (
            "minimax",
            200,
            {"base_resp": {"status_code": 1026, "status_msg": "sensitive"}},
            {},
            RefusalKind.CONTENT_FILTER,
            None,
        ),
        (
            "xai",
            403,
            {"code": "unauthenticated:bad-credentials", "error": "The token could not be validated."},
            {},
            RefusalKind.UNAUTHORIZED,
            None,
        ),
        (
            "xai",
            400,
            {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***"},
            {},
            RefusalKind.UNAUTHORIZED,
            None,
        ),
        (
            "xai",
            429,
            {"code": "free-usage-exhausted", "error": "You used your included free usage."},
            {},
            RefusalKind.QUOTA,
            86_400.0,
        ),
        (
            "openai-compatibility",
            404,
            {"error": {"message": 'model "x" not found, try pulling it first'}},
            {},
            RefusalKind.NOT_FOUND,
            None,
        ),
        (
            "openai-compatibility",
            502,
            b"<html><head><title>502 Bad Gateway</title></head></html>",
            {},
            RefusalKind.TRANSIENT,
            None,
        ),
    ],
)
def test_a_vendors_refusal_is_read(key, status, body, headers, kind, wait):
    found = refused(key, status, body, headers)
    assert found.kind is kind
    assert found.retry_after_s == wait
    assert found.message


def test_a_free_tier_day_is_a_quota_window_of_the_whole_credential():
    found = refused("xai", 429, {"code": "free-usage-exhausted", "error": "…"})
    assert found.names_quota_window
    assert found.credential_wide


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


# --- claude ----------------------------------------------------------------------------------------


def test_claude_is_signed_with_its_own_header():
    headers = dict(sent("claude").headers)
    assert headers["x-api-key"] == KEY
    assert headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in headers


def test_a_claude_look_alike_gets_both_headers():
    request = sent("claude", base_url="http://127.0.0.1:9/anthropic/v1/")
    headers = dict(request.headers)
    assert request.url == "http://127.0.0.1:9/anthropic/v1/messages"
    assert (headers["x-api-key"], headers["authorization"]) == (KEY, f"Bearer {KEY}")


def test_a_login_token_is_a_bearer_with_its_beta():
    request = sent("claude", secret="sk-ant-oat-made-up", headers=(("anthropic-beta", "a, b"),))
    headers = dict(request.headers)
    assert headers["authorization"] == "Bearer sk-ant-oat-made-up"
    assert "x-api-key" not in headers
    assert headers["anthropic-beta"] == "oauth-2025-04-20,a,b"


@pytest.mark.parametrize(
    ("status", "kind_of_error", "message", "kind"),
    [
        (400, "invalid_request_error", "messages: at least one message is required", RefusalKind.REQUEST),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 2 tokens > 1 maximum",
            RefusalKind.CONTEXT_LENGTH,
        ),
        (400, "invalid_request_error", "Your credit balance is too low to access …", RefusalKind.PAYMENT),
        (400, "invalid_request_error", "This organization has been disabled.", RefusalKind.TERMINAL),
        (401, "authentication_error", "invalid x-api-key", RefusalKind.UNAUTHORIZED),
        (402, "billing_error", "Billing", RefusalKind.PAYMENT),
        (403, "permission_error", "Not permitted", RefusalKind.PAYMENT),
        (404, "not_found_error", "model: claude-x", RefusalKind.NOT_FOUND),
        (413, "request_too_large", "Request exceeds the maximum size", RefusalKind.REQUEST),
        (500, "api_error", "Internal server error", RefusalKind.TRANSIENT),
        (529, "overloaded_error", "Overloaded", RefusalKind.TRANSIENT),
        (429, "rate_limit_error", "Fast mode needs usage credits", RefusalKind.REQUEST),
    ],
)
def test_claudes_errors_are_read(status, kind_of_error, message, kind):
    body = {"type": "error", "error": {"type": kind_of_error, "message": message}, "request_id": "req_1"}
    found = refused("claude", status, body)
    assert (found.kind, found.message) == (kind, message)


def test_claudes_error_inside_a_stream_gets_its_types_status():
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    assert refused("claude", 200, body).status == 529


LIMIT = {"type": "error", "error": {"type": "rate_limit_error", "message": "This request would exceed …"}}
UNIFIED = "anthropic-ratelimit-unified-"


@pytest.mark.parametrize(
    ("headers", "wait", "is_wide", "is_window"),
    [
        ({"retry-after": "12"}, 12.0, False, False),
        (
            {
                "retry-after": "12",
                f"{UNIFIED}status": "rejected",
                f"{UNIFIED}5h-status": "rejected",
                f"{UNIFIED}5h-reset": "1700003600",
                f"{UNIFIED}7d-status": "allowed",
                f"{UNIFIED}7d-reset": "1700600000",
                f"{UNIFIED}reset": "1700003600",
            },
            3600.0,
            True,
            True,
        ),
        (
            {
                f"{UNIFIED}7d-status": "rejected",
                f"{UNIFIED}7d-reset": "2023-11-15T22:13:20Z",
                f"{UNIFIED}reset": "1700000100.5",
            },
            86_400.0,
            True,
            True,
        ),
        (
            {
                "retry-after": "9",
                f"{UNIFIED}status": "rejected",
                f"{UNIFIED}5h-status": "allowed",
                f"{UNIFIED}7d-status": "allowed",
                f"{UNIFIED}7d_oi-status": "rejected",
                f"{UNIFIED}7d_oi-reset": "1700600000",
                f"{UNIFIED}reset": "1700600000",
            },
            9.0,
            False,
            False,
        ),
        ({f"{UNIFIED}reset": "1700000100"}, 100.0, False, True),
        ({f"{UNIFIED}status": "rejected", f"{UNIFIED}reset": "1600000000"}, None, True, False),
        ({f"{UNIFIED}5h-status": "allowed", f"{UNIFIED}reset": "1700000100"}, None, False, False),
    ],
)
def test_claudes_spent_windows_name_their_end_and_reach(headers, wait, is_wide, is_window):
    found = refused("claude", 429, LIMIT, headers)
    assert found.kind is RefusalKind.QUOTA
    assert (found.retry_after_s, found.credential_wide, found.names_quota_window) == (
        wait,
        is_wide,
        is_window,
    )


def test_claudes_model_list_is_read():
    body = {
        "data": [
            {
                "type": "model",
                "id": "claude-opus-4-6",
                "display_name": "Claude Opus 4.6",
                "created_at": "2026-02-04T00:00:00Z",
            },
            {"id": None},
        ],
        "has_more": False,
    }
    (model,) = adapter_for("claude").read_models(json.dumps(body).encode())
    assert (model.id, model.display_name, model.created) == (
        "claude-opus-4-6",
        "Claude Opus 4.6",
        1_770_163_200,
    )


# --- gemini ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-pro", "models/gemini-2.5-pro"),
        ("models/gemini-2.5-pro", "models/gemini-2.5-pro"),
        ("tunedModels/mine-1", "tunedModels/mine-1"),
        ("a/../../b?x#y", "models/a%2F..%2F..%2Fb%3Fx%23y"),
    ],
)
def test_a_gemini_model_stays_inside_its_path_segment(model, path):
    base = "https://generativelanguage.googleapis.com/v1beta/"
    assert sent("gemini", model=model, stream=False).url == f"{base}{path}:generateContent"


def test_gemini_is_signed_with_its_own_header_and_a_copied_version_is_dropped():
    request = sent("gemini", base_url="http://127.0.0.1:9/v1beta", stream=False)
    assert request.url == "http://127.0.0.1:9/v1beta/models/m:generateContent"
    assert dict(request.headers)["x-goog-api-key"] == KEY


def google(code, status, message="No.", *details):
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


KEY_INVALID = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}
RESET = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "metadata": {"quotaResetDelay": "510.79ms"}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "wait"),
    [
        (400, google(400, "INVALID_ARGUMENT"), RefusalKind.REQUEST, None),
        (
            400,
            google(400, "INVALID_ARGUMENT", "API key not valid.", KEY_INVALID),
            RefusalKind.UNAUTHORIZED,
            None,
        ),
        (400, [google(400, "INVALID_ARGUMENT", "Bad", KEY_INVALID)], RefusalKind.UNAUTHORIZED, None),
        (
            400,
            google(400, "FAILED_PRECONDITION", "User location is not supported"),
            RefusalKind.PAYMENT,
            None,
        ),
        (
            400,
            google(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens"),
            RefusalKind.CONTEXT_LENGTH,
            None,
        ),
        (
            403,
            google(403, "PERMISSION_DENIED", "Your API key was reported as leaked."),
            RefusalKind.TERMINAL,
            None,
        ),
        (403, google(403, "PERMISSION_DENIED"), RefusalKind.PAYMENT, None),
        (
            404,
            google(404, "NOT_FOUND", "models/x is not found for API version v1beta"),
            RefusalKind.NOT_FOUND,
            None,
        ),
        (429, google(429, "RESOURCE_EXHAUSTED", "Quota exceeded", RETRY), RefusalKind.QUOTA, 17.0),
        (429, [google(429, "RESOURCE_EXHAUSTED", "Quota exceeded", RETRY)], RefusalKind.QUOTA, 17.0),
        (429, google(429, "RESOURCE_EXHAUSTED", "Quota", RESET), RefusalKind.QUOTA, 0.51079),
        (429, google(429, "RESOURCE_EXHAUSTED", "Please retry in 26.5s."), RefusalKind.QUOTA, 26.5),
        (429, google(429, "RESOURCE_EXHAUSTED"), RefusalKind.QUOTA, None),
        (503, google(503, "UNAVAILABLE", "The model is overloaded."), RefusalKind.TRANSIENT, None),
    ],
)
def test_googles_errors_are_read(status, body, kind, wait):
    found = refused("gemini", status, body)
    assert found.kind is kind
    assert found.retry_after_s == (None if wait is None else pytest.approx(wait))


def test_geminis_model_list_keeps_what_generates():
    body = {
        "models": [
            {
                "name": "models/gemini-2.5-pro",
                "displayName": "Gemini 2.5 Pro",
                "inputTokenLimit": 1048576,
                "outputTokenLimit": 65536,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
            },
            {"name": "models/embedding-001", "supportedGenerationMethods": ["embedContent"]},
            {"name": 3},
        ]
    }
    (model,) = adapter_for("gemini").read_models(json.dumps(body).encode())
    assert (model.id, model.context_length, model.max_output_tokens) == ("gemini-2.5-pro", 1_048_576, 65_536)
