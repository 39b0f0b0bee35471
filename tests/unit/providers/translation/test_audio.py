"""Generated sound: whatever the pieces were, the bytes are the same, and clients of every format get it."""

from __future__ import annotations

import base64
import io
import json
import wave
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.translation.accumulate import Accumulator
from providers.translation.audio import PCM_MIME, Cutter, Sound, as_wav, joined
from providers.translation.codec import AnswerContext
from providers.translation.model import AudioDelta, Media
from providers.translation.names import IDENTITY
from providers.translation.registry import CODECS
from providers.translation.sse import SseEvent, SseReader
from providers.translation.unfold import events_of
from providers.values import Format

OPENAI, RESPONSES, CLAUDE, GEMINI = Format.OPENAI, Format.RESPONSES, Format.CLAUDE, Format.GEMINI
SAMPLES = bytes(range(101))
PIECES = [base64.b64encode(piece).decode() for piece in (SAMPLES[:50], SAMPLES[50:])]
WHOLE = base64.b64encode(SAMPLES).decode()
MIME = "audio/L16;codec=pcm;rate=16000"


@given(st.lists(st.binary(max_size=9)))
def test_pieces_cut_anew_are_one_text(pieces):
    cutter = Cutter()
    texts = [cutter.feed(base64.b64encode(piece).decode()) for piece in pieces] + [cutter.close()]
    assert base64.b64decode("".join(texts), validate=True) == b"".join(pieces)
    assert base64.b64decode(joined([base64.b64encode(piece).decode() for piece in pieces])) == b"".join(
        pieces
    )


def test_sound_grows_with_its_words():
    sound = Sound(Media(kind="audio", mime=PCM_MIME, data=""))
    sound.add(AudioDelta(i=0, data=PIECES[0], transcript="He"))
    sound.add(AudioDelta(i=0, data=PIECES[1], transcript="llo", expires_at=9))
    assert sound.whole() == Media(kind="audio", mime=PCM_MIME, data=WHOLE, transcript="Hello", expires_at=9)


@pytest.mark.parametrize(
    ("mime", "rate"), [(MIME, 16_000), ("audio/L16", 24_000), ("audio/pcm;rate=x", 24_000)]
)
def test_samples_become_a_file(mime, rate):
    with wave.open(io.BytesIO(base64.b64decode(as_wav(Media(kind="audio", mime=mime, data=WHOLE))))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (rate, 1, 2)
    assert as_wav(Media(kind="audio", mime="audio/mp3", data="AAAA")) == "AAAA"


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


SPOKEN = [
    chunk(role="assistant", audio={"id": "audio_1", "transcript": "Hel"}),
    chunk(audio={"id": "audio_1", "data": PIECES[0]}),
    chunk(audio={"data": PIECES[1], "transcript": "lo"}),
    chunk(audio={"expires_at": 9}),
    chunk("stop"),
]
SPOKEN_WHOLE = {"id": "audio_1", "data": WHOLE, "expires_at": 9, "transcript": "Hello"}


def gemini_chunk(data: str, **more: Any) -> dict[str, Any]:
    part = {"inlineData": {"mimeType": MIME, "data": data}}
    return {"candidates": [{"content": {"role": "model", "parts": [part]}, **more}], "responseId": "r"}


STREAMS = {
    OPENAI: SPOKEN,
    GEMINI: [gemini_chunk(PIECES[0]), gemini_chunk(PIECES[1], finishReason="STOP")],
}
BODIES = {
    OPENAI: {
        "id": "c",
        "choices": [
            {
                "message": {"role": "assistant", "content": None, "audio": SPOKEN_WHOLE},
                "finish_reason": "stop",
            }
        ],
    },
    GEMINI: gemini_chunk(WHOLE, finishReason="STOP"),
}


def context_for(target: Format, **audio: Any) -> AnswerContext:
    request = None
    if target is OPENAI:
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "modalities": ["audio"]}
        request = CODECS[OPENAI].decode_request({**body, "audio": {"voice": "v", **audio}})
    return AnswerContext(model="m", now=77, seed="ab", names=IDENTITY, stream=True, request=request)


