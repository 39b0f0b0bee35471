from __future__ import annotations

import pytest

from providers.translation.model import (
    CacheMark,
    Media,
    Reasoning,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
)
from providers.values import Format
from tests.unit.providers.translation.codecs.responses.wire import (
    PNG,
    assistant,
    decode_request,
    encode,
    encode_request,
    user,
)

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
OWN = Format.RESPONSES


def test_instructions_stand_where_they_stood():
    request = decode_request(
        instructions="Head.",
        input=[
            {"role": "system", "content": "First."},
            {"role": "user", "content": "Hi"},
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Mid."}]},
            {"role": "user", "content": "Go"},
        ],
    )
    assert [(one.role, one.position, one.parts[0].text) for one in request.instructions] == [
        ("system", None, "Head."),
        ("system", None, "First."),
        ("developer", 1, "Mid."),
    ]
    assert request.turns == (user("Hi"), user("Go"))


def test_consecutive_items_of_the_assistant_form_one_turn_and_outputs_another():
    request = decode_request(
        input=[
            {"role": "user", "content": "Go"},
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "Hm."}],
                "encrypted_content": "gAAA",
            },
            {"role": "assistant", "content": [{"type": "output_text", "text": "On it."}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}", "id": "fc_1"},
            {"type": "reasoning", "summary": [], "encrypted_content": "gBBB"},
            {"type": "function_call", "call_id": "c2", "name": "g", "arguments": '{"a":1}'},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {
                "type": "function_call_output",
                "call_id": "c2",
                "output": [{"type": "input_text", "text": "two"}],
            },
            {"role": "user", "content": "And?"},
        ]
    )
    assert [turn.role for turn in request.turns] == [Role.USER, Role.ASSISTANT, Role.USER, Role.USER]
    assert request.turns[1] == assistant(
        Reasoning(text="Hm.", is_summary=True, signature=Signature("gAAA", OWN), item_id="rs_1"),
        "On it.",
        ToolCall(id="c1", name="f", arguments="{}", item_id="fc_1"),
        Reasoning(is_summary=True, signature=Signature("gBBB", OWN)),
        ToolCall(id="c2", name="g", arguments='{"a":1}'),
    )
    assert request.turns[2] == user(
        ToolResult(call_id="c1", name="f", parts=(Text(text="one"),)),
        ToolResult(call_id="c2", name="g", parts=(Text(text="two"),)),
    )


def test_free_form_calls_and_their_outputs():
    request = decode_request(
        input=[
            {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "*** x"},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"},
        ]
    )
    assert request.turns == (
        assistant(ToolCall(id="c", name="patch", arguments="*** x", kind="custom")),
        user(ToolResult(call_id="c", name="patch", parts=(Text(text="ok"),), kind="custom")),
    )


def test_content_parts_of_a_user():
    content = [
        {"type": "input_text", "text": "See:"},
        {"type": "input_image", "image_url": f"data:image/jpg;base64,{PNG}", "detail": "low"},
        {"type": "input_image", "image_url": "https://a/b.png"},
        {"type": "input_image", "file_id": "file_1"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
        {"type": "input_file", "file_url": "https://a/b.pdf"},
        {"type": "input_file", "file_id": "file_2"},
        {"type": "input_file", "filename": "a.txt", "file_data": "aGk="},
    ]
    assert decode_request(input=[{"role": "user", "content": content}]).turns[0].parts == (
        Text(text="See:"),
        Media(kind="image", mime="image/jpeg", data=PNG, detail="low"),
        Media(kind="image", url="https://a/b.png"),
        Media(kind="image", file_id="file_1"),
        Media(kind="document", mime="application/pdf", data="JVBERg==", filename="a.pdf"),
        Media(kind="document", mime="application/pdf", url="https://a/b.pdf"),
        Media(kind="document", file_id="file_2"),
        Media(kind="document", mime="text/plain", data="aGk=", filename="a.txt"),
    )


def test_a_result_may_hold_images():
    output = [{"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}]
    request = decode_request(input=[{"type": "function_call_output", "call_id": "c", "output": output}])
    assert request.turns[0].parts[0].parts == (Media(kind="image", mime="image/png", data=PNG),)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "item_reference", "id": "msg_1"},
        {"id": "msg_1"},
        {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA"},
        {"type": "compaction_trigger"},
    ],
)
def test_items_that_stand_for_what_openai_keeps_are_kept_and_announced(item):
    request = decode_request(input=[{"role": "user", "content": "Hi"}, item])
    assert request.turns[1].parts == (Unknown(raw=item, format=OWN),)
    assert request.ext[OWN] == {item.get("type", "item_reference"): True}
    body = encode_request(request).body
    assert body["input"][1] == item
    assert item.get("type", "item_reference") not in body


def test_calls_of_openais_own_tools_go_back_as_they_are():
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q"},
    }
    output = {"type": "shell_call_output", "call_id": "c", "output": []}
    request = decode_request(input=[search, output])
    assert [turn.role for turn in request.turns] == [Role.ASSISTANT, Role.USER]
    assert encode(request)["input"] == [search, output]


def test_a_generated_image_in_the_history_is_an_image():
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PNG}
    assert decode_request(input=[item]).turns == (assistant(Media(kind="image", mime="image/png", data=PNG)),)


def test_tools_added_in_the_middle_are_tools():
    item = {"type": "additional_tools", "role": "developer", "tools": [{"type": "function", "name": "g"}]}
    request = decode_request(
        tools=[{"type": "function", "name": "f"}], input=[item, {"role": "user", "content": "x"}]
    )
    assert [tool.name for tool in request.tools] == ["f", "g"]


def test_cache_breakpoints_survive():
    mark = {"mode": "explicit"}
    content = [{"type": "input_text", "text": "x", "prompt_cache_breakpoint": mark}]
    request = decode_request(input=[{"role": "user", "content": content}])
    assert request.turns[0].parts[0].cache == CacheMark()
    encoded = encode_request(request)
    assert encoded.body["input"][0]["content"] == content
    assert encoded.dropped == ()
