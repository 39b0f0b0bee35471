"""A finished answer as a stream again: every event is one of the SDK's, and together they say the answer."""

from __future__ import annotations

import json

import pytest
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState

from providers.translation.codecs.responses.replay import numbered, replayed
from tests.unit.providers.translation.codecs.responses.wire import SDK_EVENT

TEXT = {"type": "output_text", "text": "Hi é", "annotations": [], "logprobs": []}
CITATION = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 2}
ITEMS = {
    "text": {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [TEXT]},
    "cited": {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{**TEXT, "annotations": [CITATION]}, {"type": "refusal", "refusal": "No."}],
    },
    "thought": {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "Hm."}],
        "content": [{"type": "reasoning_text", "text": "Long."}],
        "encrypted_content": "x",
    },
    "call": {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "c1",
        "name": "f",
        "arguments": '{"a":1}',
        "status": "completed",
    },
    "empty call": {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": ""},
    "free-form": {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "f", "input": "ls"},
    "searched": {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "x"},
    },
}


TOLD = [*([item] for item in ITEMS.values()), [ITEMS["thought"], ITEMS["text"], ITEMS["call"]], []]


def response(*items, **fields):
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "m",
        "output": list(items),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
        **fields,
    }


@pytest.mark.parametrize("items", TOLD)
def test_the_sdk_reads_the_answer_out_of_its_events(items):
    answer = response(*items)
    events = list(numbered(answer))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    state = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in events:
        state.handle_event(SDK_EVENT.validate_python(event))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1] == {
        "type": "response.completed",
        "response": answer,
        "sequence_number": len(events) - 1,
    }
    assert events[0]["response"]["output"] == []
    added = [event["item"] for event in events if event["type"] == "response.output_item.added"]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == items
    assert [item["id"] for item in added] == [item["id"] for item in items]


@pytest.mark.parametrize("status", ["incomplete", "failed", "cancelled", None])
def test_an_answer_ends_as_it_ended(status):
    last = list(numbered(response(status=status)))[-1]
    assert last["type"] == ("response.incomplete" if status == "incomplete" else "response.failed")


def test_a_stream_goes_on_behind_the_number_that_the_client_has():
    answer = response(ITEMS["text"], ITEMS["call"])
    whole = replayed(answer)
    frames = whole.split(b"\n\n")[:-1]
    for seen in range(-1, len(frames)):
        assert replayed(answer, seen) == b"".join(frame + b"\n\n" for frame in frames[seen + 1 :])
    kind, _, data = frames[3].partition(b"\ndata: ")
    assert kind == b"event: " + json.loads(data)["type"].encode()


@pytest.mark.parametrize("output", [None, {}, [1, "x", None], [{"type": "message", "content": "x"}], [{}]])
def test_nothing_odd_in_a_kept_answer_breaks_it(output):
    assert b"response.completed" in replayed({**response(), "output": output})
