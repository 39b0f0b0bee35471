import json

import pytest

from providers.adapters.base import Call
from providers.adapters.demo import Demo
from tests.unit.providers.adapters.makers import make_credential

NOW = 1_700_000_000


def answer(**request):
    body = json.dumps({"model": "demo", **request}).encode()
    return list(Demo().answer(body, NOW, "abc"))


def whole(**request):
    ((_, body),) = answer(**request)
    return json.loads(body)


def frames(**request):
    pieces = [piece for _, piece in answer(stream=True, **request)]
    assert pieces[-1] == b"data: [DONE]\n\n"
    return [json.loads(piece.removeprefix(b"data: ")) for piece in pieces[:-1]]


def said(words):
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": words}]


def test_it_says_what_it_is_and_where_a_provider_is_added():
    text = whole(messages=said("Hello. What are you?"))["choices"][0]["message"]["content"]
    assert "no language model wrote this" in text
    assert "/admin/" in text
    assert "2 messages" in text
    assert "“What are you?”" in text


def test_a_stream_says_the_same_word_by_word():
    chunks = frames(messages=said("Hi!"))
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    plain = whole(messages=said("Hi!"))["choices"][0]["message"]["content"]
    assert text == plain.replace("in one piece", "streamed")
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert {chunk["id"] for chunk in chunks} == {"chatcmpl-demo-abc"}


def test_words_come_at_a_human_pace():
    delays = [delay for delay, piece in answer(stream=True, messages=said("Hi")) if b'"content":" ' in piece]
    assert delays
    assert all(0.03 <= delay <= 0.06 for delay in delays)


def test_usage_counts_words():
    usage = whole(messages=said("one two three"))["usage"]
    words = len(whole(messages=said("one two three"))["choices"][0]["message"]["content"].split())
    assert usage == {"prompt_tokens": 5, "completion_tokens": words, "total_tokens": 5 + words}


def test_a_stream_has_usage_when_asked_for():
    last = frames(messages=said("Hi"), stream_options={"include_usage": True})[-1]
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] > 0
    assert "usage" not in frames(messages=said("Hi"))[-1]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_limit_is_honoured(name):
    reply = whole(messages=said("Hi"), **{name: 5})
    assert len(reply["choices"][0]["message"]["content"].split()) == 5
    assert reply["choices"][0]["finish_reason"] == "length"
    assert reply["usage"]["completion_tokens"] == 5


def test_tools_are_mentioned_and_never_called():
    message = whole(messages=said("Hi"), tools=[{"type": "function"}])["choices"][0]["message"]
    assert "1 tool, which the demo never calls" in message["content"]
    assert "tool_calls" not in message


def test_parts_without_text_are_passed_over_and_a_long_sentence_is_cut():
    parts = [{"type": "image_url"}, {"type": "text", "text": "a" * 1000}]
    text = whole(messages=[{"role": "user", "content": parts}])["choices"][0]["message"]["content"]
    assert "a" * 279 + "…”" in text
    assert "a" * 280 not in text


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"messages": 5}', b'{"messages": [1, {"role": "user"}]}', b"\xff"]
)
def test_an_odd_body_gets_an_answer_too(body):
    ((_, reply),) = Demo().answer(body, NOW, "abc")
    assert "It held no words of yours" in json.loads(reply)["choices"][0]["message"]["content"]


def test_a_call_keeps_its_body_and_says_whether_it_streams():
    call = Call(credential=make_credential("demo", secret=""), model="demo", body=b"{}", stream=True)
    request = Demo().request(call)
    assert request.body == b"{}"
    assert ("accept", "text/event-stream") in request.headers
    assert Demo().models_request(call.credential) is None
