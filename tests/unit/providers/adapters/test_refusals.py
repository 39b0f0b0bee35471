import json

import pytest

from providers.adapters import refusals
from providers.values import RefusalKind

NOW = 1_700_000_000.0


def classified(status, body, headers=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return refusals.classify(refusals.read_detail(raw), status, headers or {}, NOW)


def error(message="No.", **fields):
    return {"error": {"message": message, **fields}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, error(type="invalid_request_error"), RefusalKind.REQUEST),
        (409, error(), RefusalKind.REQUEST),
        (413, b"", RefusalKind.REQUEST),
        (422, {"detail": [{"loc": ["body", "messages"], "msg": "Field required"}]}, RefusalKind.REQUEST),
        (500, error(type="invalid_request_error"), RefusalKind.REQUEST),
        (404, error("Item not persisted when store is false"), RefusalKind.REQUEST),
        (400, error(code="context_length_exceeded"), RefusalKind.CONTEXT_LENGTH),
        (400, error("prompt is too long: 213462 tokens > 200000 maximum"), RefusalKind.CONTEXT_LENGTH),
        (403, error("Input exceeds the maximum context length of the model"), RefusalKind.CONTEXT_LENGTH),
        (400, error(code="content_filter"), RefusalKind.CONTENT_FILTER),
        (400, error(code="cyber_policy"), RefusalKind.CONTENT_FILTER),
        (403, error("Your input was flagged by moderation"), RefusalKind.CONTENT_FILTER),
        (400, error("The requested model is not supported"), RefusalKind.MODEL_UNSUPPORTED),
        (422, error(code="model_not_supported"), RefusalKind.MODEL_UNSUPPORTED),
        (400, error("nonsense is not a valid model ID"), RefusalKind.MODEL_UNSUPPORTED),
        (401, error(type="authentication_error"), RefusalKind.UNAUTHORIZED),
        (401, error(type="invalid_request_error", code="invalid_api_key"), RefusalKind.UNAUTHORIZED),
        (402, error(type="invalid_request_error"), RefusalKind.PAYMENT),
        (403, error(), RefusalKind.PAYMENT),
        (412, error("Precondition failed"), RefusalKind.PAYMENT),
        (400, error("Your credit balance is too low", type="invalid_request_error"), RefusalKind.PAYMENT),
        (404, error(), RefusalKind.NOT_FOUND),
        (404, error(type="invalid_request_error", code="model_not_found"), RefusalKind.NOT_FOUND),
        (429, error(type="invalid_request_error"), RefusalKind.QUOTA),
        (400, error("invalid_grant"), RefusalKind.TERMINAL),
        (403, error("Your account has been disabled."), RefusalKind.TERMINAL),
        (401, error(code="account_deactivated"), RefusalKind.TERMINAL),
        (408, b"", RefusalKind.TRANSIENT),
        (498, b"", RefusalKind.TRANSIENT),
        (500, b"oops", RefusalKind.TRANSIENT),
        (503, error(), RefusalKind.TRANSIENT),
        (529, error(type="overloaded_error"), RefusalKind.TRANSIENT),
        (418, error(), RefusalKind.OTHER),
    ],
)
def test_each_refusal_has_its_kind(status, body, kind):
    found = classified(status, body)
    assert (found.kind, found.status) == (kind, status)


@pytest.mark.parametrize(
    "body",
    [
        b"<html><title>Just a moment...</title><script src='/cdn-cgi/challenge-platform/x'></script></html>",
        b"<!DOCTYPE html><html><body>Attention Required! | Cloudflare</body></html>",
    ],
)
def test_a_bot_check_is_no_request_fault_whatever_its_status(body):
    assert classified(403, body).kind is RefusalKind.CHALLENGE
    assert classified(400, body).kind is RefusalKind.CHALLENGE


def test_a_bot_check_is_known_by_its_header_too():
    assert classified(403, b"", {"cf-mitigated": "challenge"}).kind is RefusalKind.CHALLENGE


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (error(code=429), 429, RefusalKind.QUOTA),
        (error(code="502"), 502, RefusalKind.TRANSIENT),
        (error(type="overloaded_error"), 529, RefusalKind.TRANSIENT),
        (error(status="RESOURCE_EXHAUSTED"), 429, RefusalKind.QUOTA),
        (error(), 502, RefusalKind.TRANSIENT),
    ],
)
def test_an_error_inside_a_200_gets_the_status_that_it_names(body, status, kind):
    found = classified(200, body)
    assert (found.status, found.kind) == (status, kind)


