import json

import pytest
from google.genai import errors as sdk

from providers.translation.codecs.gemini.codec import CODEC
from providers.translation.codecs.gemini.errors import duration_s, error_of, rpc_status
from providers.translation.model import ErrorInfo

RPC = "type.googleapis.com/google.rpc."


def body(status, rpc, *details, message="no"):
    return json.dumps(
        {"error": {"code": status, "message": message, "status": rpc, "details": details}}
    ).encode()


@pytest.mark.parametrize(
    ("status", "rpc", "kind", "code"),
    [
        (400, "INVALID_ARGUMENT", "invalid_request_error", None),
        (401, "UNAUTHENTICATED", "authentication_error", "invalid_api_key"),
        (403, "PERMISSION_DENIED", "permission_error", None),
        (404, "NOT_FOUND", "invalid_request_error", "model_not_found"),
        (429, "RESOURCE_EXHAUSTED", "rate_limit_error", "rate_limit_exceeded"),
        (500, "INTERNAL", "server_error", None),
        (503, "UNAVAILABLE", "server_error", "service_unavailable"),
        (504, "DEADLINE_EXCEEDED", "server_error", None),
    ],
)
def test_each_status_has_a_neutral_type(status, rpc, kind, code):
    info = CODEC.decode_error(status, body(status, rpc))
    assert (info.status, info.type, info.code, info.message) == (status, kind, code, "no")
    assert CODEC.encode_error(info)["error"]["status"] == rpc


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("17s", 17),
        ("1h2m3s", 3723),
        ("510ms", 0.51),
        ("0.25s", 0.25),
        ("3.000000001s", 3.000000001),
        ("", None),
        ("soon", None),
        ("5", None),
        (5, None),
    ],
)
def test_durations_are_read_in_all_their_spellings(text, seconds):
    assert duration_s(text) == seconds


def test_retry_info_becomes_retry_after():
    retry = {"@type": RPC + "RetryInfo", "retryDelay": "17s"}
    quota = {"@type": RPC + "QuotaFailure", "violations": [{"quotaId": "PerDay"}]}
    assert CODEC.decode_error(429, body(429, "RESOURCE_EXHAUSTED", quota, retry)).retry_after_s == 17


def test_an_invalid_key_is_named_although_it_comes_as_400():
    reason = {"@type": RPC + "ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
    assert CODEC.decode_error(400, body(400, "INVALID_ARGUMENT", reason)).code == "invalid_api_key"


def test_a_field_violation_names_the_parameter():
    bad = {"@type": RPC + "BadRequest", "fieldViolations": [{"field": "contents", "description": "empty"}]}
    assert CODEC.decode_error(400, body(400, "INVALID_ARGUMENT", bad)).param == "contents"


def test_an_error_in_an_array_is_found():
    assert (
        CODEC.decode_error(429, b"[" + body(429, "RESOURCE_EXHAUSTED") + b"]").code == "rate_limit_exceeded"
    )


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"<html>Bad gateway</html>", "<html>Bad gateway</html>"),
        (b"", "HTTP status 502"),
        (b'{"detail": 1}', '{"detail": 1}'),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"error": "invalid_grant", "error_description": "expired"}', "invalid_grant: expired"),
        (b'{"error": "down"}', "down"),
        (b'{"error": {"details": 3}}', "HTTP status 502"),
    ],
)
def test_what_is_no_google_error_still_becomes_one(raw, message):
    info = CODEC.decode_error(502, raw)
    assert (info.status, info.message, info.type) == (502, message, "server_error")


def test_a_long_page_is_cut():
    assert len(CODEC.decode_error(502, b"x" * 9000).message) == 500


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 503, "message": "busy", "status": "UNAVAILABLE"}, 503),
        ({"status": "RESOURCE_EXHAUSTED"}, 429),
        ({"message": "?"}, 502),
    ],
)
def test_inside_a_stream_the_objects_own_code_counts(error, status):
    info = error_of({"error": error}, 200)
    assert info is not None
    assert info.status == status


def test_an_answer_is_no_error():
    assert error_of({"candidates": []}) is None
    assert error_of([]) is None


@pytest.mark.parametrize(
    "info",
    [
        ErrorInfo(
            status=429, message="slow", type="rate_limit_error", code="model_cooldown", retry_after_s=17
        ),
        ErrorInfo(status=429, message="slow", type="rate_limit_error", code="x", retry_after_s=0.51),
        ErrorInfo(
            status=400, message="bad", type="invalid_request_error", code="invalid_value", param="contents"
        ),
        ErrorInfo(status=401, message="key", type="authentication_error", code="invalid_api_key"),
        ErrorInfo(status=500, message="oops"),
    ],
)
def test_writing_and_reading_an_error_keeps_it(info):
    written = CODEC.encode_error(info)
    assert CODEC.decode_error(info.status, json.dumps(written).encode()) == info
    assert sdk.APIError(info.status, written).status == rpc_status(info.status)


def test_anthropics_overload_becomes_503():
    error = CODEC.encode_error(ErrorInfo(status=529, message="overloaded"))["error"]
    assert (error["code"], error["status"]) == (503, "UNAVAILABLE")


@pytest.mark.parametrize(
    ("status", "rpc"), [(418, "INVALID_ARGUMENT"), (599, "INTERNAL"), (402, "FAILED_PRECONDITION")]
)
def test_every_status_has_a_name(status, rpc):
    assert rpc_status(status) == rpc
