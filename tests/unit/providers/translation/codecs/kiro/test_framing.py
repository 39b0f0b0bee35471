"""The event stream: whole, byte by byte, cut at every byte, and with every byte damaged."""

import struct
from zlib import crc32

import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.codecs.kiro.framing import EXCEPTION, EventStreamReader
from providers.translation.sse import SseEvent
from tests.unit.providers.translation.codecs.kiro.wire import (
    HELLO,
    event,
    exception,
    message,
    said,
    text_header,
)

STREAM = b"".join(HELLO)


def read(*pieces):
    reader = EventStreamReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.close()


def test_an_event_has_the_name_of_its_type_and_its_payload():
    assert read(said("Hi")) == [SseEvent("assistantResponseEvent", '{"content": "Hi"}')]


def test_a_stream_reads_the_same_whole_and_byte_by_byte():
    whole = read(STREAM)
    assert [event.name for event in whole] == [
        "assistantResponseEvent", "assistantResponseEvent", "metadataEvent", "messageStopEvent",
    ]  # fmt: skip
    assert read(*(STREAM[i : i + 1] for i in range(len(STREAM)))) == whole
    for size in (7, 16, 100):
        assert read(*(STREAM[i : i + size] for i in range(0, len(STREAM), size))) == whole


def test_a_cut_anywhere_but_between_messages_is_an_error():
    boundaries = {sum(len(one) for one in HELLO[:n]) for n in range(len(HELLO) + 1)}
    for cut in range(len(STREAM) + 1):
        if cut in boundaries:
            read(STREAM[:cut])
        else:
            with pytest.raises(UpstreamProtocolError):
                read(STREAM[:cut])


def test_no_damaged_byte_is_read_past():
    frame = said("Hello")
    for at in range(len(frame)):
        for bit in (1, 128):
            damaged = bytearray(frame)
            damaged[at] ^= bit
            with pytest.raises(UpstreamProtocolError, match=r"checksum|cut inside|impossible"):
                read(bytes(damaged) + said("more"))


@pytest.mark.parametrize(
    ("total", "headers"),
    [(15, 0), (0, 0), (2**31, 0), (16, 1), (200_000, 131_073), (17 * 1024 * 1024, 0)],
)
def test_an_impossible_length_is_refused_before_anything_is_held(total, headers):
    prelude = struct.pack(">II", total, headers)
    with pytest.raises(UpstreamProtocolError, match="impossible length"):
        read(prelude + struct.pack(">I", crc32(prelude)))


def test_an_exception_and_an_error_are_told_from_events():
    assert read(exception("ThrottlingException", message="Slow"))[0].name == f"{EXCEPTION}ThrottlingException"
    headers = (
        text_header(":message-type", "error")
        + text_header(":error-code", "InternalError")
        + text_header(":error-message", "Broken")
    )
    assert read(message(headers, b"")) == [SseEvent(f"{EXCEPTION}InternalError", "Broken")]


def test_headers_of_every_type_are_stepped_over():
    others = b"".join(
        bytes([1]) + b"x" + bytes([kind]) + value
        for kind, value in [
            (0, b""), (1, b""), (2, b"\x01"), (3, b"\0\x01"), (4, b"\0" * 4), (5, b"\0" * 8),
            (6, b"\0\x03abc"), (8, b"\0" * 8), (9, b"\0" * 16),
        ]
    )  # fmt: skip
    headers = others + text_header(":event-type", "e") + text_header(":message-type", "event")
    assert read(message(headers, b"{}")) == [SseEvent("e", "{}")]


@pytest.mark.parametrize("headers", [b"\x05ab", b"\x01x\x0a", b"\x01x\x07\0\x09ab", b"\x01x", b"\x01x\x05\0"])
def test_headers_that_are_none_are_an_error(headers):
    with pytest.raises(UpstreamProtocolError, match="header"):
        read(message(headers, b"{}"))


def test_a_payload_that_is_no_text_is_an_error():
    with pytest.raises(UpstreamProtocolError, match="UTF-8"):
        read(message(text_header(":event-type", "e"), b"\xff\xfe"))


def test_a_message_without_a_type_and_payload_says_nothing():
    assert read(message(b"", b"")) == []


def test_large_messages_come_through():
    text = "ä" * 500_000
    (one,) = read(event("assistantResponseEvent", content=text))
    assert text in one.data
