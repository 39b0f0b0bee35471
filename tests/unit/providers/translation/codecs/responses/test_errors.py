from __future__ import annotations

import pytest

from providers.translation.codecs.responses.codec import CODEC
from providers.translation.codecs.responses.errors import response_error
from providers.translation.model import ErrorInfo


def test_a_body_in_openais_shape_is_read():
    body = b'{"error":{"message":"No","type":"invalid_request_error","code":"invalid_value","param":"input"}}'
    assert CODEC.decode_error(400, body) == ErrorInfo(
        status=400, message="No", type="invalid_request_error", code="invalid_value", param="input"
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"3", b'{"detail":"No"}', b"\xff"])
def test_any_body_becomes_an_error(body):
    assert CODEC.decode_error(502, body).status == 502


def test_an_error_is_written_in_openais_shape():
    info = ErrorInfo(
        status=404, message="No", type="invalid_request_error", code="model_not_found", param="model"
    )
    assert CODEC.encode_error(info) == {
        "error": {
            "message": "No",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }


@pytest.mark.parametrize(
    ("status", "code", "wanted"),
    [
        (429, None, "rate_limit_exceeded"),
        (429, "insufficient_quota", "insufficient_quota"),
        (400, "context_length_exceeded", "context_length_exceeded"),
        (400, "invalid_value", "invalid_prompt"),
        (502, "upstream_error", "server_error"),
        (500, None, "server_error"),
    ],
)
def test_a_failed_answer_names_a_code_that_clients_know(status, code, wanted):
    assert response_error(ErrorInfo(status=status, message="No", code=code)) == {
        "code": wanted,
        "message": "No",
    }
