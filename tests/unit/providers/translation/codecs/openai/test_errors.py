"""Errors, both ways."""

from __future__ import annotations

import pytest

from providers.translation.codecs.openai.codec import CODEC
from providers.translation.codecs.openai.errors import reported_error
from providers.translation.model import ErrorInfo


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            400,
            b'{"error":{"message":"bad","type":"invalid_request_error","param":"n","code":"c"}}',
            ErrorInfo(status=400, message="bad", type="invalid_request_error", param="n", code="c"),
        ),
        (
            429,
            b'{"error":{"message":"slow"}}',
            ErrorInfo(status=429, message="slow", type="rate_limit_error"),
        ),
        (401, b'{"error":"no key"}', ErrorInfo(status=401, message="no key", type="authentication_error")),
        (
            400,
            b'[{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}]',
            ErrorInfo(status=400, message="bad", type="invalid_request_error", code="INVALID_ARGUMENT"),
        ),
        (500, b'{"message":"oops"}', ErrorInfo(status=500, message="oops")),
        (422, b'{"detail":"bad"}', ErrorInfo(status=422, message="bad", type="invalid_request_error")),
        (
            422,
            b'{"detail":[{"msg":"x"}]}',
            ErrorInfo(status=422, message='[{"msg":"x"}]', type="invalid_request_error"),
        ),
        (503, b"Service  Unavailable\n", ErrorInfo(status=503, message="Service Unavailable")),
        (
            502,
            b"<html><head><title>502 Bad Gateway</title></head><body>x</body></html>",
            ErrorInfo(status=502, message="502 Bad Gateway"),
        ),
        (502, b"<p>gone<script>x()</script></p>", ErrorInfo(status=502, message="gone")),
        (502, b"", ErrorInfo(status=502, message="The upstream answered 502 without a message.")),
        (502, b"{}", ErrorInfo(status=502, message="The upstream answered 502 without a message.")),
        (502, b"[]", ErrorInfo(status=502, message="The upstream answered 502 without a message.")),
        (502, b'"text"', ErrorInfo(status=502, message="text")),
        (502, b"[" * 3000, ErrorInfo(status=502, message="[" * 2000)),
        (502, b"\xff\xfe", ErrorInfo(status=502, message="\ufffd\ufffd")),
    ],
)
def test_any_error_body_is_read(status, body, expected):
    assert CODEC.decode_error(status, body) == expected


def test_an_error_is_written_in_openais_shape():
    info = ErrorInfo(
        status=404, message="m", type="invalid_request_error", code="model_not_found", param="model"
    )
    assert CODEC.encode_error(info) == {
        "error": {
            "message": "m",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        ({"error": {"message": "m", "code": 429}}, 429),
        ({"error": {"message": "m", "code": "503"}}, 503),
        ({"error": {"message": "m", "type": "rate_limit_error"}}, 429),
        ({"error": {"message": "m", "code": "insufficient_quota"}}, 429),
        ({"error": {"message": "m"}}, 502),
        ({"error": "m"}, 502),
        ({"object": "error", "message": "m", "code": 400}, 400),
    ],
)
def test_an_error_inside_a_success_tells_its_status(frame, status):
    info = reported_error(frame)
    assert info is not None
    assert (info.status, info.message) == (status, "m")


@pytest.mark.parametrize("frame", [{}, {"error": None}, {"error": {}}, {"object": "chat.completion"}])
def test_an_empty_error_field_is_none(frame):
    assert reported_error(frame) is None
