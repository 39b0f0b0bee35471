from __future__ import annotations

import pytest

from providers.translation.codec import MalformedRequest
from providers.translation.codecs.responses.content import (
    ASSISTANT_TYPES,
    USER_TYPES,
    decode_content,
    encode_input,
)
from providers.translation.model import CacheMark, Media, RefusalText, Text, ToolCall
from tests.unit.providers.translation.codecs.responses.wire import PNG

IMAGE = Media(kind="image", mime="image/png", data=PNG, detail="high")


def decode(*items):
    return decode_content(list(items), "c", USER_TYPES)


def test_forms_of_chat_completions_are_read_too():
    url = f"data:image/png;base64,{PNG}"
    assert decode({"type": "image_url", "image_url": {"url": url, "detail": "high"}}) == [IMAGE]
    assert decode("plain", {"text": "no type"}) == [Text(text="plain"), Text(text="no type")]


def test_audio_is_read_with_and_without_the_head_of_a_data_url():
    wanted = [Media(kind="audio", mime="audio/wav", data="AAAA", audio_format="wav")]
    for data in ("AAAA", "data:audio/wav;base64,AAAA"):
        audio = {"data": data, "format": "wav"}
        assert decode({"type": "input_audio", "input_audio": audio}) == wanted


def test_a_file_that_is_an_image_is_one():
    part = decode({"type": "input_file", "file_data": f"data:image/png;base64,{PNG}"})[0]
    assert isinstance(part, Media)
    assert part.kind == "image"


def test_a_cache_mark_in_the_other_spelling_counts():
    part = decode({"type": "input_text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}})[0]
    assert part.cache == CacheMark(ttl="1h")
    assert part.ext == {}


def test_empty_texts_are_no_parts():
    assert decode("", {"type": "input_text", "text": ""}) == []
    assert decode_content("", "c", ASSISTANT_TYPES) == []


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "input_image", "image_url": "nothing"}, "c[0].image_url"),
        ({"type": "input_image", "image_url": "data:image/png;base64,"}, "c[0].image_url"),
        ({"type": "input_image", "image_url": "data:image/png;base64,!"}, "c[0].image_url"),
        ({"type": "input_image", "image_url": {}}, "c[0].image_url.url"),
        ({"type": "input_file"}, "c[0].file_data"),
        ({"type": "input_file", "file_data": "!!"}, "c[0].file_data"),
        ({"type": "input_audio"}, "c[0].input_audio"),
        ({"type": "refusal", "refusal": "No."}, "c[0].type"),
        (3, "c[0]"),
    ],
)
def test_a_fault_names_its_field(item, param):
    with pytest.raises(MalformedRequest) as caught:
        decode(item)
    assert caught.value.param == param


def test_parts_without_a_form_are_left_to_the_caller():
    assert encode_input(ToolCall(id="c", name="f"), "p") is None
    assert encode_input(RefusalText(text="No."), "p") == {"type": "input_text", "text": "No."}


def test_an_image_sent_as_a_document_stays_an_image():
    part = Media(kind="document", mime="image/png", data=PNG)
    assert encode_input(part, "p") == {
        "type": "input_image",
        "image_url": f"data:image/png;base64,{PNG}",
        "detail": "auto",
    }
