"""Anthropic Messages passed through: edited in few places, watched at any cut."""

from __future__ import annotations

import json

import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.codec import Capabilities
from providers.translation.codecs.claude import passthrough
from providers.translation.model import ErrorInfo, ReasoningConfig

BODY = b'{"x":1.0,"model":"m","max_tokens":10,"messages":[{"role":"user","content":"Hi"}]}'


def event(kind, **fields):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


START = event("message_start", message={"id": "1", "model": "up", "usage": {"input_tokens": 4}})
TEXT = event("content_block_delta", index=0, delta={"text": 'message_stop "usage" "error" event: error'})
DELTA = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2})
STOP = event("message_stop")
STREAM = START + event("ping") + TEXT + DELTA + STOP


@pytest.mark.parametrize("size", [1, 7, len(STREAM)])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_a_stream_passes_and_is_read_at_any_cut(size, ending):
    stream = STREAM.replace(b"\n", ending)
    watch = passthrough.Watch()
    out = b"".join(watch.feed(stream[at : at + size]) for at in range(0, len(stream), size)) + watch.flush()
    assert out == stream
    assert (watch.is_complete, watch.is_done, watch.has_failed) == (True, True, False)
    assert watch.usage is not None
    assert (watch.usage.input_total, watch.usage.output_total) == (4, 2)


def test_every_cut_is_incomplete():
    for at in range(len(STREAM) - 2):  # the last two bytes are the blank line
        watch = passthrough.Watch()
        watch.feed(STREAM[:at])
        watch.flush()
        assert not watch.is_complete


def test_the_model_is_renamed_in_the_first_event():
    watch = passthrough.Watch("alias")
    out = watch.feed(STREAM) + watch.flush()
    first, _, rest = out.partition(b"\n\n")
    assert json.loads(first.partition(b"data: ")[2])["message"]["model"] == "alias"
    assert first.startswith(b"event: message_start\n")
    assert rest == STREAM.partition(b"\n\n")[2]


def test_an_error_of_the_upstream_ends_the_stream():
    watch = passthrough.Watch()
    watch.feed(START + event("error", error={"type": "overloaded_error", "message": "x"}))
    assert (watch.is_done, watch.has_failed, watch.is_complete) == (True, True, False)


def test_our_own_error_is_an_event_of_the_format():
    watch = passthrough.Watch()
    watch.feed(START)
    told = watch.failure(ErrorInfo(status=502, message="cut"))
    assert told.startswith(b"event: error\ndata: ")
    watch.feed(b"event: con")
    assert watch.failure(ErrorInfo(status=502, message="cut")).startswith(b"\nevent: error\n")


def test_nothing_to_edit_is_not_edited():
    parsed = passthrough.parse(BODY)
    assert passthrough.edited(parsed, "m", Capabilities()) is BODY
    assert passthrough.edited(parsed, "up", Capabilities()) == BODY.replace(b'"m"', b'"up"')


@pytest.mark.parametrize(
    ("reasoning", "capabilities", "thinking"),
    [
        (ReasoningConfig(mode="off"), Capabilities(thinking="budget"), {"type": "disabled"}),
        (
            ReasoningConfig(mode="on", budget=2048),
            Capabilities(thinking="budget"),
            {"type": "enabled", "budget_tokens": 2048},
        ),
        (
            ReasoningConfig(mode="on", effort="high"),
            Capabilities(thinking="level", adaptive_thinking=True),
            {"type": "adaptive", "display": "summarized"},
        ),
        (ReasoningConfig(mode="on", effort="high"), Capabilities(thinking="none"), None),
    ],
)
def test_a_suffix_sets_the_thinking_that_the_model_takes(reasoning, capabilities, thinking):
    body = json.loads(passthrough.edited(passthrough.parse(BODY), "m", capabilities, reasoning))
    assert body.get("thinking") == thinking
    if thinking and "budget_tokens" in thinking:
        assert body["max_tokens"] > thinking["budget_tokens"]


def test_anthropics_own_headers_go_up_and_no_other():
    headers = {"anthropic-beta": "a", "anthropic-version": "v", "x-api-key": "k", "user-agent": "u"}
    assert dict(passthrough.client_headers(headers)) == {"anthropic-beta": "a", "anthropic-version": "v"}


def test_a_message_of_nothing_but_foreign_thinking_goes():
    block = {"type": "redacted_thinking", "data": "cliproxy.1.responses.own.x"}
    user = {"role": "user", "content": "Hi"}
    messages = [user, {"role": "assistant", "content": [block]}, user]
    raw = json.dumps({"model": "m", "messages": messages}).encode()
    sent = json.loads(passthrough.edited(passthrough.parse(raw), "m", Capabilities()))
    assert sent["messages"] == [user, user]


def test_a_whole_answer_tells_usage_and_errors():
    usage, is_error = passthrough.read_answer(b'{"type":"message","content":[],"usage":{"input_tokens":3}}')
    assert usage is not None
    assert (usage.input_total, is_error) == (3, False)
    assert passthrough.read_answer(b'{"type":"error","error":{"type":"x"}}') == (None, True)
    with pytest.raises(UpstreamProtocolError):
        passthrough.read_answer(b"<html>")
    assert passthrough.leading_error(event("error", error={"type": "x"})) is not None
    assert passthrough.leading_error(START) is None


BUDGET = Capabilities(thinking="budget")
ON = ReasoningConfig(mode="on", budget=2000)


def test_what_excludes_thinking_leaves_for_a_suffix_or_stands_in_its_way():
    hi = {"model": "m", "max_tokens": 9000, "messages": [{"role": "user", "content": "Hi"}]}
    sampled = json.dumps({**hi, "temperature": 0.2, "top_k": 3}).encode()
    body = json.loads(passthrough.edited(passthrough.parse(sampled), "m", BUDGET, ON))
    assert body["thinking"]["budget_tokens"] == 2000
    assert not {"temperature", "top_k"} & body.keys()
    forced = json.dumps({**hi, "temperature": 0.2, "tool_choice": {"type": "any"}}).encode()
    body = json.loads(passthrough.edited(passthrough.parse(forced), "m", BUDGET, ON))
    assert "thinking" not in body
    assert body["temperature"] == 0.2
