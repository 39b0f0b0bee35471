import base64

import pytest

from providers.translation.codec import Capabilities, Untranslatable
from providers.translation.codecs.claude.codec import CODEC
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
    Unknown,
)
from providers.values import Format

from .wire import assistant, make_request, user

DEFAULT = Capabilities()
OTHER = Format.OPENAI


def encode(request, capabilities=DEFAULT):
    return CODEC.encode_request(request, "claude-x", capabilities)


def messages(*turns, capabilities=DEFAULT, **fields):
    return encode(make_request(*turns, **fields), capabilities).body["messages"]


def text(value):
    return {"type": "text", "text": value}


def instruction(*texts, position=None, **fields):
    return Instruction(parts=tuple(Text(text=t) for t in texts), position=position, **fields)


def blocks(part):
    """The blocks of ``part`` behind a first word."""
    return messages(user("hi", part))[0]["content"][1:]


def test_head_instructions_are_one_system_block_per_text():
    request = make_request(
        instructions=(instruction("a", "b"), instruction("c", role="developer"), instruction("  "))
    )
    assert encode(request).body["system"] == [text("a"), text("b"), text("c")]


def test_instructions_in_the_middle_move_to_the_end_of_system():
    request = make_request(
        user("1"),
        assistant("2"),
        user("3"),
        instructions=(instruction("mid", position=1), instruction("head")),
    )
    encoded = encode(request)
    assert encoded.body["system"] == [text("head"), text("mid")]
    assert [message["role"] for message in encoded.body["messages"]] == ["user", "assistant", "user"]
    assert encoded.headers == {}


def test_a_model_that_takes_them_gets_instructions_in_place_after_a_user_turn():
    request = make_request(
        user("1"),
        assistant("2"),
        user("3"),
        instructions=tuple(instruction(f"at {n}", position=n) for n in (1, 2, 3)),
    )
    encoded = encode(request, Capabilities(mid_system=True))
    assert [message["role"] for message in encoded.body["messages"]] == [
        "user",
        "system",
        "assistant",
        "user",
        "system",
    ]
    assert encoded.body["system"] == [text("at 2")]
    assert encoded.headers["anthropic-beta"] == "mid-conversation-system-2026-04-07"


def test_the_first_message_is_the_users():
    assert [message["role"] for message in messages(assistant("hello"), user("hi"))] == [
        "user",
        "assistant",
        "user",
    ]
    only_instructions = encode(make_request(Turn(role=Role.USER, parts=()), instructions=(instruction("x"),)))
    assert only_instructions.body["messages"] == [{"role": "user", "content": [text("...")]}]


def test_an_image_of_the_assistant_stands_in_the_next_user_message():
    image = Media(kind="image", mime="image/png", data="AAAA")
    call = ToolCall(id="c", name="f")
    sent = messages(user("q"), assistant("see", image, call), user(ToolResult(call_id="c"), "and?"))
    assert [[block["type"] for block in message["content"]] for message in sent] == [
        ["text"],
        ["text", "tool_use"],
        ["tool_result", "image", "text"],
    ]
    assert messages(user("q"), assistant(image))[-1]["content"][-1]["type"] == "image"
    assert [message["role"] for message in messages(user("q"), assistant(image))] == ["user"]


def test_turns_of_one_role_merge_in_order_and_empty_texts_vanish():
    found = messages(user("a", ""), user(" "), user("b"), assistant("", "\n"), user("c"))
    assert found == [{"role": "user", "content": [text("a"), text("b"), text("c")]}]


def test_a_prefill_loses_the_white_space_at_its_end():
    assert messages(user("hi"), assistant("So: \n"))[-1]["content"] == [text("So:")]


def test_results_stand_first_and_answer_the_calls_before_them():
    calls = [ToolCall(id="a", name="f", arguments='{"x":1}'), ToolCall(id="functions.f:1", name="f")]
    found = messages(
        user("go"),
        assistant("ok", *calls),
        user("look", ToolResult(call_id="functions.f:1", parts=(Text(text="two"),))),
        user(ToolResult(call_id="a", parts=(Text(text="one"),), is_error=True)),
    )
    ids = [block["id"] for block in found[1]["content"][1:]]
    assert ids[0] == "a"
    assert found[1]["content"][1]["input"] == {"x": 1}
    assert found[2]["content"] == [
        {"type": "tool_result", "tool_use_id": ids[1], "content": "two"},
        {"type": "tool_result", "tool_use_id": "a", "content": "one", "is_error": True},
        text("look"),
    ]


