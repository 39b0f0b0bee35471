"""ASGI messages and errors, in the words of each client format."""

from __future__ import annotations

import json

import pytest

from providers.errors import GatewayError, NoCandidate
from providers.translation.registry import CODECS
from providers.values import Format
from routing.proxy.endpoints import dialect_of
from routing.proxy.wire import (
    client_headers,
    error_body,
    error_headers,
    header_value,
    send_json,
    send_whole,
)


def recorder():
    sent = []

    async def send(message):
        sent.append(message)

    return sent, send


def test_headers_are_text_and_the_first_of_a_repeated_one_counts():
    scope = {"headers": [(b"x-a", b"1"), (b"x-b", b"\xfc"), (b"x-a", b"2")]}
    assert client_headers(scope) == {"x-a": "1", "x-b": "ü"}


async def test_a_whole_answer_carries_its_length():
    sent, send = recorder()
    await send_whole(send, 200, [(b"x", b"y")], b"abc")
    assert sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"x", b"y"), (b"content-length", b"3")]},
        {"type": "http.response.body", "body": b"abc"},
    ]


async def test_json_says_that_it_is_json():
    sent, send = recorder()
    await send_json(send, 201, {"a": 1}, [(b"x", b"y")])
    assert sent[0]["headers"][:2] == [(b"content-type", b"application/json"), (b"x", b"y")]
    assert sent[1]["body"] == b'{"a":1}'


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/chat/completions", Format.OPENAI),
        ("/v1/messages", Format.CLAUDE),
        ("/v1/messages/count_tokens", Format.CLAUDE),
        ("/v1beta/models/gemini:generateContent", Format.GEMINI),
        ("/anything", Format.OPENAI),
    ],
)
def test_a_path_answers_errors_in_its_clients_format(path, dialect):
    assert dialect_of(path, {}) is dialect


@pytest.mark.parametrize("dialect", list(CODECS))
def test_every_format_has_a_body_for_an_error(dialect):
    body = json.loads(error_body(NoCandidate("nobody is free", status=429, retry_after_s=3), dialect))
    assert "nobody is free" in json.dumps(body)


@pytest.mark.parametrize(("seconds", "header"), [(0.01, b"1"), (1.0, b"1"), (1.2, b"2"), (30.0, b"30")])
def test_the_time_to_wait_is_rounded_up(seconds, header):
    assert (b"retry-after", header) in error_headers(GatewayError("x", retry_after_s=seconds))


def test_without_a_time_to_wait_there_is_no_header():
    assert error_headers(GatewayError("x")) == [(b"content-type", b"application/json")]


def test_no_text_begins_another_header():
    assert header_value("a, x\r\nevil: 1, \u00fc\u2028") == b"a, x??evil: 1, ??"
