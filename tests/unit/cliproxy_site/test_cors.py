"""Any page may call the API; the admin stays its own."""

from __future__ import annotations

import pytest

from cliproxy_site import cors


@pytest.mark.parametrize(
    ("path", "is_api"),
    [
        ("/v1/models", True),
        ("/v0/management/config", True),
        ("/health", True),
        ("/metrics", True),
        ("/admin", False),
        ("/admin/login/", False),
        ("/static/cliproxy_site/icon.svg", False),
    ],
)
def test_what_is_shared(path, is_api):
    assert cors.is_api(path) is is_api


async def test_a_preflight_is_204_without_a_body():
    sent = []

    async def send(message):
        sent.append(message)

    await cors.preflight(send)
    headers = dict(sent[0]["headers"])
    assert sent[0]["status"] == 204
    assert headers[b"access-control-allow-origin"] == b"*"
    assert b"Authorization" in headers[b"access-control-allow-headers"]
    assert sent[1]["body"] == b""


async def test_an_answer_keeps_its_headers_and_gets_ours():
    sent = []

    async def send(message):
        sent.append(message)

    shared = cors.sharing(send)
    original = [(b"x-request-id", b"1")]
    await shared({"type": "http.response.start", "status": 200, "headers": original})
    await shared({"type": "http.response.body", "body": b"{}"})
    assert sent[0]["headers"][0] == (b"x-request-id", b"1")
    assert b"X-Request-Id" in dict(sent[0]["headers"])[b"access-control-expose-headers"]
    assert original == [(b"x-request-id", b"1")]
    assert sent[1] == {"type": "http.response.body", "body": b"{}"}