def test_of_two_results_for_one_call_the_later_stands():
    results = [ToolResult(call_id="a", parts=(Text(text=t),)) for t in ("old", "new")]
    found = messages(user("go"), assistant(ToolCall(id="a", name="f")), user(*results))
    assert [block["content"] for block in found[2]["content"]] == ["new"]


def test_a_result_without_its_call_becomes_text():
    found = messages(user("go", ToolResult(call_id="gone", name="f", parts=(Text(text="42"),))))
    assert found[0]["content"] == [text("go"), text("Result of an earlier call to f:"), text("42")]


ARGUMENTS = {
    "": {},
    "  ": {},
    "null": {},
    '{"b":1,"a":123456789012345678901234567890}': {"b": 1, "a": 123456789012345678901234567890},
    "[1]": {"input": [1]},
    '"x"': {"input": "x"},
    "{broken": {"input": "{broken"},
}


@pytest.mark.parametrize(("arguments", "value"), ARGUMENTS.items())
def test_arguments_become_an_object_and_are_never_lost(arguments, value):
    found = messages(user("go"), assistant(ToolCall(id="a", name="f", arguments=arguments)))
    assert found[1]["content"][0]["input"] == value


RESULTS = {
    "nothing": (ToolResult(call_id="a"), None),
    "an object": (ToolResult(call_id="a", value={"b": 1}), '{"b":1}'),
    "a string": (ToolResult(call_id="a", value="x"), "x"),
    "an empty text": (ToolResult(call_id="a", parts=(Text(text=""),)), None),
    "an image": (
        ToolResult(call_id="a", parts=(Text(text="see"), Media(kind="image", url="https://a.example/i"))),
        [text("see"), {"type": "image", "source": {"type": "url", "url": "https://a.example/i"}}],
    ),
}


@pytest.mark.parametrize(("result", "content"), RESULTS.values(), ids=RESULTS.keys())
def test_results_hold_text_blocks_or_nothing(result, content):
    found = messages(user("go"), assistant(ToolCall(id="a", name="f")), user(result))
    assert found[2]["content"][0].get("content") == content


PDF = base64.b64encode(b"%PDF-1.7").decode()
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
NOTE = base64.b64encode("Grüße".encode()).decode()

MEDIA = {
    "image as base64": (
        Media(kind="image", mime="image/jpg", data="AAAA", detail="high"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}},
    ),
    "image without a type": (
        Media(kind="image", data=PNG),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
    ),
    "image by url": (
        Media(kind="image", url="https://a.example/i"),
        {"type": "image", "source": {"type": "url", "url": "https://a.example/i"}},
    ),
    "image by file": (
        Media(kind="image", file_id="file_1"),
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
    ),
    "pdf as base64": (
        Media(kind="document", mime="application/pdf", data=PDF, filename="a.pdf"),
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
            "title": "a.pdf",
        },
    ),
    "pdf by its first bytes": (
        Media(kind="document", data=PDF),
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
    ),
    "document by url": (
        Media(kind="document", url="https://a.example/d", title="D"),
        {"type": "document", "source": {"type": "url", "url": "https://a.example/d"}, "title": "D"},
    ),
    "document by file": (
        Media(kind="document", file_id="file_1"),
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
    ),
    "plain text": (
        Media(kind="document", text="note"),
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "note"}},
    ),
    "text as base64": (
        Media(kind="document", mime="text/markdown", data=NOTE),
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"}},
    ),
    "an image sent as a document": (
        Media(kind="document", mime="image/png", data=PNG),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
    ),
}


@pytest.mark.parametrize(("part", "block"), MEDIA.values(), ids=MEDIA.keys())
def test_images_and_documents_keep_their_source(part, block):
    assert blocks(part) == [block]


REFUSED = {
    "audio": Media(kind="audio", data="AAAA", audio_format="wav"),
    "video": Media(kind="video", url="https://a.example/v"),
    "bmp": Media(kind="image", mime="image/bmp", data="Qk0="),
    "svg": Media(kind="image", mime="image/svg+xml", data="PHN2Zz4="),
    "office": Media(kind="document", data="UEsDBA==", filename="a.docx"),
    "text that is not UTF-8": Media(kind="document", mime="text/plain", data="/w=="),
    "image without data": Media(kind="image", mime="image/png"),
}


