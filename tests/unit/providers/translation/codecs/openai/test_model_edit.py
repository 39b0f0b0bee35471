"""The model's name in a passing stream: replaced in its own place alone, however the events are spelled."""

from __future__ import annotations

import json

import pytest

from providers.translation.codecs.openai.model_edit import ModelEdit

DONE = b"data: [DONE]\n\n"


def event(value: object, *, compact: bool = False) -> bytes:
    text = json.dumps(value, separators=(",", ":")) if compact else json.dumps(value)
    return b"data: " + text.encode() + b"\n\n"


def chunk(text: str, model: str = "up", **more: object) -> dict[str, object]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": model,
        "choices": [choice],
        **more,
    }


def told(stream: bytes) -> list[object]:
    lines = [line[5:].strip() for line in stream.splitlines() if line.startswith(b"data:")]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


@pytest.mark.parametrize("compact", [True, False])
def test_every_event_of_every_read_is_renamed_and_nothing_else_changes(compact):
    edit = ModelEdit('my "alias"')
    texts = ["a", '"model": "up"', 'data: {"id": "c", "model": "up"', "\n\n", "ü"]
    for _ in range(3):
        read = b"".join(event(chunk(text), compact=compact) for text in texts)
        assert told(edit.edited(read)) == [chunk(text, 'my "alias"') for text in texts]
    last = event(chunk("end"), compact=compact) + DONE
    assert edit.edited(last).endswith(b"\n\n" + DONE)
    assert told(edit.edited(last)) == [chunk("end", 'my "alias"')]
    assert edit.edited(DONE) == DONE


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": [{"delta": {"model": "up"}}], "model": "up", "id": "c"},
        {"usage": {"model": "up"}, "id": "c", "model": "up"},
        {"kind": "model", "model": "up"},
        {'a"b': 'model":"up', "model": "up"},
        {"id": 'c\\"', "model": "up"},
        {"model": "up"},
        {"x": None, "y": -1.5e3, "z": True, "model": "up"},
    ],
)
def test_the_name_is_found_wherever_it_stands(odd):
    edit = ModelEdit("alias")
    for read in (event(odd), event(chunk("a")) + event(odd) + event(chunk("b")), event(odd, compact=True)):
        expected = [{**value, "model": "alias"} for value in told(read)]  # type: ignore[dict-item]  # objects
        assert told(edit.edited(read)) == expected


def test_what_names_no_model_or_is_broken_passes_as_it_came():
    edit = ModelEdit("alias")
    edit.edited(event(chunk("a")))
    for read in (
        b": ping\n\n",
        event({"error": {"model": "up"}}),
        b'data: {"model"\n\n',
        b"data: 7\n\n",
        b"",
    ):
        assert edit.edited(read) == read
    mixed = event(chunk("a")) + b": ping\n\n" + event(chunk("b", "other")) + event(chunk("c"))
    assert [value["model"] for value in told(edit.edited(mixed))] == ["alias"] * 3  # type: ignore[index]  # objects


def test_other_line_ends_and_event_names():
    edit = ModelEdit("alias")
    edit.edited(event(chunk("a")))
    read = event(chunk("b")).replace(b"\n", b"\r\n") + b"event: x\n" + event(chunk("c"))
    assert [value["model"] for value in told(edit.edited(read))] == ["alias"] * 2  # type: ignore[index]  # objects
