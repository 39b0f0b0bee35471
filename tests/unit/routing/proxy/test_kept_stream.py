from __future__ import annotations

import json

import pytest

from providers.errors import UpstreamError
from providers.translation.model import Usage
from routing.proxy.kept_stream import HeadListener, KeptStream, WholeListener

ITEM = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Grüße\u2028"}]}


def event(kind, **fields):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n".encode()


def read(listener):
    """The response that was found, decoded."""
    return json.loads(listener.response or b"null")


def stream(output, ending="response.completed"):
    opening = {"id": "resp_1", "output": []}
    return (
        event("response.created", response=opening)
        + event("response.output_text.delta", delta='"response.completed"')
        + event("response.output_item.done", item=ITEM)
        + event(ending, response={**opening, "output": output})
    )


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_answer_is_found_however_the_stream_is_cut(size):
    data = stream([ITEM])
    listener = WholeListener()
    for start in range(0, len(data), size):
        listener.feed(data[start : start + size])
    assert read(listener)["output"] == [ITEM]


def test_an_answer_without_output_is_put_together_from_its_items():
    listener = WholeListener()
    listener.feed(stream([], "response.incomplete"))
    assert read(listener)["output"] == [ITEM]


def test_the_last_event_may_lack_its_blank_line():
    listener = WholeListener()
    listener.feed(stream([ITEM])[:-2])
    assert listener.response is None
    listener.close()
    assert read(listener)["id"] == "resp_1"


@pytest.mark.parametrize("data", [b"", b"data: {\n\n", b"data: \xff\n\n", b"data: []\n\n", b"\n\n\n"])
def test_nonsense_leaves_nothing(data):
    for listener in (WholeListener(), HeadListener()):
        listener.feed(data)
        listener.feed(data)
        listener.close()
        assert listener.response is None


def test_a_failed_answer_is_not_kept():
    listener = WholeListener()
    listener.feed(stream([], "response.failed"))
    listener.close()
    assert listener.response is None


def test_the_head_is_the_first_event_alone():
    listener = HeadListener()
    for byte in stream([ITEM]):
        listener.feed(bytes([byte]))
    assert read(listener) == {"id": "resp_1", "output": []}


class Played:
    """A stream of given pieces."""

    content_type = "text/event-stream"
    usage: Usage | None = None
    is_final = False
    has_failed = False
    failure: UpstreamError | None = None
    dropped = ()

    def __init__(self, pieces):
        self._pieces = pieces

    async def pieces(self):
        for place, piece in enumerate(self._pieces, 1):
            self.is_final = place == len(self._pieces)
            yield piece

    def error(self, info):
        return b""

    async def close(self):
        return None


async def test_the_last_piece_waits_until_the_answer_is_kept():
    data = stream([ITEM])
    order = []

    async def keep(response):
        order.append(json.loads(response)["id"])

    passing = KeptStream(Played([data[:50], data[50:]]), WholeListener(), keep)
    async for piece in passing.pieces():
        order.append(len(piece))
        assert passing.is_final == (len(order) > 1)
    assert order == [50, "resp_1", len(data) - 50]