@pytest.mark.parametrize("part", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("where", ["turn", "result"])
def test_content_that_cannot_be_carried_is_refused(part, where):
    turns = [user("a"), assistant(ToolCall(id="c", name="f"))]
    turns.append(user(part if where == "turn" else ToolResult(call_id="c", parts=(part,))))
    with pytest.raises(Untranslatable) as caught:
        messages(*turns)
    assert caught.value.client_status == 400
    assert caught.value.param == "messages[2]"


def test_only_reasoning_that_claude_signed_goes_back():
    own, foreign = Signature("EqQB", Format.CLAUDE), Signature("gAAA", Format.RESPONSES)
    request = make_request(
        user("q"),
        assistant(
            Reasoning(text="mine", signature=own),
            Reasoning(redacted=own),
            Reasoning(text="unsigned"),
            Reasoning(text="theirs", signature=foreign),
            Reasoning(redacted=foreign),
            "answer",
        ),
        user("next"),
    )
    encoded = encode(request)
    assert encoded.body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "mine", "signature": "EqQB"},
        {"type": "redacted_thinking", "data": "EqQB"},
        text("answer"),
    ]
    assert encoded.dropped == ("messages[1].reasoning",)


def test_a_refusal_in_history_is_text_and_foreign_parts_are_reported():
    encoded = encode(
        make_request(
            user("q"),
            assistant(RefusalText(text="No."), Unknown(raw={"type": "odd"}, format=OTHER)),
            Turn(role=Role.USER, parts=(Text(text="x", ext={OTHER: {"sparkle": 1}}),), name="ann"),
        )
    )
    assert encoded.body["messages"][1]["content"] == [text("No.")]
    assert encoded.dropped == ("messages[1].odd", "messages[2].name", "messages[2].sparkle")


def test_own_blocks_pass_untouched():
    raw = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"encrypted_content": "E"}]}
    found = messages(user("q"), assistant(Unknown(raw=raw, format=Format.CLAUDE)), user("x"))
    assert found[1]["content"] == [raw]


def test_invented_and_foreign_citations_are_not_replayed():
    invented = {"type": "web_search_result_location", "url": "https://a.example", "encrypted_index": ""}
    real = invented | {"encrypted_index": "Eo8B"}
    part = Text(text="x", ext={Format.CLAUDE: {"citations": [invented, real]}})
    assert blocks(part) == [text("x") | {"citations": [real]}]
    encoded = encode(make_request(user(Text(text="x", citations=({"url": "https://a.example"},)))))
    assert encoded.body["messages"][0]["content"] == [text("x")]
    assert encoded.dropped == ("messages[0].citations",)


def test_at_most_four_cache_marks_remain_and_long_ones_come_first():
    hour, short = CacheMark("1h"), CacheMark()
    marks = [hour, hour, short, hour, short, short]
    request = make_request(
        *(user(Text(text=str(n), cache=mark)) for n, mark in enumerate(marks)),
        instructions=(Instruction(parts=(Text(text="s", cache=hour),)),),
    )
    encoded = encode(request)
    controls = [block.get("cache_control") for block in encoded.body["messages"][0]["content"]]
    ephemeral = {"type": "ephemeral"}
    assert controls == [None, None, *[ephemeral] * 4]
    assert "cache_control" not in encoded.body["system"][0]
    assert encoded.dropped == ("cache_control",)


def test_marks_keep_their_time_to_live_and_never_stand_on_empty_text():
    request = make_request(
        user("q"),
        assistant(ToolCall(id="c", name="f", cache=CacheMark())),
        user(
            Text(text="", cache=CacheMark()),
            ToolResult(call_id="c", cache=CacheMark(), parts=(Text(text="a", cache=CacheMark()),)),
        ),
        instructions=(Instruction(parts=(Text(text="s", cache=CacheMark("1h")),)),),
    )
    body = encode(request).body
    assert body["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert body["messages"][1]["content"][0]["cache_control"] == {"type": "ephemeral"}
    (result,) = body["messages"][2]["content"]
    assert result["cache_control"] == result["content"][0]["cache_control"] == {"type": "ephemeral"}
