"""Bytes pass; beside them the usage is read, the end is recognised, and three known things are edited."""

from __future__ import annotations

import json

import pytest

from providers.errors import UpstreamProtocolError
from providers.translation import passthrough as passing
from providers.translation.codec import Capabilities, MalformedRequest
from providers.translation.codecs.openai import passthrough
from providers.translation.codecs.openai.passthrough import Watch
from providers.translation.model import ReasoningConfig
from providers.translation.passthrough import LONGEST_LOOK

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


def event(**fields) -> bytes:
    return b"data: " + json.dumps({"id": "c", "model": "up", **fields}).encode() + b"\n\n"


def choice(text="", finish=None):
    return [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}]


HEAD = event(choices=choice("Grüße 🙂 "))
FAKE = event(choices=choice('"usage":{"prompt_tokens":1} "finish_reason":"stop" data: [DONE]'))
END = event(choices=choice(finish="stop"))
USED = event(choices=[], usage=USAGE)
DONE = b"data: [DONE]\n\n"
STREAM = HEAD + b": ping\n\n" + FAKE + END + USED + DONE
ENDINGS = {"LF": b"\n", "CRLF": b"\r\n", "CR": b"\r"}


def fed(watch: Watch, *chunks: bytes) -> bytes:
    return b"".join(watch.feed(chunk) for chunk in chunks) + watch.flush()


def cuts(stream: bytes):
    """Whole, byte by byte, and in two at every byte."""
    yield (stream,)
    yield tuple(stream[at : at + 1] for at in range(len(stream)))
    for at in range(1, len(stream)):
        yield stream[:at], stream[at:]


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_nothing_is_edited_and_usage_and_end_are_found_at_any_cut(ending):
    stream = STREAM.replace(b"\n", ending)
    for pieces in cuts(stream):
        watch = Watch()
        assert fed(watch, *pieces) == stream
        assert (watch.is_complete, watch.is_done) == (True, True)
        assert watch.usage is not None
        assert (watch.usage.input_total, watch.usage.output_total) == (9, 3)


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_the_usage_chunk_is_taken_out_at_any_cut(ending):
    stream = STREAM.replace(b"\n", ending)
    wanted = stream.replace(USED.replace(b"\n", ending), b"")
    for pieces in cuts(stream):
        watch = Watch(strips_usage=True)
        assert fed(watch, *pieces) == wanted
        assert watch.usage is not None


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize("strips", [True, False])
def test_the_model_is_renamed_at_any_cut(ending, strips):
    stream = STREAM.replace(b"\n", ending)
    results = set()
    for pieces in cuts(stream):
        watch = Watch(strips_usage=strips, model="alias")
        out = fed(watch, *pieces)
        results.add(out)
        assert watch.is_done
    (out,) = results
    events = [part for part in out.split(b"\n\n") if part.startswith(b"data: {")]
    values = [json.loads(part[6:]) for part in events]
    assert {value["model"] for value in values} == {"alias"}
    assert len(values) == (3 if strips else 4)
    assert values[0]["choices"] == choice("Grüße 🙂 ")
    assert out.endswith(DONE)


def test_text_that_looks_like_usage_or_an_end_is_neither():
    watch = Watch(strips_usage=True)
    assert watch.feed(HEAD + FAKE) == HEAD + FAKE
    assert (watch.usage, watch.is_complete, watch.is_done) == (None, False, False)


def test_an_empty_finish_reason_is_no_end():
    """Some servers send it in every chunk."""
    watch = Watch()
    watch.feed(event(choices=choice("a", finish="")) + event(choices=choice("b", finish="")))
    before = watch.is_complete
    watch.feed(END)
    assert (before, watch.is_complete) == (False, True)


def test_a_null_usage_is_none_and_the_last_of_several_counts():
    watch = Watch(strips_usage=True)
    early = event(choices=choice("a"), usage={**USAGE, "completion_tokens": 1})
    assert watch.feed(event(choices=choice("a"), usage=None)) != b""
    before = watch.usage
    assert watch.feed(early) == early
    assert watch.feed(USED) == b""
    assert (before, watch.usage and watch.usage.output_total) == (None, 3)