def written(source: Format, target: Format, *, unfolds: bool) -> list[dict[str, Any]]:
    context = context_for(target, format="pcm16")
    encoder = CODECS[target].stream_encoder(context)
    if unfolds:
        events = list(events_of(CODECS[source].decode_response(BODIES[source], context)))
    else:
        decoder = CODECS[source].stream_decoder(context)
        events = [
            event for frame in STREAMS[source] for event in decoder.feed(SseEvent(None, json.dumps(frame)))
        ]
        events += decoder.close()
    reader = SseReader()
    frames = reader.feed(b"".join(encoder.encode(event) for event in events))
    return [json.loads(frame.data) for frame in frames if frame.data != "[DONE]"]


@pytest.mark.parametrize("unfolds", [False, True])
@pytest.mark.parametrize("source", [OPENAI, GEMINI])
def test_a_chat_client_hears_it_in_its_stream(source, unfolds):
    said = [one["choices"][0]["delta"].get("audio", {}) for one in written(source, OPENAI, unfolds=unfolds)]
    assert base64.b64decode("".join(one.get("data", "") for one in said), validate=True) == SAMPLES
    ids = [one["id"] for one in said if "id" in one]
    assert ids == (["audio_1"] if source is OPENAI else ["audio_ab"])
    assert [one["expires_at"] for one in said if "expires_at" in one] == [9 if source is OPENAI else 77]
    assert "".join(one.get("transcript", "") for one in said) == ("Hello" if source is OPENAI else "")


@pytest.mark.parametrize("source", [OPENAI, GEMINI])
def test_a_chat_client_hears_it_whole(source):
    context = context_for(OPENAI, format="pcm16")
    answer = CODECS[source].decode_response(BODIES[source], context)
    message = CODECS[OPENAI].encode_response(answer, context)["choices"][0]["message"]
    expected = SPOKEN_WHOLE if source is OPENAI else {
        "id": "audio_ab", "data": WHOLE, "expires_at": 77, "transcript": ""
    }  # fmt: skip
    assert (message["content"], message["audio"]) == (None, expected)


def test_a_chat_client_that_wants_a_file_gets_one():
    context = context_for(OPENAI, format="wav")
    answer = CODECS[GEMINI].decode_response(BODIES[GEMINI], context)
    audio = CODECS[OPENAI].encode_response(answer, context)["choices"][0]["message"]["audio"]
    assert base64.b64decode(audio["data"])[44:] == SAMPLES


@pytest.mark.parametrize("unfolds", [False, True])
@pytest.mark.parametrize("source", [OPENAI, GEMINI])
def test_a_gemini_client_gets_the_samples_and_the_words(source, unfolds):
    parts = [
        part
        for one in written(source, GEMINI, unfolds=unfolds)
        for part in one["candidates"][0]["content"]["parts"]
    ]
    sounds = [part["inlineData"] for part in parts if "inlineData" in part]
    assert b"".join(base64.b64decode(one["data"]) for one in sounds) == SAMPLES
    assert {one["mimeType"] for one in sounds} == {MIME if source is GEMINI else PCM_MIME}
    assert "".join(part.get("text", "") for part in parts) == ("Hello" if source is OPENAI else "")


@pytest.mark.parametrize("unfolds", [False, True])
@pytest.mark.parametrize("target", [CLAUDE, RESPONSES])
@pytest.mark.parametrize("source", [OPENAI, GEMINI])
def test_where_nobody_can_ask_for_sound_it_is_a_link(source, target, unfolds):
    text = json.dumps(written(source, target, unfolds=unfolds))
    assert f"base64,{WHOLE})" in text
    assert ("Hello" in text) is (source is OPENAI)


@pytest.mark.parametrize("target", [OPENAI, RESPONSES, CLAUDE, GEMINI])
@pytest.mark.parametrize("source", [OPENAI, GEMINI])
def test_a_collected_stream_says_what_the_whole_answer_says(source, target):
    context = context_for(target, format="pcm16")
    decoder, whole = CODECS[source].stream_decoder(context), Accumulator()
    for frame in STREAMS[source]:
        for event in decoder.feed(SseEvent(None, json.dumps(frame))):
            whole.add(event)
    for event in decoder.close():
        whole.add(event)
    answer = CODECS[source].decode_response(BODIES[source], context)
    encode = CODECS[target].encode_response
    assert encode(whole.response(context), context) == encode(answer, context)
