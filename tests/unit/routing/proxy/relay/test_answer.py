from __future__ import annotations

import pytest

from providers.translation.model import Usage
from routing.proxy.relay.answer import PassingAnswer, read_usage, usage_in


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        (b'{"prompt_tokens":7,"total_tokens":7}', Usage(input_total=7, total=7)),
        (
            b'{"type":"tokens","input_tokens":4,"output_tokens":9,"total_tokens":13}',
            Usage(input_total=4, output_total=9, total=13),
        ),
        (b'{"total_tokens":5}', Usage(input_total=5, total=5)),
        (b'{"type":"duration","seconds":3}', None),
        (b"null", None),
        (b'{"prompt_tokens":"many"}', None),
        (b"[1]", None),
    ],
)
def test_usage_is_read_in_every_spelling(raw, usage):
    assert read_usage(raw) == usage
    assert usage_in(b'{"data":[],"usage":' + raw + b"}") == usage


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{", b"[" * 5000, b'{"x":1}'])
def test_a_body_without_usage_has_none(body):
    assert usage_in(body) is None


class Chunks:
    status = 200
    has_arrived = True
    headers = {"content-type": "text/event-stream", "content-length": "9", "server": "x"}

    @property
    def media_type(self):
        return self.headers["content-type"]

    def all_headers(self):
        return list(self.headers.items())

    async def chunks(self):
        yield b""

    async def read(self, limit=0):
        return b""

    async def close(self):
        return None


async def rest(*pieces):
    for piece in pieces:
        yield piece


@pytest.mark.parametrize("size", [1, 10, 10_000])
async def test_the_last_usage_of_an_event_stream_counts(size):
    data = b'data: {"usage": {"input_tokens": 1}}\n\n' + b"data: x\n\n" * 500
    data += b'data: {"usage":{"input_tokens":3,"output_tokens":4,"d":{"a":{}}},"z":1}\n\n'
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    answer = PassingAnswer(Chunks(), rest(*pieces[1:]), pieces[0])
    assert b"".join([piece async for piece in answer.pieces()]) == data
    assert answer.usage == Usage(input_total=3, output_total=4)
    assert answer.headers() == [(b"content-type", b"text/event-stream")]


async def test_a_usage_that_was_cut_is_none():
    answer = PassingAnswer(Chunks(), rest(), b'data: {"usage":{"input_tokens":3')
    assert [piece async for piece in answer.pieces()]
    assert answer.usage is None