@pytest.mark.parametrize("watch", [Watch(), Watch(strips_usage=True), Watch(model="alias")])
def test_a_stream_that_stops_before_its_end_is_not_complete(watch):
    out = fed(watch, HEAD)
    assert not watch.is_complete
    assert b"[DONE]" not in out


@pytest.mark.parametrize("strips", [True, False])
def test_a_finished_stream_without_the_terminator_gets_it(strips):
    for missing in (b"", b"\n", b"\n\n"):
        watch = Watch(strips_usage=strips)
        out = fed(watch, HEAD, END.rstrip(b"\n") + missing)
        assert out.endswith(b"\n\n" + DONE)
        assert watch.is_complete


def test_the_usage_of_a_last_event_without_its_blank_line_is_found():
    watch = Watch()
    out = fed(watch, HEAD + END, USED.rstrip(b"\n"))
    assert watch.usage is not None
    assert out.endswith(DONE)


def test_an_unfinished_event_of_megabytes_is_passed_on_and_not_kept_whole():
    watch = Watch()
    big = event(choices=choice("x" * 3_000_000))
    pieces = [big[at : at + 65536] for at in range(0, len(big), 65536)]
    assert b"".join(map(watch.feed, pieces)) == big
    assert watch._pending.size <= LONGEST_LOOK


def test_half_an_event_passes_once_it_cannot_be_the_usage_chunk():
    watch = Watch(strips_usage=True)
    said = event(choices=choice("Hello"))
    head = said[: said.index(b"Hel") + 3]
    assert watch.feed(head[:20]) == b""
    assert watch.feed(head[20:]) == head
    assert watch.feed(said[len(head) :] + USED) == said[len(head) :]
    assert watch.usage is not None


def test_an_upstreams_error_is_seen_behind_other_events():
    watch = Watch()
    quoted = event(choices=choice('data: {"error":1}'))
    watch.feed(quoted)
    assert not watch.has_failed
    watch.feed(quoted + b'data: {"error":{"message":"x"}}\n\n')
    assert (watch.is_done, watch.has_failed) == (True, True)


def test_an_event_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(passing, "LONGEST_EVENT", 100_000)
    watch = Watch(model="m")
    watch.feed(b"data: {")
    with pytest.raises(UpstreamProtocolError, match="more than 100000 bytes"):
        watch.feed(b"x" * 100_000)
    assert fed(watch, END + USED + DONE).endswith(DONE)
    assert watch.usage is not None


def test_a_broken_event_is_passed_on_as_it_is():
    broken = b'data: {"choices": [], "usage": {"prompt_tokens": \n\n'
    watch = Watch(strips_usage=True, model="alias")
    assert fed(watch, broken) == broken


# --- requests ----------------------------------------------------------------------------------

ASKS = Capabilities(stream_usage=True)
BODY = b'{ "model":"gpt", "messages": [], "seed": 1e3, "x_new": {"b":1, "a":2} }'


def test_a_body_that_needs_no_edit_is_sent_as_it_came():
    assert passthrough.edited(passthrough.parse(BODY), "gpt", ASKS) is BODY


def test_an_edit_leaves_the_bytes_of_every_other_field():
    out = passthrough.edited(passthrough.parse(BODY), "other", ASKS, ReasoningConfig(effort="low"))
    assert b'"seed":1e3' in out.replace(b": ", b":")
    assert b'{"b":1, "a":2}' in out
    assert json.loads(out)["model"] == "other"
    assert json.loads(out)["reasoning_effort"] == "low"


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (None, {"include_usage": True}),
        ("null", {"include_usage": True}),
        ('{"include_usage":false,"x":1}', {"include_usage": True, "x": 1}),
    ],
)
def test_a_stream_is_asked_for_its_usage(options, wanted):
    given = f',"stream_options":{options}' if options else ""
    parsed = passthrough.parse(f'{{"model":"gpt","stream":true{given}}}'.encode())
    assert not parsed.include_usage
    assert json.loads(passthrough.edited(parsed, "gpt", ASKS))["stream_options"] == wanted
    assert passthrough.edited(parsed, "gpt", Capabilities(stream_usage=False)) is parsed.raw


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"  ", None),
        (b"[]", None),
        (b'{"model":', None),
        (b'{"model":"\xff"}', "model"),
        (b"{}", "model"),
        (b'{"model":""}', "model"),
        (b'{"model":7}', "model"),
        (b'{"model":"m","stream":"yes"}', "stream"),
        (b'{"model":"m","stream":true,"stream_options":[]}', "stream_options"),
    ],
)
def test_a_malformed_request_names_the_field_at_fault(body, param):
    with pytest.raises(MalformedRequest) as caught:
        passthrough.parse(body)
    assert caught.value.param == param


