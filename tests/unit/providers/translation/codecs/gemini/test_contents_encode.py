"""The conversation as a Gemini upstream wants it."""

import base64

import pytest
from google.genai import types

from providers.translation.codec import Capabilities, Untranslatable
from providers.translation.codecs.gemini.codec import CODEC
from providers.translation.codecs.gemini.signatures import ESCAPE
from providers.translation.model import (
    CacheMark,
    Media,
    Reasoning,
    RefusalText,
    Signature,
    Text,
    ToolResult,
    Unknown,
)
from providers.values import Format
from tests.unit.providers.translation.codecs.gemini.made import (
    GEMINI_3,
    PLAIN,
    call,
    model,
    request,
    result,
    user,
)

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n rest").decode()
GOOGLES = Signature("c2ln", Format.GEMINI)
CLAUDES = Signature("c2ln", Format.CLAUDE)


def encode(*turns, can=PLAIN):
    encoded = CODEC.encode_request(request(*turns), "x", can)
    for content in encoded.body["contents"]:
        assert content["parts"]
        types.Content.model_validate(content)
    return encoded


def contents(*turns, can=PLAIN):
    return encode(*turns, can=can).body["contents"]


def parts(*given, can=PLAIN):
    (content,) = contents(user(*given), can=can)
    return content["parts"]


def test_roles_are_user_and_model():
    assert contents(user("a"), model("b"), user("c")) == [
        {"role": "user", "parts": [{"text": "a"}]},
        {"role": "model", "parts": [{"text": "b"}]},
        {"role": "user", "parts": [{"text": "c"}]},
    ]


def test_the_user_begins_even_when_the_history_does_not():
    assert [content["role"] for content in contents(model("b"), user("c"))] == ["user", "model", "user"]


def test_neighbours_of_one_role_become_one_content_and_nothing_is_empty():
    assert contents(user("a"), model(""), user("", "b")) == [
        {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}
    ]


@pytest.mark.parametrize(
    ("media", "part"),
    [
        (
            Media(kind="image", mime="image/webp", data="AAAA"),
            {"inlineData": {"mimeType": "image/webp", "data": "AAAA"}},
        ),
        (Media(kind="image", data=PNG), {"inlineData": {"mimeType": "image/png", "data": PNG}}),
        (Media(kind="image", data="AAAA"), {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
        (Media(kind="video", data="AAAA"), {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}}),
        (
            Media(kind="audio", audio_format="mp3", data="AAAA"),
            {"inlineData": {"mimeType": "audio/mp3", "data": "AAAA"}},
        ),
        (
            Media(kind="audio", audio_format="flac", data="AAAA"),
            {"inlineData": {"mimeType": "audio/flac", "data": "AAAA"}},
        ),
        (
            Media(kind="document", data="AAAA", filename="a.docx"),
            {
                "inlineData": {
                    "mimeType": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                    "data": "AAAA",
                }
            },
        ),
        (
            Media(kind="document", data="AAAA"),
            {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
        ),
        (Media(kind="document", text="hé"), {"inlineData": {"mimeType": "text/plain", "data": "aMOp"}}),
        (
            Media(kind="image", url="data:image/gif;base64,AAAA"),
            {"inlineData": {"mimeType": "image/gif", "data": "AAAA"}},
        ),
        (
            Media(kind="image", url="https://a.example/x.png?y"),
            {"fileData": {"fileUri": "https://a.example/x.png?y", "mimeType": "image/png"}},
        ),
        (
            Media(kind="document", url="gs://b/x.pdf"),
            {"fileData": {"fileUri": "gs://b/x.pdf", "mimeType": "application/pdf"}},
        ),
        (Media(kind="image", url="https://a.example/x"), {"fileData": {"fileUri": "https://a.example/x"}}),
        (Media(kind="document", file_id="files/abc"), {"fileData": {"fileUri": "files/abc"}}),
    ],
)
def test_media_are_inline_or_by_address(media, part):
    assert parts(media) == [part]


@pytest.mark.parametrize(
    "media",
    [
        Media(kind="document", file_id="file-abc"),
        Media(kind="image", url="data:image/png;base64,!"),
        Media(kind="image"),
    ],
)
def test_a_file_that_google_cannot_read_is_refused(media):
    with pytest.raises(Untranslatable) as caught:
        encode(user("a", media))
    assert caught.value.param == "messages[0]"


def test_only_gemini_3_takes_a_resolution_per_image():
    image = Media(kind="image", mime="image/png", data="AAAA", detail="low", filename="a.png", title="t")
    assert encode(user(image)).dropped == (
        "messages[0].filename",
        "messages[0].title",
        "messages[0].detail",
    )
    assert parts(image, can=GEMINI_3)[0]["mediaResolution"] == {"level": "MEDIA_RESOLUTION_LOW"}


def test_results_stand_together_right_after_the_calls_and_first():
    made = contents(
        user("go"),
        model("Sure.", call("c1", "look"), call("c2", "hear", "")),
        user(result("c2", "bang", name=None)),
        user("also", result("c1", '{"sky":"blue"}', name=None)),
    )
    assert made[1]["parts"][1:] == [
        {"functionCall": {"id": "c1", "name": "look", "args": {"at": "sky"}}},
        {"functionCall": {"id": "c2", "name": "hear", "args": {}}},
    ]
    assert made[2] == {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "c2", "name": "hear", "response": {"output": "bang"}}},
            {"functionResponse": {"id": "c1", "name": "look", "response": {"sky": "blue"}}},
            {"text": "also"},
        ],
    }


