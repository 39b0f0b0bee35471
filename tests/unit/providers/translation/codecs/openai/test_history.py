"""Turns and instructions, written as ``messages[]``."""

from __future__ import annotations

import pytest

from providers.translation.codec import Capabilities, Untranslatable
from providers.translation.codecs.openai.codec import CODEC
from providers.translation.model import (
    CacheMark,
    Instruction,
    Media,
    Part,
    Reasoning,
    RefusalText,
    Request,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
)
from providers.values import Format

IMAGE = Media(kind="image", mime="image/png", data="AAAA")


def user(*parts: Part) -> Turn:
    return Turn(role=Role.USER, parts=parts)


def assistant(*parts: Part) -> Turn:
    return Turn(role=Role.ASSISTANT, parts=parts)


def call(name: str) -> ToolCall:
    return ToolCall(id=name, name=f"tool_{name}")


def result(name: str, *parts: Part, **fields) -> ToolResult:
    return ToolResult(call_id=name, parts=parts, **fields)


def write(*turns: Turn, instructions=(), **capabilities):
    request = Request(model="m", turns=turns, instructions=instructions)
    return CODEC.encode_request(request, "up", Capabilities(**capabilities))


def messages(*turns: Turn, **options):
    return write(*turns, **options).body["messages"]


def outline(*turns: Turn, **options) -> list[str]:
    return [message["role"] for message in messages(*turns, **options)]


def test_calls_without_arguments_get_an_empty_object():
    (message,) = messages(assistant(call("a")))
    assert message == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "tool_a", "arguments": "{}"}}],
    }


def test_media_in_results_move_behind_the_last_tool_message_of_the_batch():
    found = messages(
        assistant(call("a"), call("b")),
        user(result("a", Text(text="see"), IMAGE), result("b", Text(text="two")), Text(text="Next")),
    )
    assert [message["role"] for message in found] == ["assistant", "tool", "tool", "user"]
    assert found[1]["content"].startswith("see\n")
    assert found[2]["content"] == "two"
    kinds = [part["type"] for part in found[3]["content"]]
    assert kinds == ["text", "image_url", "text"]
    assert "a" in found[3]["content"][0]["text"]


def test_media_in_the_last_result_still_arrive():
    found = messages(assistant(call("a")), user(result("a", IMAGE)))
    assert [message["role"] for message in found] == ["assistant", "tool", "user"]


def test_results_in_several_turns_stay_behind_their_calls():
    found = messages(
        assistant(call("a"), call("b")),
        user(result("a", IMAGE), Text(text="note")),
        user(result("b", Text(text="two"))),
    )
    assert [message["role"] for message in found] == ["assistant", "tool", "tool", "user"]


def test_results_go_before_texts_that_stood_before_them():
    found = messages(assistant(call("a")), user(Text(text="first"), result("a", Text(text="1"))))
    assert [message["role"] for message in found] == ["assistant", "tool", "user"]


def test_the_last_of_two_results_for_one_call_counts_and_the_first_is_named():
    encoded = write(assistant(call("a")), user(result("a", Text(text="1")), result("a", Text(text="2"))))
    assert [message.get("content") for message in encoded.body["messages"]] == [None, "2"]
    assert encoded.dropped == ("messages[1].tool_result",)


def test_a_result_without_its_call_becomes_text_of_the_user():
    (message,) = messages(user(result("ghost", Text(text="42"))))
    assert message["role"] == "user"
    assert "ghost" in message["content"]
    assert "42" in message["content"]


def test_a_structured_result_is_json_text_and_an_empty_one_an_empty_string():
    found = messages(
        assistant(call("a"), call("b")), user(result("a", value={"n": 2**60, "é": 1}), result("b"))
    )
    assert [message["content"] for message in found[1:]] == ['{"n":1152921504606846976,"é":1}', ""]


def test_an_assistant_turn_split_around_calls_becomes_one_message():
    found = messages(
        assistant(call("a")), assistant(Text(text="b")), assistant(call("c")), user(result("a"), result("c"))
    )
    assert [message["role"] for message in found] == ["assistant", "tool", "tool"]
    assert found[0]["content"] == "b"
    assert [item["id"] for item in found[0]["tool_calls"]] == ["a", "c"]


def test_instructions_keep_their_place_but_never_split_a_batch():
    def at(position):
        return Instruction(parts=(Text(text="i"),), position=position)

    turns = (user(Text(text="u")), assistant(call("a")), user(result("a")), user(Text(text="v")))
    assert outline(*turns, instructions=(at(None), at(1), at(3), at(4))) == [
        "system", "user", "system", "assistant", "tool", "system", "user", "system",
    ]  # fmt: skip
    assert outline(*turns, instructions=(at(2),)) == ["user", "assistant", "tool", "system", "user"]
    split = (assistant(call("a")), assistant(Text(text="b")), user(result("a")))
    assert outline(*split, instructions=(at(1),)) == ["assistant", "tool", "system"]


def test_several_instruction_parts_join_to_one_string():
    instruction = Instruction(parts=(Text(text="a"), Text(text="b")))
    assert messages(user(Text(text="u")), instructions=(instruction,))[0]["content"] == "a\nb"


def test_thoughts_go_back_only_where_the_vendor_wants_them():
    turn = assistant(Reasoning(text="hmm", signature=Signature("s", Format.CLAUDE)), Text(text="hi"))
    encoded = write(turn)
    assert "reasoning_content" not in encoded.body["messages"][0]
    assert encoded.dropped == ("messages[0].reasoning",)
    assert messages(turn, reasoning_in_history=True)[0]["reasoning_content"] == "hmm"


