from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.core.affinity import claude_session, fnv1a_64, session_keys

CHAT = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]}


def keys(body=None, execution="", **headers):
    named = {name.replace("_", "-") if name != "session_id" else name: text for name, text in headers.items()}
    fields = msgspec.json.decode(msgspec.json.encode(body or {}), type=dict[str, msgspec.Raw])
    return session_keys(named, fields, execution)


ORDER: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"x_claude_code_session_id": "a"}, {}, "claude:a"),
    ({}, {"metadata": {"user_id": "user_1_account__session_b"}}, "claude:b"),
    ({"Session-Id".lower(): "c"}, {}, "codex:c"),
    ({"session_id": "d"}, {}, "codex:d"),
    ({"x-session-id": "e"}, {}, "header:e"),
    ({"x-session-affinity": "f"}, {}, "affinity:f"),
    ({"x-client-request-id": "g"}, {}, "clientreq:g"),
    ({}, {"session_id": "h"}, "session:h"),
    ({}, {"sessionId": "i"}, "session:i"),
    ({}, {"prompt_cache_key": "j"}, "pck:j"),
    ({}, {"conversation": {"id": "k"}}, "conv:k"),
    ({}, {"metadata": {"user_id": "l"}}, "user:l"),
    ({}, {"conversation_id": "m"}, "conv:m"),
]


@pytest.mark.parametrize(("headers", "body", "key"), ORDER)
def test_each_source_has_its_own_kind_of_key(headers, body, key):
    assert keys(body, **headers)[0] == key


@pytest.mark.parametrize("place", range(len(ORDER) - 1))
def test_the_surer_source_wins(place):
    headers: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for other_headers, other_body, _ in reversed(ORDER[place:]):
        headers |= other_headers
        body |= other_body
    assert keys(body, **headers)[0] == ORDER[place][2]


def test_a_cache_key_is_bound_together_with_its_conversation():
    assert keys({"prompt_cache_key": "p", "conversation": "c"}) == ("pck:p", "conv:c")
    assert keys({"conversation": "c"}) == ("conv:c",)


def test_a_socket_is_a_session_when_nothing_surer_is_told():
    assert keys(execution="7") == ("execution:7",)
    assert keys({"conversation_id": "m"}, execution="7") == ("conv:m",)
    assert keys(CHAT, execution="7") == ("execution:7",)


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "x" * 257, "é" * 129, "\x00"])
def test_what_is_not_printable_or_too_long_is_no_key(text):
    assert keys({}, **{"x-session-id": text}) == ()


@pytest.mark.parametrize(
    ("user_id", "session"),
    [
        ('{"device_id":"d","session_id":"s"}', "s"),
        ("user_x_account_y_session_0b5c", "0b5c"),
        ("alice", ""),
        ('{"session_id": 7}', ""),
        ("{broken", ""),
    ],
)
def test_claude_codes_session_is_read_in_both_spellings(user_id, session):
    assert claude_session(user_id) == session


def test_a_conversation_without_a_name_is_known_by_its_beginning():
    (first,) = keys(CHAT)
    answered = {"messages": [*CHAT["messages"], {"role": "assistant", "content": "Hello"}]}
    later = {"messages": [*answered["messages"], {"role": "user", "content": "And now?"}]}
    assert keys(answered)[1] == first
    assert keys(later) == keys(answered)
    assert keys(answered)[0] != first
    other = {"messages": [CHAT["messages"][0], {"role": "user", "content": "Ho"}]}
    assert keys(other) != (first,)


SAME = [
    CHAT,
    {"system": "Be brief.", "messages": [{"role": "user", "content": "Hi"}]},
    {"system": [{"type": "text", "text": "Be brief."}], "messages": [{"role": "user", "content": "Hi"}]},
    {"instructions": "Be brief.", "input": "Hi"},
    {
        "instructions": "Be brief.",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
    },
    {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
    },
    {
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "Hi"}],
            },
        ]
    },
]


@pytest.mark.parametrize("body", SAME)
def test_the_beginning_is_found_in_every_format(body):
    assert keys(body) == keys(CHAT)


def test_only_the_first_hundred_bytes_of_a_text_count():
    def long(tail):
        return {"messages": [{"role": "user", "content": "x" * 100 + tail}]}

    assert keys(long("a")) == keys(long("b")) != ()


def test_the_hash_is_fnv_1a():
    assert fnv1a_64(b"") == 0xCBF29CE484222325
    assert fnv1a_64(b"foobar") == 0x85944171F73967E8


ODD: list[Any] = [
    None,
    7,
    "x",
    [],
    [None],
    [[]],
    {},
    {"id": 7},
    {"user_id": []},
    {"parts": 7},
    {"parts": [7]},
]
ODD += [[{"role": 7}], [{"role": "user", "content": 7}], [{"role": "user", "content": [{"text": 7}]}]]
NAMES = [
    "metadata",
    "conversation",
    "messages",
    "system",
    "input",
    "contents",
    "systemInstruction",
    "session_id",
]


@given(body=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(ODD), max_size=6))
def test_an_odd_body_is_no_reason_to_fail(body):
    for key in keys(body):
        assert key.partition(":")[2]
