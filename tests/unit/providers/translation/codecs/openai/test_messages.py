"""``messages[]``, read: roles, parts, calls and results, and where a fault is."""

from __future__ import annotations

import pytest

from providers.translation.codec import MalformedRequest
from providers.translation.codecs.openai.codec import CODEC
from providers.translation.model import (
    CacheMark,
    Instruction,
    Media,
    Reasoning,
    RefusalText,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from providers.values import Format

PNG = "iVBORw0KGgo="


def read(*messages):
    return CODEC.decode_request({"model": "m", "messages": list(messages)})


def user(*parts):
    return {"role": "user", "content": list(parts)}


def assistant_with_calls(*ids, **extra):
    calls = [{"id": i, "type": "function", "function": {"name": f"f_{i}", "arguments": "{}"}} for i in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls, **extra}


def test_a_string_is_one_text():
    assert read({"role": "user", "content": "Hi"}).turns == (Turn(role=Role.USER, parts=(Text(text="Hi"),)),)


def test_instructions_keep_their_role_and_place():
    request = read(
        {"role": "system", "content": "one"},
        {"role": "developer", "content": [{"type": "text", "text": "two"}]},
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "three"},
        {"role": "system", "content": ""},
    )
    assert request.instructions == (
        Instruction(parts=(Text(text="one"),)),
        Instruction(parts=(Text(text="two"),), role="developer"),
        Instruction(parts=(Text(text="three"),), position=1),
    )
    assert len(request.turns) == 1


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "text", "text": "a"}, Text(text="a")),
        ({"text": "no type"}, Text(text="no type")),
        (
            {"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "low"}},
            Media(kind="image", url="https://x.example/a.png", detail="low"),
        ),
        (
            {"type": "image_url", "image_url": "https://x.example/a.png"},
            Media(kind="image", url="https://x.example/a.png"),
        ),
        (
            {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{PNG}"}},
            Media(kind="image", mime="image/jpeg", data=PNG),
        ),
        (
            {"type": "image_url", "image_url": {"url": f"data:;base64,{PNG}"}},
            Media(kind="image", mime="image/png", data=PNG),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            Media(kind="audio", mime="audio/wav", data="AAAA", audio_format="wav"),
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
            Media(kind="document", mime="application/pdf", data="AAAA", filename="a.pdf"),
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "AAAA"}},
            Media(kind="document", mime="application/pdf", data="AAAA", filename="a.pdf"),
        ),
        ({"type": "file", "file": {"file_id": "file-1"}}, Media(kind="document", file_id="file-1")),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "https://x.example/a.pdf"}},
            Media(kind="document", url="https://x.example/a.pdf", filename="a.pdf", mime="application/pdf"),
        ),
        (
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            Text(text="a", cache=CacheMark("1h")),
        ),
        (
            {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
            Text(
                text="a",
                cache=CacheMark(),
                ext={Format.OPENAI: {"prompt_cache_breakpoint": {"mode": "explicit"}}},
            ),
        ),
    ],
)
def test_every_content_part_is_read(part, expected):
    assert read(user(part)).turns[0].parts == (expected,)


def test_parts_keep_their_order_and_empty_texts_go():
    request = read(
        user(
            {"type": "text", "text": "a"},
            {"type": "text", "text": ""},
            {"type": "image_url", "image_url": {"url": "https://x.example/a"}},
            {"type": "text", "text": "b"},
        )
    )
    kinds = [type(part) for part in request.turns[0].parts]
    assert kinds == [Text, Media, Text]


def test_a_mark_on_the_message_counts_for_its_last_part():
    message = {**user({"type": "text", "text": "a"}, {"type": "text", "text": "b"}), "cache_control": {}}
    assert [part.cache for part in read(message).turns[0].parts] == [None, CacheMark()]


def test_an_assistant_message_gives_thought_text_refusal_and_calls_in_that_order():
    message = {
        "role": "assistant",
        "content": "Text",
        "reasoning_content": "Hmm",
        "refusal": "No",
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "f", "arguments": '{"a": 1}'},
                "extra_content": {"google": {"thought_signature": "c2ln"}},
            },
            {"id": "c2", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
        ],
    }
    (turn,) = read(message).turns
    assert turn.parts == (
        Reasoning(text="Hmm"),
        Text(text="Text"),
        RefusalText(text="No"),
        ToolCall(id="c1", name="f", arguments='{"a": 1}', signature=Signature("c2ln", Format.GEMINI)),
        ToolCall(id="c2", name="sh", arguments="ls", kind="custom"),
    )


