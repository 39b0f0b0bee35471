"""What a Gemini client sends, conversation first."""

import pytest

from providers.translation.codec import MalformedRequest
from providers.translation.codecs.gemini.codec import CODEC
from providers.translation.codecs.gemini.signatures import to_client
from providers.translation.model import (
    Instruction,
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

HI = {"role": "user", "parts": [{"text": "Hi"}]}
GOOGLES = Signature("c2ln", Format.GEMINI)


def decode(*contents, **fields):
    return CODEC.decode_request({"model": "m", "stream": False, "contents": list(contents), **fields})


def parts(*given, role="user"):
    (turn,) = decode({"role": role, "parts": list(given)}).turns
    return list(turn.parts)


def test_model_and_stream_come_from_the_caller():
    request = CODEC.decode_request({"model": "gemini-x", "stream": True, "contents": [HI]})
    assert (request.model, request.stream, request.include_usage) == ("gemini-x", True, True)


@pytest.mark.parametrize(
    "contents", ["Hi", HI, [{"parts": {"text": "Hi"}}], [{"role": "", "parts": [{"text": "Hi"}]}]]
)
def test_short_forms_of_contents_are_read(contents):
    (turn,) = CODEC.decode_request({"contents": contents}).turns
    assert (turn.role, turn.parts) == (Role.USER, (Text(text="Hi"),))


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ({"parts": [{"text": "a"}, {"text": ""}, {"text": "b"}]}, (Text(text="a"), Text(text="b"))),
        ({"role": "system", "parts": [{"text": "a"}]}, (Text(text="a"),)),
        ({"text": "a"}, (Text(text="a"),)),
        ("a", (Text(text="a"),)),
    ],
)
@pytest.mark.parametrize("name", ["systemInstruction", "system_instruction"])
def test_a_system_instruction_is_text(raw, wanted, name):
    assert decode(HI, **{name: raw}).instructions == (Instruction(parts=wanted),)


@pytest.mark.parametrize("raw", ["", None, {"parts": []}])
def test_an_empty_system_instruction_is_none(raw):
    assert decode(HI, systemInstruction=raw).instructions == ()


def test_media_come_inline_or_by_address_in_either_spelling():
    assert parts(
        {
            "inlineData": {"mimeType": "image/jpg", "data": "_-8"},
            "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"},
        },
        {"inline_data": {"mime_type": "application/pdf", "data": "AAAA", "display_name": "a.pdf"}},
        {"fileData": {"fileUri": "gs://b/x", "mimeType": "video/mp4"}, "videoMetadata": {"fps": 1}},
        {"file_data": {"file_uri": "https://a.example/x.wav"}},
    ) == [
        Media(kind="image", mime="image/jpeg", data="/+8=", detail="low"),
        Media(kind="document", mime="application/pdf", data="AAAA", filename="a.pdf"),
        Media(
            kind="video", mime="video/mp4", url="gs://b/x", ext={Format.GEMINI: {"videoMetadata": {"fps": 1}}}
        ),
        Media(kind="audio", mime="audio/wav", url="https://a.example/x.wav"),
    ]


def test_a_resolution_without_a_neutral_word_is_kept_raw():
    (image,) = parts(
        {
            "inlineData": {"mimeType": "image/png", "data": "AAAA"},
            "mediaResolution": {"level": "MEDIA_RESOLUTION_ULTRA_HIGH"},
        }
    )
    assert image.detail is None
    assert image.ext[Format.GEMINI]["mediaResolution"] == {"level": "MEDIA_RESOLUTION_ULTRA_HIGH"}


def test_thoughts_and_signatures_are_kept_where_they_are():
    claudes = Signature("abc", Format.CLAUDE)
    assert parts(
        {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "", "thought": True, "thoughtSignature": to_client(claudes)},
        {"text": "", "thought": True, "thought_signature": to_client(claudes, redacted=True)},
        {"text": "", "thought": True},
        {"text": "a", "thoughtSignature": "c2ln"},
        {"text": ""},
        {},
        {"functionCall": {"name": "f"}, "thoughtSignature": "c2ln"},
        {"executableCode": {"code": "1"}},
        role="model",
    ) == [
        Reasoning(text="hm", signature=GOOGLES),
        Reasoning(signature=claudes),
        Reasoning(redacted=claudes),
        Text(text="a", signature=GOOGLES),
        ToolCall(id="call_0_7", name="f", arguments="{}", signature=GOOGLES),
        Unknown(raw={"executableCode": {"code": "1"}}, format=Format.GEMINI),
    ]


