from __future__ import annotations

import pytest

from oauth.flows import wire
from oauth.flows.base import HttpAnswer
from oauth.redaction import Secrets

CANARY = "canary-0123456789"


@pytest.mark.parametrize(
    "call",
    [
        wire.form_post("https://v.example", {"refresh_token": CANARY, "grant_type": "refresh_token"}),
        wire.json_post("https://v.example", {"a": [{"clientSecret": CANARY}]}),
        wire.get("https://v.example", wire.bearer(CANARY)),
        wire.get("https://v.example", ("cookie", CANARY)),
        wire.get(f"https://v.example/x?accessToken={CANARY}"),
    ],
)
def test_what_was_sent_is_taken_out_of_what_comes_back(call):
    secrets = Secrets()
    secrets.add_call(call)
    assert secrets.without(f"the token {CANARY} is not valid") == "the token [redacted] is not valid"
    assert secrets.without("refresh_token is missing") == "refresh_token is missing"


def test_what_was_received_too_but_not_the_words_of_an_error():
    secrets = Secrets()
    secrets.add_answer(
        HttpAnswer(status=200, headers={}, body=b'{"access_token": "%s"}' % CANARY.encode(), at=0)
    )
    secrets.add_answer(HttpAnswer(status=400, headers={}, body=b'{"error_code": "invalid_grant"}', at=0))
    assert secrets.without(f"{CANARY} invalid_grant") == "[redacted] invalid_grant"


def test_as_it_was_sent_and_cut_off_too():
    secrets = Secrets()
    token = "1//0" + "canary/" * 100
    secrets.add_call(wire.form_post("https://v.example", {"refresh_token": token}))
    assert "canary" not in secrets.without(f"refresh_token=1%2F%2F0{'canary%2F' * 100}&x=y")
    assert "canary" not in secrets.without(wire.safe(f"The token {token} is not valid."))


def test_bodies_that_are_nothing_spoil_nothing():
    secrets = Secrets()
    for body in (b"", b"\xff\xfe", b"[" * 5000, b"=&=&", b"null"):
        secrets.add_answer(HttpAnswer(status=200, headers={}, body=body, at=0))
    assert secrets.without("as it was") == "as it was"
