from __future__ import annotations

from providers.translation.model import (
    CacheMark,
    Instruction,
    Media,
    Reasoning,
    Signature,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
)
from providers.values import Format
from tests.unit.providers.translation.codecs.responses.wire import (
    PNG,
    assistant,
    decode_request,
    encode,
    encode_request,
    make_request,
    user,
)

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
OWN = Format.RESPONSES


def test_what_has_no_place_in_the_history_is_named():
    foreign = {Format.CLAUDE: {"context": "c"}}
    turns = (
        Turn(
            role=user().role,
            parts=(Text(text="Hi", cache=CacheMark(), ext=foreign),),
            name="Ada",
            ext=foreign,
        ),
        assistant(
            Unknown(raw={"type": "server_tool_use"}, format=Format.CLAUDE),
            Unknown(raw={}, format=Format.GEMINI),
            Text(text="x", citations=({"title": "no url"},)),
        ),
        user(Reasoning(text="misplaced")),
    )
    note = Instruction(parts=(Text(text="i", cache=CacheMark()), Text(text="")), ext=foreign)
    assert encode_request(make_request(*turns, instructions=(note,))).dropped == (
        "instructions[0].context",
        "cache_control",
        "messages[0].name",
        "messages[0].context",
        "messages[1].server_tool_use",
        "messages[1].part",
        "messages[1].citations",
        "messages[2].reasoning",
    )


def test_a_picture_that_the_assistant_named_by_url_is_shown_by_the_user():
    turns = (user("x"), assistant("See", Media(kind="image", url="https://a/b.png", detail="low"), "there"))
    items = encode_request(make_request(*turns)).body["input"]
    assert [item["role"] for item in items] == ["user", "assistant", "user", "assistant"]
    assert items[2]["content"] == [{"type": "input_image", "image_url": "https://a/b.png", "detail": "low"}]


def test_a_result_names_what_it_could_not_hold():
    result = ToolResult(call_id="c", parts=(Reasoning(text="?"), Text(text="a"), Text(text="b")))
    encoded = encode_request(make_request(assistant(ToolCall(id="c", name="f")), user(result)))
    assert encoded.body["input"][1]["output"] == [
        {"type": "input_text", "text": "a"},
        {"type": "input_text", "text": "b"},
    ]
    assert encoded.dropped == ("messages[1].reasoning",)


def test_pictures_of_a_result_without_its_call_stay():
    image = Media(kind="image", file_id="file_1", detail="auto")
    items = encode_request(make_request(user(ToolResult(call_id="c", parts=(image,)), "and"))).body["input"]
    assert [block["type"] for block in items[0]["content"]] == ["input_image", "input_text"]


def test_an_instruction_after_the_last_turn_comes_last_and_ends_a_message():
    note = Instruction(parts=(Text(text="Now."),), position=9)
    items = encode_request(make_request(user("Hi"), instructions=(note,))).body["input"]
    assert [item["role"] for item in items] == ["user", "system"]


def test_reasoning_that_openai_keeps_is_named_by_its_id():
    item = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]}
    assert encode_request(decode_request(input=[item], store=True)).body["input"] == [item]


def test_the_assistants_history_is_output_text_in_a_message_with_an_id():
    body = encode(make_request(user("Hi"), assistant("Hello"), user("Go")))
    said = body["input"][1]
    assert said["content"] == [{"type": "output_text", "text": "Hello", "annotations": []}]
    assert said["id"].startswith("msg_")
    assert encode(make_request(user("Hi"), assistant("Hello"), user("Go"))) == body


def test_phases_of_messages_stay_apart():
    items = [
        {
            "type": "message",
            "role": "assistant",
            "phase": phase,
            "content": [{"type": "output_text", "text": phase}],
        }
        for phase in ("commentary", "final_answer")
    ]
    body = encode(decode_request(input=items))
    assert [item["phase"] for item in body["input"]] == ["commentary", "final_answer"]


