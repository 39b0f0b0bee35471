import json

import pytest

from providers.translation.codecs.claude.codec import CODEC
from providers.translation.model import ErrorInfo

TYPES = [
    (400, "invalid_request_error", "invalid_request_error", None),
    (401, "authentication_error", "authentication_error", "invalid_api_key"),
    (402, "billing_error", "insufficient_quota", "insufficient_quota"),
    (403, "permission_error", "permission_error", None),
    (404, "not_found_error", "invalid_request_error", "model_not_found"),
    (409, "conflict_error", "conflict", None),
    (413, "request_too_large", "invalid_request_error", "request_too_large"),
    (429, "rate_limit_error", "rate_limit_error", "rate_limit_exceeded"),
    (500, "api_error", "server_error", None),
    (504, "timeout_error", "server_error", "timeout"),
    (529, "overloaded_error", "server_error", "service_unavailable"),
]


@pytest.mark.parametrize(("status", "own", "neutral", "code"), TYPES)
def test_every_type_maps_both_ways(status, own, neutral, code):
    body = {"type": "error", "error": {"type": own, "message": "m"}, "request_id": "req_1"}
    info = CODEC.decode_error(status, json.dumps(body).encode())
    assert info == ErrorInfo(status=status, message="m", type=neutral, code=code)
    assert CODEC.encode_error(info) == {"type": "error", "error": {"type": own, "message": "m"}}


@pytest.mark.parametrize(
    ("status", "own"),
    [
        (408, "timeout_error"),
        (405, "invalid_request_error"),
        (422, "invalid_request_error"),
        (501, "api_error"),
        (502, "api_error"),
        (503, "api_error"),
    ],
)
def test_statuses_without_a_type_of_their_own_get_the_nearest(status, own):
    assert CODEC.encode_error(ErrorInfo(status=status, message="m"))["error"]["type"] == own


BODIES = {
    b"<html>Bad gateway</html>": "<html>Bad gateway</html>",
    b"": "the upstream answered with status 502",
    b"\xff\xfe": "\ufffd\ufffd",
    b"[]": "the upstream answered with status 502",
    b'{"detail":"no"}': "no",
    b'{"message":"no"}': "no",
    b'{"error":"no"}': "no",
    b'{"error":{"message":3}}': "the upstream answered with status 502",
}


@pytest.mark.parametrize(("body", "message"), BODIES.items())
def test_any_body_gives_an_error_with_a_message(body, message):
    assert CODEC.decode_error(502, body) == ErrorInfo(status=502, message=message)


def test_long_bodies_are_cut():
    assert len(CODEC.decode_error(500, b"x" * 10_000).message) == 500


def test_a_precise_code_is_kept():
    details = {"error_code": "organization_disabled"}
    body = {"type": "error", "error": {"type": "permission_error", "message": "m", "details": details}}
    assert CODEC.decode_error(403, json.dumps(body).encode()).code == "organization_disabled"


def test_a_refused_thread_is_told_in_the_details_that_the_sdks_read():
    info = ErrorInfo(status=400, message="m", code="thread_unsupported_request", param="thread")
    body = CODEC.encode_error(info)
    assert body == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "m",
            "details": {"error_code": "thread_unsupported_request", "unsupported": ["thread"]},
        },
    }
    assert CODEC.decode_error(400, json.dumps(body).encode()).code == "thread_unsupported_request"
