"""Callbacks as browsers send them and as people paste them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauth.flows.base import Callback
from oauth.flows.callback import CallbackUnreadable, is_state, read_pasted, read_query

WANTED = Callback(code="abc", state="s1")


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost:54545/callback?code=abc&state=s1",
        "  <http://localhost:54545/callback?code=abc&state=s1>\n",
        "?code=abc&state=s1",
        "code=abc&state=s1",
        "state=s1&code=abc",
        "localhost:1455/auth/callback?code=abc&state=s1",
        "gateway.example/callback?code=abc&state=s1",
        "http://localhost:8085/oauth2callback#code=abc&state=s1",
        "http://localhost/callback?code=abc#state=s1",
        "http://localhost/callback?code=abc#s1",
        "http://localhost/callback?code=abc%23s1",
        "code=abc#s1",
        "abc#s1",
    ],
)
def test_every_form_in_which_people_paste_it_is_read(text):
    assert read_pasted(text) == WANTED


def test_a_state_of_its_own_wins_over_the_one_behind_the_code():
    assert read_query({"code": "abc#other", "state": "s1"}) == WANTED


def test_a_refusal_is_a_callback_too():
    text = "http://localhost/cb?error=access_denied&error_description=No+thanks&state=s1"
    assert read_pasted(text) == Callback(state="s1", error="access_denied", error_description="No thanks")


def test_a_description_alone_is_the_error():
    assert read_query({"error_description": "No thanks"}).error == "No thanks"


@pytest.mark.parametrize(
    "text", ["", "   ", "https://example.com/", "state=s1", "abc", "http://[", "x" * 20_000]
)
def test_what_is_no_callback_is_refused_in_words(text):
    with pytest.raises(CallbackUnreadable) as refused:
        read_pasted(text)
    assert refused.value.message


@pytest.mark.parametrize(
    ("text", "good"),
    [("a" * 128, True), ("Az0._-", True), ("", False), ("a" * 129, False), ("a/b", False), ("a..b", False)],
)
def test_a_state_looks_like_one(text, good):
    assert is_state(text) is good


@given(st.text(max_size=300))
def test_no_paste_ever_breaks_the_reader(text):
    try:
        callback = read_pasted(text)
    except CallbackUnreadable:
        return
    assert callback.code or callback.error


def test_a_token_that_a_page_sends_straight_back_is_the_code():
    callback = read_pasted("http://127.0.0.1:49732/callback?token=roo-1&state=abc")
    assert (callback.code, callback.state) == ("roo-1", "abc")
