"""How each vendor's refusals are read: recorded shapes, one after the other.

Sources per adapter: docs/protocols/providers.md. The keys are made up."""

import pytest

from providers.values import RefusalKind
from tests.contract.adapter_calls import refused


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
