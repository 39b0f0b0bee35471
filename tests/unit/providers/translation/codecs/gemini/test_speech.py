from __future__ import annotations

import msgspec
import pytest
from google.genai import types

from providers.translation.codec import Capabilities
from providers.translation.codecs.gemini.codec import CODEC
from providers.translation.codecs.openai.codec import CODEC as CHAT

HI = {"contents": [{"parts": [{"text": "Hi"}]}]}
ASKED = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "modalities": ["text", "audio"]}


def spoken(speech):
    return CODEC.decode_request(
        {**HI, "generationConfig": {"responseModalities": ["AUDIO"], "speechConfig": speech}}
    )


def prebuilt(name):
    return {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}}


@pytest.mark.parametrize(("voice", "name"), [("alloy", "Kore"), ("Nova", "Zephyr"), ("Puck", "Puck")])
def test_a_voice_of_openais_becomes_one_of_googles(voice, name):
    request = CHAT.decode_request({**ASKED, "audio": {"voice": voice, "format": "wav"}})
    encoded = CODEC.encode_request(request, "up", Capabilities())
    config = encoded.body["generationConfig"]
    types.GenerationConfig.model_validate(config)
    assert config == {"responseModalities": ["AUDIO"], "speechConfig": prebuilt(name)}
    assert encoded.dropped == ()


@pytest.mark.parametrize(("is_stream", "format_"), [(True, "pcm16"), (False, "wav")])
def test_speech_asked_of_openai_has_a_voice_and_a_format(is_stream, format_):
    request = msgspec.structs.replace(spoken(prebuilt("Kore")), stream=is_stream)
    encoded = CHAT.encode_request(request, "up", Capabilities())
    assert encoded.body["modalities"] == ["text", "audio"]
    assert encoded.body["audio"] == {"voice": "alloy", "format": format_}
    assert encoded.dropped == ("audio.voice",)


@pytest.mark.parametrize(
    "speech",
    [{**prebuilt("Kore"), "languageCode": "en-US"}, {"multiSpeakerVoiceConfig": {}}, {"voiceConfig": 7}],
)
def test_what_else_is_said_of_speech_stays_googles(speech):
    encoded = CODEC.encode_request(spoken(speech), "up", Capabilities())
    assert encoded.body["generationConfig"]["speechConfig"] == speech


def test_a_voice_without_speech_says_nothing():
    request = CHAT.decode_request(
        {**ASKED, "modalities": ["text"], "audio": {"voice": "ash", "format": "wav"}}
    )
    assert "speechConfig" not in CODEC.encode_request(request, "up", Capabilities()).body["generationConfig"]