def test_results_of_one_turn_follow_the_order_of_their_calls():
    made = contents(user("go"), model(call("c1"), call("c2")), user(result("c2", "2"), result("c1", "1")))
    assert [part["functionResponse"]["id"] for part in made[2]["parts"]] == ["c1", "c2"]


def test_ids_are_left_out_where_they_are_not_accepted():
    made = contents(user("go"), model(call()), user(result()), can=Capabilities(call_ids=False))
    assert made[1]["parts"] == [{"functionCall": {"name": "look", "args": {"at": "sky"}}}]
    assert made[2]["parts"] == [{"functionResponse": {"name": "look", "response": {"output": "blue"}}}]


@pytest.mark.parametrize(
    ("given", "response"),
    [
        (result(text="blue"), {"output": "blue"}),
        (result(text=""), {"output": ""}),
        (result(text="[1]"), {"output": "[1]"}),
        (result(text="{broken"), {"output": "{broken"}),
        (result(text='{"a":1}'), {"a": 1}),
        (result(text="bad", is_error=True), {"error": "bad"}),
        (result(text='{"a":1}', is_error=True), {"error": {"a": 1}}),
        (ToolResult(call_id="c1", value={"a": [1]}), {"a": [1]}),
        (ToolResult(call_id="c1", value=[1]), {"output": [1]}),
        (ToolResult(call_id="c1", value={"error": {"code": 1}}, is_error=True), {"error": {"code": 1}}),
        (ToolResult(call_id="c1", parts=(Text(text="a"), RefusalText(text="b"))), {"output": "a\nb"}),
    ],
)
def test_a_result_is_always_an_object(given, response):
    made = contents(user("go"), model(call()), user(given))
    assert made[2]["parts"][0]["functionResponse"]["response"] == response


def test_media_of_a_result_stand_beside_it():
    image = Media(kind="image", mime="image/png", data="AAAA")
    odd = Unknown(raw={}, format=Format.CLAUDE)
    given = ToolResult(call_id="c1", parts=(Text(text="see"), image, odd))
    encoded = encode(user("go"), model(call(), call("c2")), user(given, result("c2")))
    assert [next(iter(part)) for part in encoded.body["contents"][2]["parts"]] == [
        "functionResponse",
        "functionResponse",
        "inlineData",
    ]
    assert encoded.dropped == ("messages[2].part",)


