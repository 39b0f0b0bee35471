"""A Responses stream put right: an empty output filled, the opening held, all else as it came."""

import json

import pytest

from providers.adapters.response_events import ResponseRepair


def sse(kind, **fields):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


ITEMS = [{"type": "message", "id": "msg_1"}, {"type": "reasoning", "id": "rs_1"}]
CREATED = sse("response.created", response={"id": "r"})
STREAM = (
    CREATED
    + sse("response.output_item.done", output_index=1, item=ITEMS[0])
    + sse("response.output_item.done", output_index=0, item=ITEMS[1])
    + sse("response.completed", response={"id": "r", "output": []})
)


def repaired(stream, size=10_000, **switches):
    repair = ResponseRepair(**switches)
    pieces = [repair.feed(stream[i : i + size]) for i in range(0, len(stream), size)]
    return b"".join([*pieces, repair.close()])


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("holds", [False, True])
def test_an_empty_output_is_filled_with_the_items_that_came(size, holds):
    out = repaired(STREAM, size, holds=holds)
    events = [json.loads(line[6:]) for line in out.decode().splitlines() if line.startswith("data: ")]
    assert events[-1]["response"] == {"id": "r", "output": [ITEMS[1], ITEMS[0]]}
    assert out.startswith(CREATED)
    assert len(events) == 4


@pytest.mark.parametrize(
    "stream",
    [
        sse("response.output_item.done", item=ITEMS[0]) + sse("response.completed", response={"output": [1]}),
        sse("response.completed", response={"output": []}),
        sse("response.output_text.delta", item_id="msg_1", delta="Hi"),
        b"data: response.completed nonsense\n\n",
        b"data: [1, 2]\n\ndata: 7\n\n",
        b": ping\n\n",
        b"data: cut in the mid",
    ],
)
@pytest.mark.parametrize("holds", [False, True])
def test_other_streams_pass_as_they_are(stream, holds):
    assert repaired(stream, holds=holds) == stream


def test_the_opening_is_held_until_the_first_word():
    repair = ResponseRepair(holds=True)
    limits = sse("codex.rate_limits", primary={})
    assert repair.feed(CREATED + limits) == b""
    word = sse("response.output_text.delta", delta="Hi")
    assert repair.feed(word) == CREATED + limits + word
    assert repair.feed(CREATED) == CREATED


def test_an_overload_before_the_first_word_stands_alone():
    failed = sse("response.failed", response={"error": {"code": "server_is_overloaded"}})
    assert repaired(CREATED + failed, holds=True) == failed
    assert repaired(CREATED + failed) == CREATED + failed
    other = sse("response.failed", response={"error": {"code": "invalid_prompt"}})
    assert repaired(CREATED + other, holds=True) == CREATED + other


def test_an_endless_opening_is_not_held_for_ever():
    repair = ResponseRepair(holds=True)
    out = b"".join(repair.feed(CREATED) for _ in range(20))
    assert out == CREATED * 20


@pytest.mark.parametrize("size", [1, 10_000])
def test_an_event_that_was_cut_stays_open(size):
    stream = STREAM[: len(CREATED) + 90]
    assert repaired(stream, size) == stream
    assert repaired(stream[: len(CREATED) - 2], size).rstrip() == CREATED.rstrip()