def test_calls_without_ids_are_paired_by_name_and_order():
    request = decode(
        HI,
        {
            "role": "model",
            "parts": [
                {"functionCall": {"name": "f", "args": {"n": 1}}},
                {"functionCall": {"name": "g"}},
                {"functionCall": {"name": "f", "args": {"n": 2}}},
            ],
        },
        {
            "role": "function",
            "parts": [
                {"functionResponse": {"name": "f", "response": {"output": "one"}}},
                {"functionResponse": {"name": "f", "response": {"output": "two"}}},
                {"functionResponse": {"name": "g", "response": {"output": "three"}}},
            ],
        },
        {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
        {"parts": [{"text": "well"}, {"functionResponse": {"name": "f", "response": {"output": "four"}}}]},
    )
    calls = [part.id for turn in request.turns for part in turn.parts if isinstance(part, ToolCall)]
    assert calls == ["call_1_0", "call_1_1", "call_1_2", "call_3_0"]
    results = {
        part.call_id: part for turn in request.turns for part in turn.parts if isinstance(part, ToolResult)
    }
    assert {key: getattr(value.parts[0], "text", None) for key, value in results.items()} == {
        "call_1_0": "one",
        "call_1_2": "two",
        "call_1_1": "three",
        "call_3_0": "four",
    }
    assert [type(part) for part in request.turns[4].parts] == [ToolResult, Text]


def test_ids_win_over_order():
    request = decode(
        {"role": "model", "parts": [{"functionCall": {"id": i, "name": "f"}} for i in ("a", "b", "a")]},
        {
            "parts": [
                {"functionResponse": {"id": "b", "response": {}}},
                {"functionResponse": {"id": "a", "name": "f", "response": {}}},
                {"functionResponse": {"name": "f", "response": {}}},
                {"functionResponse": {"id": "lost", "name": "h", "response": {}}},
                {"functionResponse": {"name": "h", "response": {}}},
            ]
        },
    )
    assert [part.id for part in request.turns[0].parts] == ["a", "b", "a_2"]
    assert [(part.call_id, part.name) for part in request.turns[1].parts] == [
        ("b", "f"),
        ("a", "f"),
        ("a_2", "f"),
        ("lost", "h"),
        ("call_1_4", "h"),
    ]


@pytest.mark.parametrize(
    ("response", "wanted"),
    [
        ({"output": "blue"}, {"parts": (Text(text="blue"),)}),
        ({"output": ""}, {}),
        ({}, {}),
        (None, {}),
        ("blue", {"parts": (Text(text="blue"),)}),
        ([1], {"parts": (Text(text="[1]"),)}),
        ({"error": "bad"}, {"parts": (Text(text="bad"),), "is_error": True}),
        ({"error": {"code": 1}}, {"value": {"error": {"code": 1}}, "is_error": True}),
        ({"result": "x"}, {"value": {"result": "x"}}),
        ({"output": [1]}, {"value": {"output": [1]}}),
        ({"output": "a", "more": 1}, {"value": {"output": "a", "more": 1}}),
    ],
)
def test_a_result_is_read_by_the_documented_keys(response, wanted):
    (part,) = parts({"functionResponse": {"id": "c1", "name": "f", "response": response}})
    assert part == ToolResult(call_id="c1", name="f", **wanted)


def test_media_inside_a_result_are_parts_of_it():
    image = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    file = {"fileData": {"fileUri": "gs://b/x.png", "mimeType": "image/png"}}
    (part,) = parts({"functionResponse": {"name": "f", "response": {"a": 1}, "parts": [image, file]}})
    assert part.parts == (
        Text(text='{"a":1}'),
        Media(kind="image", mime="image/png", data="AAAA"),
        Media(kind="image", mime="image/png", url="gs://b/x.png"),
    )
    assert part.value is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ([], None),
        ({}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": 3}, "contents"),
        ({"contents": [3]}, "contents[0]"),
        ({"contents": [HI], "model": 3}, "model"),
        ({"contents": [{"role": "bot", "parts": []}]}, "contents[0].role"),
        ({"contents": [HI, {"parts": "x"}]}, "contents[1].parts"),
        ({"contents": [{"parts": [{"text": 3}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"parts": [{"inlineData": {}}]}]}, "contents[0].parts[0].inlineData.data"),
        ({"contents": [{"parts": [{"inlineData": {"data": "!"}}]}]}, "contents[0].parts[0].inlineData.data"),
        ({"contents": [{"parts": [{"fileData": {}}]}]}, "contents[0].parts[0].fileData.fileUri"),
        ({"contents": [{"parts": [{"functionCall": {}}]}]}, "contents[0].parts[0].functionCall.name"),
        (
            {"contents": [{"parts": [{"functionCall": {"name": "f", "args": []}}]}]},
            "contents[0].parts[0].functionCall.args",
        ),
        ({"contents": [{"parts": [{"functionResponse": {}}]}]}, "contents[0].parts[0].functionResponse.name"),
        (
            {"contents": [{"parts": [{"functionResponse": {"name": "f", "parts": [{"text": "x"}]}}]}]},
            "contents[0].parts[0].functionResponse.parts[0]",
        ),
        (
            {"contents": [HI], "systemInstruction": {"parts": [{"inlineData": {}}]}},
            "systemInstruction.parts[0].text",
        ),
        (
            {"contents": [HI], "tools": [{"functionDeclarations": [{}]}]},
            "tools[0].functionDeclarations[0].name",
        ),
        (
            {"contents": [HI], "toolConfig": {"functionCallingConfig": {"mode": "MUST"}}},
            "toolConfig.functionCallingConfig.mode",
        ),
        ({"contents": [HI], "generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        ({"contents": [HI], "generationConfig": {"stopSequences": "x"}}, "generationConfig.stopSequences"),
        (
            {"contents": [HI], "generationConfig": {"thinkingConfig": {"thinkingBudget": "much"}}},
            "generationConfig.thinkingConfig.thinkingBudget",
        ),
    ],
)
def test_a_malformed_request_names_the_field(body, param):
    with pytest.raises(MalformedRequest) as caught:
        CODEC.decode_request(body)
    assert caught.value.param == param
    assert caught.value.client_status == 400
