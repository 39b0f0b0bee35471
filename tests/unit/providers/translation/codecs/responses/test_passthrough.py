"""Responses passed through: edited in few places, watched at any cut."""

from __future__ import annotations

import json

import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.codec import Capabilities
from providers.translation.codecs.responses import passthrough
from providers.translation.model import ErrorInfo, ReasoningConfig

BODY = b'{"x":1.0,"model":"m","input":"Hi"}'
USAGE = {"input_tokens": 4, "output_tokens": 2, "total_tokens": 6}


def event(kind, number, **fields):
    value = {"type": kind, "sequence_number": number, **fields}
    return f"event: {kind}\ndata: {json.dumps(value)}\n\n".encode()


CREATED = event("response.created", 0, response={"id": "r", "model": "up", "status": "in_progress"})
TEXT = event("response.output_text.delta", 1, delta='response.completed "error"')
END = event(
    "response.completed", 2, response={"id": "r", "model": "up", "status": "completed", "usage": USAGE}
)
STREAM = CREATED + TEXT + END


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


def test_every_cut_before_the_last_event_is_incomplete():
    for at in range(len(CREATED + TEXT)):
        watch = passthrough.Watch()
        watch.feed(STREAM[:at])
        watch.flush()
        assert not watch.is_complete


@pytest.mark.parametrize(
    ("ending", "failed"),
    [
        (event("response.incomplete", 2, response={"usage": USAGE}), False),
        (event("response.failed", 2, response={"error": {"code": "server_error"}}), True),
        (event("error", 2, message="x", code=None), True),
    ],
)
def test_every_terminal_event_ends_the_stream(ending, failed):
    watch = passthrough.Watch()
    watch.feed(CREATED + ending)
    assert (watch.is_done, watch.has_failed) == (True, failed)


def test_the_model_is_renamed_in_every_response():
    watch = passthrough.Watch("alias")
    out = watch.feed(STREAM) + watch.flush()
    assert out.count(b'"model":"alias"') == 2
    assert TEXT in out


def test_our_own_error_continues_the_numbers():
    watch = passthrough.Watch()
    watch.feed(CREATED + TEXT)
    told = watch.failure(ErrorInfo(status=502, message="cut"))
    value = json.loads(told.partition(b"data: ")[2])
    assert (value["type"], value["sequence_number"], value["message"]) == ("error", 2, "cut")


def test_nothing_to_edit_is_not_edited():
    parsed = passthrough.parse(BODY)
    assert passthrough.edited(parsed, "m", Capabilities()) is BODY
    assert passthrough.edited(parsed, "up", Capabilities()) == BODY.replace(b'"m"', b'"up"')


def test_a_suffix_sets_the_effort_and_keeps_the_rest():
    raw = b'{"model":"m","input":"Hi","reasoning":{"summary":"auto"}}'
    reasoning = ReasoningConfig(mode="on", effort="low")
    body = json.loads(passthrough.edited(passthrough.parse(raw), "m", Capabilities(), reasoning))
    assert body["reasoning"] == {"summary": "auto", "effort": "low"}


@pytest.mark.parametrize(
    ("reasoning", "capabilities", "wanted"),
    [
        (ReasoningConfig(mode="auto"), Capabilities(), {"summary": "auto"}),
        (ReasoningConfig(mode="on", effort="high"), Capabilities(thinking="none"), None),
    ],
)
def test_a_suffix_may_leave_the_effort_to_the_model(reasoning, capabilities, wanted):
    raw = b'{"model":"m","input":"Hi","reasoning":{"summary":"auto","effort":"low"}}'
    body = json.loads(passthrough.edited(passthrough.parse(raw), "m", capabilities, reasoning))
    assert body.get("reasoning") == wanted


def test_reasoning_of_other_vendors_is_taken_out():
    own = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    foreign = {**own, "encrypted_content": "cliproxy.1.claude.own.x"}
    raw = json.dumps({"model": "m", "input": [foreign, own, {"role": "user", "content": "Hi"}]}).encode()
    body = json.loads(passthrough.edited(passthrough.parse(raw), "m", Capabilities()))
    assert body["input"] == [own, {"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("fields", "bound_by"),
    [
        ({"previous_response_id": "r"}, "previous_response_id"),
        ({"previous_response_id": None}, ""),
        ({"background": False}, ""),
        ({"background": True}, "background"),
        ({"conversation": {"id": "c"}}, "conversation"),
    ],
)
def test_state_binds_a_request_to_the_format(fields, bound_by):
    raw = json.dumps({"model": "m", "input": "Hi", **fields}).encode()
    assert passthrough.parse(raw).bound_by == bound_by


def test_a_failed_response_is_an_answer_and_an_error_object_is_none():
    failed = b'{"status":"failed","error":{"code":"server_error"},"usage":null}'
    assert passthrough.read_answer(failed) == (None, False)
    assert passthrough.read_answer(b'{"error":{"message":"x"}}') == (None, True)
    with pytest.raises(UpstreamProtocolError):
        passthrough.read_answer(b"<html>")


def test_an_error_at_the_head_is_found_in_each_of_its_forms():
    for head in (
        event("error", 0, message="x"),
        event("error", 0, error={"message": "x"}),
        event("response.failed", 0, response={"error": {"message": "x"}}),
        b'{"error":{"message":"x"}}',
    ):
        found = passthrough.leading_error(head)
        assert found is not None
        assert json.loads(found)["error"]["message"] == "x"
    assert passthrough.leading_error(CREATED) is None
