from __future__ import annotations

import json

import msgspec
import pytest

from routing.core.kept_responses import (
    KeptResponse,
    RecentResponses,
    find_item,
    home_of,
    items_of,
    joined,
    kept_items,
    output_items,
    reference_of,
)


def kept(name="resp_1", output=(), given=(), size=0):
    return KeptResponse(
        client_key_id=1,
        id=name,
        input=json.dumps(list(given)).encode(),
        response=json.dumps({"id": name, "output": list(output), "pad": "x" * size}).encode(),
        created_at=0,
        expires_at=0,
    )


def raw(value):
    return msgspec.Raw(json.dumps(value).encode())


def read(items):
    return [json.loads(bytes(item)) for item in items]


def test_input_is_a_list_whatever_its_form():
    assert items_of(None) == []
    assert items_of(raw(None)) == []
    text = {"type": "message", "role": "user", "content": "Hi"}
    assert read(items_of(raw("Hi"))) == [text]
    assert read(items_of(raw(["Hi", {"type": "x"}]))) == [text, {"type": "x"}]


@pytest.mark.parametrize("value", [b"7", b"{}", b"[1", b"true", b"[" * 100_000])
def test_what_is_no_conversation_is_left_to_who_reads_it(value):
    found = items_of(msgspec.Raw(value))
    assert found is None


def test_numbers_keep_their_spelling():
    item = msgspec.Raw(b'{"type":"function_call_output","output":1.0e3,"n":12345678901234567890}')
    assert bytes(joined(items_of(msgspec.Raw(joined([item]))) or [])) == b"[" + bytes(item) + b"]"


def test_a_conversation_goes_on_with_the_answer():
    message = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
    assert read(kept_items(kept(given=["Hi"], output=[message]))) == ["Hi", message]


def test_ids_of_our_own_making_go_and_unreadable_reasoning_too():
    output = [
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "abc"},
        {"type": "reasoning", "id": "rs_cliproxy_ab_0", "summary": []},
        {"type": "message", "id": "msg_cliproxy_ab_1", "role": "assistant", "content": []},
        {"type": "function_call", "id": "fc_upstream", "call_id": "c", "name": "f", "arguments": "{}"},
    ]
    carried = read(output_items(json.dumps({"output": output}).encode()))
    assert [item.get("id") for item in carried] == ["rs_2", "rs_cliproxy_ab_0", None, "fc_upstream"]


def test_an_item_names_its_home():
    assert home_of("msg_cliproxy_0af3_12") == "resp_0af3"
    for name in ("msg_123", "msg_cliproxy_", "msg_cliproxy_ab", "msg_cliproxy_ab_x", ""):
        assert home_of(name) is None


def test_an_item_is_found_by_its_id():
    output = [{"type": "message", "id": "msg_cliproxy_ab_0", "content": []}]
    found = find_item(kept(output=output), "msg_cliproxy_ab_0")
    assert json.loads(bytes(found or b"null")) == {"type": "message", "content": []}
    assert find_item(kept(output=output), "msg_cliproxy_ab_1") is None


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ({"type": "item_reference", "id": "msg_1"}, "msg_1"),
        ({"id": "msg_1"}, "msg_1"),
        ({"type": None, "id": "msg_1"}, "msg_1"),
        ({"type": "message", "id": "msg_1"}, None),
        ({"role": "user", "id": "msg_1"}, None),
        ({"type": "item_reference", "id": 7}, None),
        ("text", None),
    ],
)
def test_references(item, name):
    assert reference_of(raw(item)) == name


def test_a_memory_is_bounded_in_number():
    memory = RecentResponses(most=2, most_bytes=10_000)
    for name in ("a", "b", "c"):
        memory.keep(kept(name))
    assert [memory.find(name) is not None for name in ("a", "b", "c")] == [False, True, True]


def test_a_memory_is_bounded_in_bytes_but_keeps_the_newest():
    memory = RecentResponses(most=10, most_bytes=1_000)
    memory.keep(kept("a", size=100))
    memory.keep(kept("b", size=2_000))
    assert len(memory) == 1
    assert memory.find("b") is not None
    memory.keep(kept("b", size=10))
    memory.keep(kept("c", size=10))
    assert len(memory) == 2