def test_null_content_beside_calls_gives_no_text():
    (turn,) = read(assistant_with_calls("a")).turns
    assert turn.parts == (ToolCall(id="a", name="f_a", arguments="{}"),)


def test_an_empty_assistant_message_keeps_its_turn():
    assert read({"role": "assistant", "content": None}).turns[0].parts == (Text(text=""),)


def test_consecutive_tool_messages_become_one_turn_and_know_their_tools():
    request = read(
        assistant_with_calls("a", "b"),
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "2"}]},
        {"role": "user", "content": "go on"},
    )
    assert request.turns[1] == Turn(
        role=Role.USER,
        parts=(
            ToolResult(call_id="a", name="f_a", parts=(Text(text="1"),)),
            ToolResult(call_id="b", name="f_b", parts=(Text(text="2"),)),
        ),
    )
    assert request.turns[2].parts == (Text(text="go on"),)


def test_an_empty_result_has_no_parts():
    request = read(assistant_with_calls("a"), {"role": "tool", "tool_call_id": "a", "content": ""})
    assert request.turns[1].parts == (ToolResult(call_id="a", name="f_a"),)


def test_legacy_function_messages_are_paired_by_name():
    request = read(
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "2"},
    )
    calls = [request.turns[i].parts[0].id for i in (0, 2)]
    results = [request.turns[i].parts[0].call_id for i in (1, 3)]
    assert calls == results
    assert len(set(calls)) == 2


def test_unknown_message_fields_are_kept_for_their_own_format():
    (turn,) = read({"role": "assistant", "content": "a", "audio": {"id": "x"}, "function_call": None}).turns
    assert turn.ext == {Format.OPENAI: {"audio": {"id": "x"}}}


IMAGE = "messages[0].content[0].image_url"


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        (None, "messages"),
        ([], "messages"),
        ("Hi", "messages"),
        (["Hi"], "messages[0]"),
        ([{"content": "Hi"}], "messages[0].role"),
        ([{"role": "robot", "content": "Hi"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": 7}], "messages[0].content"),
        ([user(7)], "messages[0].content[0]"),
        ([user({"type": "hologram"})], "messages[0].content[0].type"),
        ([user({"type": "text"})], "messages[0].content[0].text"),
        ([user({"type": "text", "text": 1})], "messages[0].content[0].text"),
        ([user({"type": "image_url"})], IMAGE),
        ([user({"type": "image_url", "image_url": {}})], f"{IMAGE}.url"),
        ([user({"type": "image_url", "image_url": {"url": "cat.png"}})], f"{IMAGE}.url"),
        ([user({"type": "image_url", "image_url": {"url": "data:image/png;base64,@@"}})], f"{IMAGE}.url"),
        ([user({"type": "image_url", "image_url": {"url": "data:image/png;base64,"}})], f"{IMAGE}.url"),
        ([user({"type": "input_audio", "input_audio": {"data": "AA"}})],
         "messages[0].content[0].input_audio.format"),
        ([user({"type": "file", "file": {}})], "messages[0].content[0].file.file_data"),
        ([user({"type": "file", "file": {"file_data": "@"}})], "messages[0].content[0].file.file_data"),
        ([{"role": "tool", "content": "x"}], "messages[0].tool_call_id"),
        ([{"role": "assistant", "tool_calls": {}}], "messages[0].tool_calls"),
        ([{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}],
         "messages[0].tool_calls[0].id"),
        ([{"role": "assistant", "tool_calls": [{"id": "a"}]}], "messages[0].tool_calls[0].function"),
        ([{"role": "assistant", "tool_calls": [{"id": "a", "type": "x"}]}],
         "messages[0].tool_calls[0].type"),
        ([{"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": 3}}]}],
         "messages[0].tool_calls[0].function.arguments"),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_its_path(messages, param):
    with pytest.raises(MalformedRequest) as caught:
        CODEC.decode_request({"model": "m", "messages": messages})
    assert caught.value.param == param
    assert caught.value.client_status == 400
    assert caught.value.message


def test_audio_that_is_no_base64_is_a_fault():
    audio = {"type": "input_audio", "input_audio": {"data": "!!!", "format": "wav"}}
    with pytest.raises(MalformedRequest) as caught:
        CODEC.decode_request({"model": "m", "messages": [{"role": "user", "content": [audio]}]})
    assert caught.value.param == "messages[0].content[0].input_audio.data"
