from __future__ import annotations

from providers.translation.model import (
    CacheMark,
    Instruction,
    Media,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
)
from providers.values import Format
from tests.unit.providers.translation.codecs.responses.wire import (
    assistant,
    decode_request,
    encode_request,
    make_request,
    user,
)


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
