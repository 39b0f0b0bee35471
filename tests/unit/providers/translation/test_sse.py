"""Event streams, read at any cut, with every line ending and every oddity that providers send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import UpstreamProtocolError
from providers.translation.sse import SseEvent, SseReader, frame

STREAM = (
    "\ufeff: comment\n\nevent: a\ndata: Grüße 🙂\u2028\n\ndata:one\ndata: two\nid: 7\nretry: 1\n\n"
    "event: lonely\n\ndata\n\ndata: last"
).encode()
EVENTS = [
    SseEvent("a", "Grüße 🙂\u2028"),
    SseEvent(None, "one\ntwo"),
    SseEvent(None, ""),
    SseEvent(None, "last"),
]


def read(*chunks: bytes) -> list[SseEvent]:
    reader = SseReader()
    return [event for chunk in chunks for event in reader.feed(chunk)] + reader.close()


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_a_stream_reads_the_same_whole_byte_by_byte_and_cut_at_every_byte(ending):
    stream = STREAM.replace(b"\n", ending)
    assert read(stream) == EVENTS
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == EVENTS
    for at in range(len(stream)):
        assert read(stream[:at], stream[at:]) == EVENTS


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), max_size=5))
def test_what_frame_writes_is_read_back(texts):
    stream = b"".join(frame(text.encode(), "n") for text in texts)
    assert read(stream) == [SseEvent("n", text) for text in texts]


def test_an_event_past_the_limit_breaks_the_protocol():
    for stream in (b"data: " + b"x" * 40, b"data: 123456789\n" * 4):
        with pytest.raises(UpstreamProtocolError, match="more than 30 bytes"):
            SseReader(limit=30).feed(stream)


def test_bytes_that_are_not_utf8_break_the_protocol():
    with pytest.raises(UpstreamProtocolError, match="not UTF-8"):
        read(b"data: \xff\n\n")


def test_an_empty_stream_has_no_event():
    assert read() == read(b"") == read(b"\n\n\n") == []


BLOCKS = [
    "data: x", "event: n\ndata: {}", "data:x", "data: ", "data:", "data", "event: n\ndata: ", "event: n",
    "event: \ndata: x", "data: a\ndata: b", "event: n\ndata: a\ndata: b", "data: x\nevent: late", ": c",
    "data: event: n\ndata: y", "event: a\nevent: b\ndata: x", "data:  two spaces", "event:n\ndata: x",
    "id: 1\ndata: x", "x\ndata: y", "data: \u2028\x0b\x0c\x85", "", "\ndata: z",
]  # fmt: skip


@given(st.lists(st.sampled_from(BLOCKS), max_size=6))
def test_events_that_come_together_are_read_as_those_that_come_alone(blocks):
    """Together the usual ones are read by one expression; others beside them must change nothing."""
    alone = [event for block in blocks for event in read(f"{block}\n: not usual\n\n".encode())]
    assert read(*(f"{block}\n\n".encode() for block in blocks)) == alone
    assert read("".join(f"{block}\n\n" for block in blocks).encode()) == alone
