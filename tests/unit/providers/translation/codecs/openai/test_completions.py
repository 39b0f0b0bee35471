"""Legacy completions over chat."""

from __future__ import annotations

import json

import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.codec import MalformedRequest
from providers.translation.codecs.openai.completions import CompletionStream, read_completion, whole_answer


def read(**fields):
    return read_completion(json.dumps({"model": "m", **fields}).encode())


@pytest.mark.parametrize("prompt", [7, [], [1, 2], [[1], [2]], ["a", 1], {"a": 1}, ["x"] * 21], ids=repr)
def test_a_prompt_is_text_or_a_list_of_texts(prompt):
    with pytest.raises(MalformedRequest, match=r"prompt|Prompt"):
        read(prompt=prompt)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
def test_a_body_is_an_object(body):
    with pytest.raises(MalformedRequest, match="not a JSON object"):
        read_completion(body)


def test_chat_fields_go_along_and_the_others_are_named():
    completion = read(prompt="p", temperature=0.5, logprobs=3, best_of=2, stop=["x"], unheard_of=1)
    (chat,) = map(json.loads, completion.chats)
    assert chat == {
        "model": "m",
        "temperature": 0.5,
        "stop": ["x"],
        "max_tokens": 16,
        "messages": [{"role": "user", "content": "p"}],
    }
    assert completion.dropped == ("best_of", "logprobs")


def test_a_finish_that_is_no_legacy_finish_becomes_stop():
    answer = {"id": "chatcmpl-1", "choices": [{"message": {"content": None}, "finish_reason": "tool_calls"}]}
    body = json.loads(whole_answer(read(prompt="p"), [json.dumps(answer).encode()]))
    assert body["id"] == "cmpl-1"
    assert body["choices"] == [{"text": "", "index": 0, "logprobs": None, "finish_reason": "stop"}]


@pytest.mark.parametrize("answer", [b"[]", b"<html>"])
def test_nonsense_from_upstream_is_its_error(answer):
    with pytest.raises(UpstreamProtocolError):
        whole_answer(read(prompt="p"), [answer])


def test_usage_is_shown_to_who_asked_and_errors_to_all():
    chunk = b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n'
    error = b'data: {"error":{"message":"x"}}\n\n'
    asked = CompletionStream(read(prompt="p", stream_options={"include_usage": True}), 0)
    shown = json.loads(asked.feed(chunk)[6:])
    assert (shown["choices"], shown["usage"]) == ([], {"prompt_tokens": 1})
    assert asked.feed(error) + asked.close() == error


def test_the_prompt_is_echoed_once():
    stream = CompletionStream(read(prompt="p", echo=True), 0)
    out = [
        stream.feed(b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % text)
        for text in (b"a", b"b")
    ]
    assert [json.loads(piece[6:])["choices"][0]["text"] for piece in out] == ["pa", "b"]