def test_gemini_3_reads_the_media_of_a_result_inside_it():
    image = Media(kind="image", mime="image/png", data="AAAA", detail="low")
    film = Media(kind="video", mime="video/mp4", data="BBBB")
    given = ToolResult(call_id="c1", parts=(Text(text="see"), image, film))
    can = Capabilities(media_in_results=True, signatures_required=True)
    encoded = encode(user("go"), model(call()), user(given), can=can)
    answer, beside = encoded.body["contents"][2]["parts"]
    assert answer["functionResponse"]["response"] == {"output": "see"}
    assert answer["functionResponse"]["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]
    assert beside == {"inlineData": {"mimeType": "video/mp4", "data": "BBBB"}}


def test_of_two_results_for_one_call_the_later_counts():
    encoded = encode(user("go"), model(call()), user(result(text="old"), result(text="new")))
    (answer,) = encoded.body["contents"][2]["parts"]
    assert answer["functionResponse"]["response"] == {"output": "new"}
    assert encoded.dropped == ("messages[2].tool_result",)


def test_a_result_without_its_call_is_told_as_text():
    encoded = encode(user("go", result("lost")), user(ToolResult(call_id="gone", value={"a": 1})))
    assert encoded.body["contents"][0]["parts"] == [
        {"text": "go"},
        {"text": "Result of the tool look:\nblue"},
        {"text": 'Result of the tool gone:\n{"a":1}'},
    ]
    assert encoded.dropped == ("messages[0].call_id", "messages[1].call_id")


@pytest.mark.parametrize(
    ("arguments", "kind", "args"),
    [
        ("", "function", {}),
        ("null", "function", {}),
        ("[1]", "function", {"input": [1]}),
        ("{bad", "function", {"input": "{bad"}),
        ('{"n":12345678901234567890}', "function", {"n": 12345678901234567890}),
        ("free text", "custom", {"input": "free text"}),
    ],
)
def test_arguments_are_always_an_object(arguments, kind, args):
    made = contents(user("go"), model(call(arguments=arguments, kind=kind)))
    assert made[1]["parts"][0]["functionCall"]["args"] == args


def test_googles_signatures_stay_on_their_parts_and_no_others_are_sent():
    encoded = encode(
        user("go"),
        model(
            Reasoning(text="hm", signature=GOOGLES),
            Reasoning(text="claude's", signature=CLAUDES),
            Reasoning(text="nobody's"),
            Reasoning(redacted=CLAUDES),
            Text(text="a", signature=GOOGLES),
            Text(text="", signature=GOOGLES),
            Text(text="b", signature=CLAUDES),
            call("c1", signature=GOOGLES),
            call("c2", signature=CLAUDES),
        ),
    )
    assert encoded.body["contents"][1]["parts"] == [
        {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "a", "thoughtSignature": "c2ln"},
        {"text": "", "thoughtSignature": "c2ln"},
        {"text": "b"},
        {"functionCall": {"id": "c1", "name": "look", "args": {"at": "sky"}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"id": "c2", "name": "look", "args": {"at": "sky"}}},
    ]
    assert encoded.dropped == (
        "messages[1].reasoning",
        "messages[1].signature",
    )


def signatures(made):
    return [
        [part.get("thoughtSignature") for part in content["parts"] if "functionCall" in part]
        for content in made
        if content["role"] == "model"
    ]


def test_unsigned_steps_of_the_current_turn_get_the_escape_value():
    turns = (
        user("old"),
        model(call("c0")),
        user(result("c0")),
        user("new"),
        model(call("c1"), call("c2")),
        user(result("c1"), result("c2"), "a reminder of the tool"),
        model(call("c3", signature=GOOGLES), call("c4")),
        user(result("c3"), result("c4")),
        model("text", call("c5")),
    )
    made = contents(*turns, can=GEMINI_3)
    assert signatures(made) == [[None], [ESCAPE, None], ["c2ln", None], [ESCAPE]]
    assert signatures(contents(*turns)) == [[None], [None, None], ["c2ln", None], [None]]


def test_a_history_without_a_question_is_all_current():
    assert signatures(contents(model(call("c1")), user(result("c1")), can=GEMINI_3)) == [[ESCAPE]]


def test_parts_of_another_format_are_dropped_and_named():
    own = Unknown(raw={"executableCode": {"code": "1"}}, format=Format.GEMINI)
    encoded = encode(
        user(
            RefusalText(text="no"),
            RefusalText(text=""),
            own,
            Unknown(raw={"type": "x"}, format=Format.CLAUDE),
            Text(text="a", cache=CacheMark(), citations=({"url": "u"},), ext={Format.CLAUDE: {"k": 1}}),
            Media(
                kind="video",
                mime="video/mp4",
                data="AAAA",
                ext={Format.GEMINI: {"videoMetadata": {"fps": 2}}},
            ),
        )
    )
    assert encoded.body["contents"][0]["parts"] == [
        {"text": "no"},
        {"executableCode": {"code": "1"}},
        {"text": "a"},
        {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}, "videoMetadata": {"fps": 2}},
    ]
    assert encoded.dropped == (
        "messages[0].x",
        "cache_control",
        "messages[0].k",
        "messages[0].citations",
    )
