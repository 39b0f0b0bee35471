"""Gemini passed through: hardly edited, watched at any cut."""

from __future__ import annotations

import json

import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.codec import Capabilities, MalformedRequest
from providers.translation.codecs.gemini import passthrough
from providers.translation.codecs.gemini.signatures import to_client
from providers.translation.model import ErrorInfo, ReasoningConfig, Signature
from providers.translation.passthrough import UrlParts
from providers.values import Format

URL = UrlParts(model="m", stream=True)
BODY = b'{"contents":[{"parts":[{"text":"Hi"}]}],"x":1.0}'


def event(**fields):
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


STREAM = (
    event(candidates=[{"content": {"parts": [{"text": 'say "finishReason":"STOP"'}]}}])
    + event(candidates=[{"content": {}}], usageMetadata={"promptTokenCount": 4}, modelVersion="up")
    + event(
        candidates=[{"finishReason": "STOP"}],
        usageMetadata={"candidatesTokenCount": 2},
        modelVersion="up",
    )
)


def test_the_url_says_model_and_stream():
    parsed = passthrough.parse(BODY, URL)
    assert (parsed.model, parsed.stream, parsed.is_array) == ("m", True, False)
    assert parsed.value() == {**json.loads(BODY), "model": "m", "stream": True}
    assert passthrough.edited(parsed, "up", Capabilities()) == BODY


def test_content_that_google_holds_binds_the_request():
    assert passthrough.parse(b'{"cachedContent":"c/1"}', URL).bound_by == "cachedContent"


def test_a_model_inside_the_body_follows_the_one_in_the_url():
    parsed = passthrough.parse(b'{"model":"models/m","contents":[]}', URL)
    assert json.loads(passthrough.edited(parsed, "up", Capabilities()))["model"] == "models/up"
    parsed = passthrough.parse(b'{"generateContentRequest":{"contents":[]}}', URL)
    inner = json.loads(passthrough.edited(parsed, "up", Capabilities()))["generateContentRequest"]
    assert inner == {"contents": [], "model": "models/up"}
    with pytest.raises(MalformedRequest):
        passthrough.edited(passthrough.parse(b'{"generateContentRequest":1}', URL), "up", Capabilities())


def test_a_suffix_sets_the_thinking_and_keeps_the_rest():
    parsed = passthrough.parse(b'{"generationConfig":{"topK":4}}', URL)
    can = Capabilities(thinking="budget")
    body = json.loads(passthrough.edited(parsed, "up", can, ReasoningConfig(mode="on", budget=100)))
    config = {"thinkingBudget": 100, "includeThoughts": True}
    assert body["generationConfig"] == {"topK": 4, "thinkingConfig": config}


def test_state_of_other_vendors_is_taken_out():
    foreign = to_client(Signature("sig", Format.CLAUDE))
    parts = [
        {"text": "hm", "thought": True, "thoughtSignature": foreign},
        {"text": "hm", "thought": True, "thoughtSignature": "b3du"},
        {"functionCall": {"name": "f"}, "thoughtSignature": foreign},
    ]
    raw = json.dumps({"contents": [{"role": "model", "parts": parts}]}).encode()
    body = json.loads(passthrough.edited(passthrough.parse(raw, URL), "m", Capabilities()))
    assert body["contents"][0]["parts"] == [parts[1], {"functionCall": {"name": "f"}}]


@pytest.mark.parametrize("size", [1, 7, len(STREAM)])
def test_a_stream_passes_and_is_read_at_any_cut(size):
    watch = passthrough.Watch()
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert b"".join(map(watch.feed, pieces)) + watch.flush() == STREAM
    assert watch.is_complete
    assert not watch.is_done
    assert watch.usage is not None
    assert (watch.usage.input_total, watch.usage.output_total) == (4, 2)


def test_the_model_is_renamed_where_it_stands():
    watch = passthrough.Watch("alias")
    out = watch.feed(STREAM) + watch.flush()
    assert out.count(b'"alias"') == 2
    assert b'"up"' not in out


@pytest.mark.parametrize("size", [1, 7, len(STREAM)])
def test_an_array_has_the_same_elements(size):
    watch = passthrough.watch(passthrough.parse(BODY, UrlParts(model="m", stream=True, is_array=True)), None)
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    out = json.loads(b"".join(map(watch.feed, pieces)) + watch.flush())
    assert out == [json.loads(part[6:]) for part in STREAM.split(b"\n\n") if part]


def test_a_cut_array_ends_with_the_error():
    watch = passthrough.ArrayWatch()
    out = watch.feed(STREAM[:150]) + watch.flush()
    out += watch.failure(ErrorInfo(status=502, message="cut"))
    assert json.loads(out)[-1]["error"]["code"] == 502


def test_an_error_of_the_upstream_ends_the_stream():
    watch = passthrough.Watch()
    watch.feed(event(error={"code": 503, "message": "x", "status": "UNAVAILABLE"}))
    assert (watch.is_done, watch.has_failed) == (True, True)


def test_a_blocked_prompt_is_a_complete_stream():
    watch = passthrough.Watch()
    watch.feed(event(promptFeedback={"blockReason": "SAFETY"}))
    assert watch.is_complete


def test_a_whole_answer_tells_usage_and_errors():
    usage, is_error = passthrough.read_answer(b'{"usageMetadata":{"promptTokenCount":3}}')
    assert usage is not None
    assert (usage.input_total, is_error) == (3, False)
    assert passthrough.read_answer(b'[{"error":{"code":400}}]') == (None, True)
    assert passthrough.read_answer(b'{"usageMetadata":{"promptTokenCount":"x"}}') == (None, False)
    with pytest.raises(UpstreamProtocolError):
        passthrough.read_answer(b"<html>")
