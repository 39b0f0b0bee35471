from __future__ import annotations

import pytest

from oauth.flows import jwt, pkce, wire
from oauth.flows.base import HttpAnswer
from tests.unit.oauth.flows.script import NOW, SEED


def answer(status: int = 200, body: bytes = b"", **headers: str) -> HttpAnswer:
    return HttpAnswer(status=status, headers=headers, body=body, at=NOW)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-01-01T00:00:00Z", 1767225600.0),
        ("2026-01-01T08:00:00.123456789+08:00", 1767225600.123456),
        ("2026-01-01T00:00:00", 1767225600.0),
        ("2026-01-01 00:00", 1767225600.0),
        ("2026-01-01 00:00:01", 1767225601.0),
        ("2026-01-01", 1767225600.0),
        (1767225600, 1767225600.0),
        (1767225600000, 1767225600.0),
        ("1767225600", 1767225600.0),
        ("1767225600123", 1767225600.123),
        (1767225600.5, 1767225600.5),
    ],
)
def test_moments_in_every_spelling(written, moment):
    assert wire.moment_of(written) == pytest.approx(moment)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "soon",
        None,
        True,
        [],
        {},
        0,
        -5,
        float("nan"),
        float("inf"),
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "2026-13-01",
        "1e999",
    ],
)
def test_what_is_no_moment_is_none(written):
    assert wire.moment_of(written) is None


def test_an_address_that_is_none_has_no_parts():
    assert wire.split("https://api.example:8443/x").port == 8443
    for nonsense in ("https://[bad/x", "https://host:99999/", "https://host:x/"):
        assert wire.split(nonsense).hostname is None
    assert wire.host_of({"resource_url": "portal.example"}, "resource_url") == "portal.example"
    assert wire.host_of({"resource_url": "https://[bad"}, "resource_url") == ""


def test_an_end_past_every_calendar_is_none():
    assert wire.end_of({"expires_in": 10**30}, 0.0) is None
    assert wire.moment_of("1e30") is None


def test_a_moment_is_written_as_it_is_read():
    assert wire.moment_of(wire.rfc3339(NOW)) == NOW


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"expires_in": 60}, NOW + 60),
        ({"expires_in": "60"}, NOW + 60),
        ({"expires_in": 60.5}, NOW + 60.5),
        ({"expiresIn": 60}, NOW + 60),
        ({"expires_at": 2_000_000_000}, 2_000_000_000.0),
        ({"expires_in": 0, "expires_at": "2026-01-01T00:00:00Z"}, 1767225600.0),
        ({"expires_in": None}, None),
        ({"expires_in": "never"}, None),
        ({}, None),
    ],
)
def test_the_end_of_a_token(fields, end):
    assert wire.end_of(fields, NOW) == end


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"error": "invalid_grant", "error_description": "gone\\n  away"}', ("invalid_grant", "gone away")),
        (b'{"error": {"code": "reused", "message": "m"}}', ("reused", "m")),
        (b'{"error": {"status": "NOT_FOUND"}}', ("NOT_FOUND", "")),
        (b'{"__type": "com.amazon#InvalidGrantException", "message": "m"}', ("InvalidGrantException", "m")),
        (b"<html>", ("", "")),
        (b"", ("", "")),
    ],
)
def test_errors_in_every_spelling(body, told):
    assert wire.error_of(answer(400, body)) == told


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "17"}, 17),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:30 GMT"}, 30),
        ({"retry-after": "Fri, 15 Jan 2021 08:00:30 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers, seconds):
    assert wire.retry_after_of(answer(429, b"", **headers)) == seconds


def test_empty_fields_are_not_sent():
    assert wire.form_post("https://v.example", {"a": "1 2", "scope": ""}).body == b"a=1%202"


def test_the_challenge_of_rfc_7636():
    assert (
        pkce.challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_state_and_verifier_tell_nothing_of_each_other():
    assert len(pkce.state(SEED)) == 32
    assert 43 <= len(pkce.verifier(SEED)) <= 128
    assert pkce.state(SEED) not in pkce.verifier(SEED)
    assert pkce.state(SEED) != pkce.state(SEED + "0")


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "a.!!!.c", "a..c", "opaque", "a.bnVsbA.c"])
def test_what_is_no_jwt_has_no_claims(token):
    assert jwt.claims(token) == {}
    assert jwt.end_of(token) is None


def test_reprs_show_no_secret():
    call = wire.form_post(
        "https://v.example/t?token=canary", {"refresh_token": "canary"}, wire.bearer("canary")
    )
    assert "canary" not in repr(call) + repr(answer(200, b"canary"))