# --- whole answers -----------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["\n\n", "\r\n\r\n"])
@pytest.mark.parametrize("end", ["", "data: [DONE]"])
@pytest.mark.parametrize("size", [10, passthrough.LAST_LOOK - 30, passthrough.LAST_LOOK, 100_000])
def test_an_error_of_any_length_is_seen_behind_other_events(size, end, ending):
    told = b'data: {"error":{"message":"%s"}}\n\n' % (b"x" * size)
    last = f"{end}\n\n".encode() if end else b""
    watch = Watch()
    watch.feed((event(choices=choice("a")) * 500 + told + last).replace(b"\n\n", ending.encode()))
    assert watch.has_failed


@pytest.mark.parametrize("size", [0, 100, passing.TEXT_LOOK - 30, 3 * passing.TEXT_LOOK])
def test_a_body_that_is_no_text_is_malformed_wherever_it_is_none(size):
    begun, end = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * size, b'"}]}'
    for good in ("é", "🙂" * 40, "\u2028"):
        assert passthrough.parse(begun + good.encode() + end).model == "m"
    for bad in (b"\xff", "🙂".encode()[:3], b"\xed\xa0\x80", "Grüße".encode("latin-1")):
        with pytest.raises(MalformedRequest, match="not UTF-8") as caught:
            passthrough.parse(begun + bad + end)
        assert caught.value.param == "messages"


def test_a_whole_answer_is_read_for_usage_and_error():
    usage, is_error = passthrough.read_answer(json.dumps({"usage": USAGE}).encode())
    assert usage is not None
    assert (usage.input_total, is_error) == (9, False)
    assert passthrough.read_answer(b'{"error":{"message":"x"}}') == (None, True)
    assert passthrough.read_answer(b'{"error":null}') == (None, False)


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'"x"', b"{", b'{"model":"\xff"}'])
def test_an_answer_that_is_no_json_object_breaks_the_protocol(body):
    with pytest.raises(UpstreamProtocolError):
        passthrough.read_answer(body)


def test_the_model_of_a_whole_answer_is_replaced_and_the_rest_kept():
    out = passthrough.with_model(b'{"model":"up","x": 1e3,"usage":{"a": 1}}', 'al"ias')
    assert json.loads(out)["model"] == 'al"ias'
    assert b'"x":1e3' in out.replace(b": ", b":")


@pytest.mark.parametrize(
    ("chunk", "is_error"),
    [
        (b'data: {"error":{"message":"x"}}\n\n', True),
        (b'event: error\ndata: {"error":{"message":"x"}}\n\n', True),
        (b': ping\n\n{"error":{"message":"x"}}', True),
        (HEAD, False),
        (b'data: {"error"', False),
        (b"\n\n", False),
    ],
)
def test_a_stream_that_begins_with_an_error_is_told_from_one_that_does_not(chunk, is_error):
    assert (passthrough.leading_error(chunk) is not None) is is_error


@pytest.mark.parametrize(
    ("reasoning", "capabilities", "effort"),
    [
        (
            ReasoningConfig(mode="on", effort="max"),
            Capabilities(thinking_levels=("none", "low", "high")),
            "high",
        ),
        (ReasoningConfig(mode="on", effort="minimal"), Capabilities(thinking_levels=("none", "low")), "low"),
        (ReasoningConfig(mode="auto"), Capabilities(), None),
        (ReasoningConfig(mode="on", effort="high"), Capabilities(thinking="none"), None),
        (ReasoningConfig(mode="off"), Capabilities(thinking="none"), None),
    ],
    ids=["the nearest", "little is not none", "the model decides", "no thinking", "none of no thinking"],
)
def test_a_suffix_stands_in_place_of_the_clients_effort(reasoning, capabilities, effort):
    body = b'{"model":"m","messages":[],"reasoning_effort":"medium"}'
    out = json.loads(passthrough.edited(passthrough.parse(body), "up", capabilities, reasoning))
    assert out.get("reasoning_effort") == effort
