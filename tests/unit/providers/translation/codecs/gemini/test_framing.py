"""A stream as one JSON array: written element by element, read at any cut."""

from __future__ import annotations

import json

import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.codecs.gemini.framing import ArrayReader, ArrayWriter

CHUNKS = [{"a": ']}{[ \\" 👋', "b": [{"c": []}]}, {}, {"d": 'x"y'}]


def read(reader, *pieces):
    return [json.loads(event.data) for piece in pieces for event in reader.feed(piece)]


@pytest.mark.parametrize("indent", [None, 2])
def test_elements_are_found_at_any_cut(indent):
    whole = json.dumps(CHUNKS, indent=indent, ensure_ascii=False).encode()
    for at in range(len(whole) + 1):
        reader = ArrayReader()
        assert read(reader, whole[:at], whole[at:]) == CHUNKS
        assert reader.close() == []
    assert read(ArrayReader(), *(whole[at : at + 1] for at in range(len(whole)))) == CHUNKS


def test_an_element_is_one_line():
    reader = ArrayReader()
    (event,) = reader.feed(b'[{"a":\r\n1}')
    assert event.data.splitlines() == [event.data]


def test_an_array_that_stops_early_is_cut():
    for cut in (b"[", b'[{"a"', b'[{"a":1}', b'[{"a":1},'):
        reader = ArrayReader()
        reader.feed(cut)
        with pytest.raises(UpstreamProtocolError, match="ended before"):
            reader.close()


def test_an_element_is_bounded():
    with pytest.raises(UpstreamProtocolError, match="more than 10 bytes"):
        ArrayReader(limit=10).feed(b'[{"a":"0123456789')


def test_bytes_that_are_not_text_are_an_error_of_the_upstream():
    with pytest.raises(UpstreamProtocolError, match="UTF-8"):
        ArrayReader().feed(b'[{"a":"\xff"}]')


def test_what_is_written_is_an_array_also_when_it_is_empty():
    writer = ArrayWriter()
    text = writer.element(b"{}") + writer.element(b"[]") + writer.close() + writer.close()
    assert json.loads(text) == [{}, []]
    assert ArrayWriter().close() == b"[]"