def test_a_google_signature_goes_back_only_to_googles_shim():
    signed = ToolCall(id="a", name="f", signature=Signature("c2ln", Format.GEMINI))
    assert "extra_content" not in messages(assistant(signed))[0]["tool_calls"][0]
    shim = messages(assistant(signed), signatures_required=True)[0]["tool_calls"][0]
    assert shim["extra_content"] == {"google": {"thought_signature": "c2ln"}}
    foreign = ToolCall(id="a", name="f", signature=Signature("c2ln", Format.CLAUDE))
    assert "extra_content" not in messages(assistant(foreign), signatures_required=True)[0]["tool_calls"][0]


def test_media_of_the_assistant_move_to_the_next_user_message():
    found = messages(assistant(Text(text="here"), IMAGE), user(Text(text="nice")))
    assert [message["role"] for message in found] == ["assistant", "user"]
    assert [part["type"] for part in found[1]["content"]] == ["image_url", "text"]


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        (IMAGE, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}),
        (
            Media(kind="image", url="https://x.example", detail="original"),
            {"type": "image_url", "image_url": {"url": "https://x.example", "detail": "high"}},
        ),
        (
            Media(kind="audio", mime="audio/mpeg", data="AA"),
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}},
        ),
        (
            Media(kind="document", mime="application/pdf", data="AA", title="T"),
            {"type": "file", "file": {"filename": "T.pdf", "file_data": "data:application/pdf;base64,AA"}},
        ),
        (
            Media(kind="document", mime="application/pdf", data="AA"),
            {
                "type": "file",
                "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,AA"},
            },
        ),
    ],
)
def test_media_are_written(media, expected):
    assert messages(user(media))[0]["content"] == [expected]


def test_a_plain_text_document_becomes_text():
    assert messages(user(Media(kind="document", text="body", title="T")))[0]["content"] == "T\n\nbody"


def test_an_inline_document_of_a_textual_type_becomes_text_too():
    notes = Media(kind="document", mime="text/csv", data="YSxiCg==", filename="n.csv")
    assert messages(user(notes))[0]["content"] == "n.csv\n\na,b\n"


@pytest.mark.parametrize(
    ("turns", "content"),
    [
        ([assistant(Text(text="The sky "), Text(text="is blue."))], "The sky is blue."),
        (
            [assistant(Text(text="Let me see."), call("a"), Text(text="And again."))],
            "Let me see.\n\nAnd again.",
        ),
        ([assistant(Text(text="One."), call("a")), assistant(Text(text="Two."))], "One.\n\nTwo."),
        ([assistant(call("a"), Text(text=""), Text(text="Two."))], "Two."),
    ],
    ids=["pieces of one text", "parted by a call", "of two turns", "after a call alone"],
)
def test_texts_of_an_assistant_message_run_together_only_where_nothing_stood_between(turns, content):
    (message,) = messages(*turns)
    assert message["content"] == content


@pytest.mark.parametrize(
    "media",
    [
        Media(kind="video", mime="video/mp4", data="AA"),
        Media(kind="audio", mime="audio/flac", data="AA"),
        Media(kind="audio", url="https://x.example/a.wav"),
        Media(kind="document", url="https://x.example/a.pdf"),
        Media(kind="image", file_id="file-1"),
    ],
)
def test_media_that_chat_completions_cannot_carry_are_refused(media):
    with pytest.raises(Untranslatable) as caught:
        messages(user(media))
    assert caught.value.param == "messages[0]"


def test_what_has_no_form_is_dropped_and_named():
    foreign = Unknown(raw={"type": "server_tool_use"}, format=Format.CLAUDE)
    encoded = write(user(Text(text="a", cache=CacheMark()), foreign))
    assert encoded.dropped == ("messages.cache_control", "messages[0].server_tool_use")


def test_an_over_long_call_id_is_shortened_alike_in_call_and_result():
    long = "c" * 100
    found = messages(assistant(ToolCall(id=long, name="f")), user(ToolResult(call_id=long)))
    assert found[0]["tool_calls"][0]["id"] == found[1]["tool_call_id"]
    assert len(found[1]["tool_call_id"]) <= 64


def test_parts_with_openais_own_fields_stay_parts():
    mark = {Format.OPENAI: {"prompt_cache_breakpoint": {"mode": "explicit"}}}
    marked = Text(text="a", cache=CacheMark(), ext=mark)
    found = messages(user(marked), instructions=(Instruction(parts=(marked,)),))
    expected = [{"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}]
    assert [message["content"] for message in found] == [expected, expected]


def test_marks_flags_and_citations_without_a_place_are_named():
    encoded = write(
        assistant(Text(text="a", citations=({"url": "u"},)), ToolCall(id="a", name="f", cache=CacheMark())),
        user(result("a", Text(text="x"), is_error=True, cache=CacheMark())),
        instructions=(Instruction(parts=(Text(text="i", cache=CacheMark()),)),),
    )
    assert set(encoded.dropped) == {
        "messages.cache_control",
        "messages[0].citations",
        "messages[1].is_error",
    }


def test_a_refusal_of_another_author_is_text_and_own_unknown_parts_stay():
    own = Unknown(raw={"type": "new_part", "x": 1}, format=Format.OPENAI)
    (message,) = messages(user(RefusalText(text="No"), own))
    assert message["content"] == [{"type": "text", "text": "No"}, {"type": "new_part", "x": 1}]


def test_names_and_files_by_id_are_written():
    turn = Turn(role=Role.ASSISTANT, parts=(Text(text="a"),), name="bot")
    file = Media(kind="document", file_id="file-1", filename="a.pdf")
    found = messages(turn, user(file))
    assert found[0]["name"] == "bot"
    assert found[1]["content"] == [{"type": "file", "file": {"file_id": "file-1", "filename": "a.pdf"}}]