def test_reasoning_goes_back_to_its_issuer_only():
    turns = (
        user("Hi"),
        assistant(
            Reasoning(text="a", signature=Signature("c2ln", Format.CLAUDE)),
            Reasoning(text="b"),
            Reasoning(redacted=Signature("aGlkZQ", Format.CLAUDE)),
            Reasoning(text="c", is_summary=True, signature=Signature("gAAA", OWN)),
            ToolCall(id="c", name="f", arguments="", signature=Signature("Z2Vt", Format.GEMINI)),
        ),
        user(ToolResult(call_id="c", parts=(Text(text="1"),))),
    )
    encoded = encode_request(make_request(*turns))
    items = [item for item in encoded.body["input"] if item["type"] == "reasoning"]
    assert items == [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "c"}], "encrypted_content": "gAAA"}
    ]
    assert "c2ln" not in str(encoded.body)
    assert encoded.dropped == ("messages[1].reasoning", "messages[1].signature")


def test_ids_that_this_gateway_made_up_do_not_go_up():
    items = [
        {"type": "reasoning", "id": "rs_cliproxy_5eed_0", "summary": [], "encrypted_content": "gAAA"},
        {"type": "function_call", "id": "fc_cliproxy_5eed_1", "call_id": "c", "name": "f", "arguments": "{}"},
    ]
    body = encode(decode_request(input=items))
    assert not any("id" in item for item in body["input"])


def test_a_result_without_its_call_becomes_text_unless_openai_may_have_the_call():
    result = ToolResult(call_id="c", name="f", parts=(Text(text="42"),))
    said = encode(make_request(user(result)))["input"][0]
    assert said["content"] == [{"type": "input_text", "text": "Result of tool call f: 42"}]
    stored = decode_request(
        previous_response_id="resp_1",
        input=[{"type": "function_call_output", "call_id": "c", "output": "42"}],
    )
    assert encode(stored)["input"][0]["type"] == "function_call_output"


def test_of_two_results_for_one_call_the_later_counts():
    results = [ToolResult(call_id="c", parts=(Text(text=text),)) for text in ("old", "new")]
    turns = (assistant(ToolCall(id="c", name="f")), user(results[0]), user(results[1]))
    outputs = [item["output"] for item in encode(make_request(*turns))["input"] if "output" in item]
    assert outputs == ["new"]


def test_results_of_other_shapes_become_text():
    turns = (
        assistant(ToolCall(id="a", name="f"), ToolCall(id="b", name="g")),
        user(ToolResult(call_id="a", value={"n": 1}, is_error=True), ToolResult(call_id="b")),
    )
    encoded = encode_request(make_request(*turns))
    assert [item["output"] for item in encoded.body["input"][2:]] == ['{"n":1}', ""]
    assert encoded.dropped == ("messages[1].is_error",)


def test_roles_of_instructions_are_kept_where_the_model_knows_them():
    request = make_request(instructions=(Instruction(parts=(Text(text="x"),), role="developer"),))
    assert encode(request)["input"][0]["role"] == "developer"
    assert encode(request, developer_role=False)["input"][0]["role"] == "system"


def test_files_without_a_name_get_one_and_text_documents_become_text():
    parts = (
        Media(kind="document", mime="application/pdf", data="JVBERg=="),
        Media(kind="document", url="https://a/b.pdf"),
        Media(kind="document", file_id="file_1"),
        Media(kind="document", text="Once.", title="Tale"),
        Media(kind="image", file_id="file_2"),
    )
    assert encode(make_request(user(*parts)))["input"][0]["content"] == [
        {
            "type": "input_file",
            "filename": "document.pdf",
            "file_data": "data:application/pdf;base64,JVBERg==",
        },
        {"type": "input_file", "file_url": "https://a/b.pdf"},
        {"type": "input_file", "file_id": "file_1"},
        {"type": "input_text", "text": "Tale\n\nOnce."},
        {"type": "input_image", "file_id": "file_2", "detail": "auto"},
    ]


def test_an_image_of_the_assistant_is_a_generated_one():
    body = encode(make_request(user("x"), assistant(Media(kind="image", mime="image/png", data=PNG))))
    assert body["input"][1]["result"] == PNG
