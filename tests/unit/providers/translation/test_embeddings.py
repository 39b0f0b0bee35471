from __future__ import annotations

import json

import pytest

from providers.errors import ClientError, UpstreamProtocolError
from providers.translation import embeddings

VECTOR = [0.5, -1.25, 3.0]


def test_packing_is_little_endian_float32_and_reversible():
    assert embeddings.pack([1.0]) == "AACAPw=="
    assert embeddings.unpack(embeddings.pack(VECTOR)) == VECTOR


@pytest.mark.parametrize("given", ["one", ["one"]])
def test_one_text_and_a_list_of_one_are_the_same(given):
    assert embeddings.decode_request({"input": given}).texts == ("one",)


@pytest.mark.parametrize("given", [[1, 2], [[1, 2], [3]], ["a", 1]])
def test_tokens_are_no_texts(given):
    assert embeddings.decode_request({"input": given}).texts is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": 3}, "input"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": True}, "dimensions"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
    ],
)
def test_a_bad_request_names_its_field(body, param):
    with pytest.raises(ClientError) as refused:
        embeddings.decode_request(body)
    assert refused.value.param == param


def test_a_tuned_model_keeps_its_collection():
    body = json.loads(embeddings.encode_gemini_request(("a",), "tunedModels/x", None))
    assert body["requests"] == [{"model": "tunedModels/x", "content": {"parts": [{"text": "a"}]}}]


def test_geminis_counts_become_usage_when_it_tells_them():
    raw = b'{"embeddings":[{"values":[1,2]}],"usageMetadata":{"promptTokenCount":6}}'
    assert embeddings.decode_gemini_answer(raw, 1) == ([[1.0, 2.0]], 6)
    answer = json.loads(embeddings.encode_answer([[1.0]], "m", 6, is_base64=False))
    assert answer["usage"] == {"prompt_tokens": 6, "total_tokens": 6}


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b'{"embeddings":[]}', b'{"embeddings":[{"values":["a"]}]}', b"\xff"]
)
def test_what_holds_no_embeddings_breaks_the_protocol(raw):
    with pytest.raises(UpstreamProtocolError):
        embeddings.decode_gemini_answer(raw, 1)


@pytest.mark.parametrize("is_base64", [True, False])
def test_vectors_are_respelled_only_when_need_be(is_base64):
    packed, plain = (
        json.dumps({"object": "list", "data": [{"object": "embedding", "embedding": value}]}).encode()
        for value in (embeddings.pack(VECTOR), VECTOR)
    )
    wanted, other = (packed, plain) if is_base64 else (plain, packed)
    assert embeddings.respelled(wanted, is_base64=is_base64) is wanted
    assert json.loads(embeddings.respelled(other, is_base64=is_base64)) == json.loads(wanted)


@pytest.mark.parametrize("body", [b'{"embedding": [', b'{"data":[{"embedding":["a"]}]}'])
def test_a_broken_answer_breaks_the_protocol(body):
    with pytest.raises(UpstreamProtocolError):
        embeddings.respelled(body, is_base64=True)


@pytest.mark.parametrize("text", ["?", "AAA=", "AAAA"])
def test_what_is_no_packed_vector_breaks_the_protocol(text):
    with pytest.raises(UpstreamProtocolError):
        embeddings.unpack(text)
