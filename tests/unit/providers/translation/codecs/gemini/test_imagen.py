"""A prompt for pictures out of a generation request, and pictures as an answer."""

import json

import pytest

from providers.translation.codec import MalformedRequest
from providers.translation.codecs.gemini.imagen import as_generation, predict_body


def predicted(**body):
    return json.loads(predict_body(json.dumps(body).encode()))


def test_the_last_text_is_the_prompt_and_the_picture_settings_stay():
    body = predicted(
        contents=[
            {"role": "user", "parts": [{"text": "a cat"}]},
            {"role": "model", "parts": [{"text": ""}]},
            {"role": "user", "parts": [{"inlineData": {}}, {"text": "a dog"}]},
        ],
        generationConfig={"candidateCount": 2, "imageConfig": {"aspectRatio": "16:9"}},
        negativePrompt="rain",
    )
    assert body == {
        "instances": [{"prompt": "a dog", "negativePrompt": "rain"}],
        "parameters": {"sampleCount": 2, "aspectRatio": "16:9"},
    }


@pytest.mark.parametrize(
    "body", [{}, {"contents": []}, {"contents": [{"parts": [{"text": " "}]}]}, {"contents": 1}]
)
def test_without_a_text_it_is_the_clients_mistake(body):
    with pytest.raises(MalformedRequest, match="prompt"):
        predict_body(json.dumps(body).encode())


def test_pictures_come_back_as_inline_data():
    answer = json.loads(
        as_generation(b'{"predictions":[{"bytesBase64Encoded":"QQ==","mimeType":"image/png"}]}')
    )
    assert answer["candidates"][0]["content"]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "QQ=="}}
    ]
    assert answer["candidates"][0]["finishReason"] == "STOP"


def test_what_the_filter_took_is_said():
    answer = json.loads(as_generation(b'{"predictions":[{"raiFilteredReason":"Unsafe."}]}'))
    assert answer["candidates"][0]["finishReason"] == "IMAGE_SAFETY"
    assert answer["candidates"][0]["finishMessage"] == "Unsafe."


@pytest.mark.parametrize(
    "body", [b'{"candidates":[]}', b'{"predictions":1}', b'{"x":"\\"predictions\\""', b"\xff"]
)
def test_every_other_body_stays_as_it_is(body):
    assert as_generation(body) == body
