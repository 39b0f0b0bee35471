"""Anthropic's adapter: signing, errors, windows, models. Sources: docs/protocols/providers.md."""

import json

import pytest

from providers.adapters.registry import adapter_for
from providers.values import RefusalKind
from tests.contract.adapter_calls import KEY, refused, sent


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
