from __future__ import annotations

import json

import pytest

from providers.errors import ClientError, UpstreamProtocolError
from providers.translation import gemini_embeddings as wire
from providers.translation.embeddings import pack

ONE = {"content": {"parts": [{"text": "a"}]}}


def read(value, is_batch=True):
    return wire.decode_request(json.dumps(value).encode(), is_batch=is_batch)


def test_a_batch_is_a_list_of_texts():
    asked = read({"requests": [ONE, {"content": {"parts": [{"text": "b"}, {"text": "c"}]}}]})
    assert [one.text for one in asked.wanted] == ["a", "bc"]
    assert asked.dropped == ()


def test_sizes_and_wishes_are_read_in_every_spelling():
    for extra in (
        {"outputDimensionality": 3, "taskType": "X"},
        {"output_dimensionality": 3, "task_type": "X"},
        {"embedContentConfig": {"outputDimensionality": 3, "taskType": "X"}},
    ):
        asked = read({**ONE, **extra}, is_batch=False)
        assert (asked.wanted[0].dimensions, asked.dropped) == (3, ("taskType",))


def test_texts_of_one_size_share_a_request():
    sized = {**ONE, "outputDimensionality": 3}
    assert read({"requests": [ONE, sized, ONE]}).groups() == [(None, [0, 2]), (3, [1])]


@pytest.mark.parametrize(
    ("body", "is_batch"),
    [
        (b"", True),
        (b"[]", True),
        (b"[" * 100_000, True),
        (b"{}", True),
        (b"{}", False),
        (b'{"requests":{}}', True),
        (b'{"requests":[]}', True),
        (b'{"requests":[7]}', True),
        (b'{"content":{"parts":[]}}', False),
        (b'{"content":{"parts":[{"inlineData":{}}]}}', False),
        (b'{"content":{"parts":[{"text":"a"}]},"outputDimensionality":true}', False),
        (b'{"content":{"parts":[{"text":"a"}]},"outputDimensionality":0}', False),
    ],
)
def test_what_cannot_be_embedded_is_the_clients_fault(body, is_batch):
    with pytest.raises(ClientError):
        wire.decode_request(body, is_batch=is_batch)


def test_the_upstreams_model_is_named_and_the_rest_keeps_its_bytes():
    body = b'{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]},"x":1.0e3}]}'
    assert wire.named(body, "models/up", is_batch=True) == body.replace(b"models/m", b"models/up")
    single = b'{ "content":{"parts":[{"text":"a"}]} }'
    assert wire.named(single, "models/up", is_batch=False) == single


def answer(*embeddings, usage=None):
    data = [{"object": "embedding", "index": index, "embedding": one} for index, one in embeddings]
    return json.dumps({"object": "list", "data": data, "usage": usage}).encode()


def test_vectors_come_in_the_order_of_their_index():
    body = answer((1, [2.0]), (0, pack([1.0])), usage={"prompt_tokens": 7})
    assert wire.decode_openai_answer(body, 2) == ([[1.0], [2.0]], 7)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"data":[]}', answer((0, "!")), answer((0, {}))])
def test_another_answer_is_the_upstreams_fault(body):
    with pytest.raises(UpstreamProtocolError):
        wire.decode_openai_answer(body, 1)


def test_answers_have_the_shape_of_their_endpoint():
    assert json.loads(wire.encode_answer([[1.0]], None, is_batch=False)) == {"embedding": {"values": [1.0]}}
    batch = json.loads(wire.encode_answer([[1.0]], 7, is_batch=True))
    assert batch == {"embeddings": [{"values": [1.0]}], "usageMetadata": {"promptTokenCount": 7}}