def test_a_spent_balance_rests_the_whole_credential_for_long():
    found = classified(429, error("You exceeded your current quota.", code="insufficient_quota"))
    assert found.kind is RefusalKind.QUOTA
    assert found.credential_wide
    assert found.retry_after_s == refusals.NO_SENSE_SOON_S


def test_the_header_outranks_the_text_and_the_text_the_reset():
    spent = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m"}
    body = error("Please try again in 20s.")
    assert classified(429, body, spent | {"retry-after": "7"}).retry_after_s == 7
    assert classified(429, body, spent).retry_after_s == 20
    assert classified(429, error(), spent).retry_after_s == 360
    assert classified(429, error()).retry_after_s is None


def test_a_busy_server_may_name_a_wait_and_a_request_fault_may_not():
    assert classified(503, b"", {"retry-after": "9"}).retry_after_s == 9
    assert classified(400, error(), {"retry-after": "9"}).retry_after_s is None


def test_type_and_code_come_out_in_openais_spelling():
    found = classified(404, {"type": "error", "error": {"type": "not_found_error", "message": "model: x"}})
    assert (found.error_type, found.code, found.message) == (
        "invalid_request_error",
        "model_not_found",
        "model: x",
    )


def test_the_vendors_code_and_param_are_kept():
    found = classified(
        400, error(code="unsupported_value", param="temperature", type="invalid_request_error")
    )
    assert (found.code, found.param) == ("unsupported_value", "temperature")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "flat", "code": 20012, "data": None}, "flat"),
        ({"code": "Unauthorized", "error": "text"}, "text"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"detail": [{"loc": ["body", "n"], "msg": "too big"}]}, "body.n: too big"),
        ([{"error": {"message": "in an array"}}], "in an array"),
        ({"response": {"error": {"message": "nested"}}}, "nested"),
        ({"errors": [{"message": "first"}]}, "first"),
        (
            error("Provider returned error", metadata={"raw": "the reason"}),
            "Provider returned error: the reason",
        ),
        (b"plain text", "plain text"),
        (b"<html><head><title>502 Bad Gateway</title></head><body><p>x</p></body></html>", "502 Bad Gateway"),
        (b"<html><script>var x = 1;</script><body><p>Down</p></body></html>", "Down"),
        (b"", "The provider answered 503 without a message."),
    ],
)
def test_the_message_is_found_in_every_shape(body, message):
    assert classified(503, body).message == message


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abcdefghijkl.",
        "key AIzaSyA1234567890abcdef is bad",
        "Authorization: Bearer abcdefghijklmnop1234",
        "cannot reach http://user:hunter2@proxy.example/",
    ],
)
def test_nothing_that_looks_like_a_key_stays_in_an_excerpt(text):
    excerpt = refusals.safe_excerpt(text)
    assert "[key]" in excerpt
    for secret in ("abcdefghijkl", "AIzaSyA", "hunter2"):
        assert secret not in excerpt


def test_ordinary_words_are_not_taken_for_keys():
    text = "api_key_invalid: send a Bearer token in the header"
    assert refusals.safe_excerpt(text) == text


def test_an_excerpt_is_one_line_of_at_most_500_characters():
    excerpt = refusals.safe_excerpt("a\n b\t" + "x" * 2000)
    assert excerpt.startswith("a b xxx")
    assert len(excerpt) == 500


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"{}",
        b"[]",
        b"null",
        b'"x"',
        b"123",
        b'{"error": null}',
        b'{"error": [1]}',
        b'{"error": {"message": 5, "code": {}, "type": [], "metadata": {"raw": 1}}}',
        b'{"errors": [1]}',
        b'{"error": {"code": 1e308}}',
        b"<html" + b"<script" * 50_000,
    ],
)
@pytest.mark.parametrize("status", [200, 400, 429, 500])
def test_no_body_makes_reading_fail(body, status):
    found = classified(status, body)
    assert found.message
    assert len(found.message) <= 500
