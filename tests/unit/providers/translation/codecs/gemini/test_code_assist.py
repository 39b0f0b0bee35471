"""The envelope of Code Assist, put on and taken off at any cut, and what antigravity wants inside."""

import json

import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.codecs.gemini.code_assist import (
    EventUnwrapper,
    session_number,
    unwrapped,
    with_answers_in_order,
    with_leading_user,
    with_plain_schemas,
    wrapped,
)

CALL = {"functionCall": {"id": "c1", "name": "look", "args": {}}}
OTHER_CALL = {"functionCall": {"id": "c2", "name": "read", "args": {}}}


def answer(call_id, **fields):
    return {"functionResponse": {"id": call_id, "response": {"ok": True}, **fields}}


def test_what_is_inside_keeps_its_bytes():
    body = b'{"contents":[{"parts":[{"text":"\\u00e9"}]}],"model":"gone","x":1.50}'
    sent = wrapped(body, {"project": "p", "model": "m"})
    assert b'"contents":[{"parts":[{"text":"\\u00e9"}]}],"x":1.50' in sent
    assert json.loads(sent)["request"].keys() == {"contents", "x"}


def test_an_answer_comes_out_of_its_envelope_and_an_error_stays():
    assert unwrapped(b'{"response":{"candidates":[]},"traceId":"t"}') == b'{"candidates":[]}'
    assert unwrapped(b'{"error":{"code":429}}') == b'{"error":{"code":429}}'


@pytest.mark.parametrize("body", [b"[]", b"nonsense", b"\xff", b""])
def test_what_is_no_object_is_the_upstreams_fault(body):
    with pytest.raises(UpstreamProtocolError):
        unwrapped(body)


def test_a_stream_fed_whole_and_byte_by_byte_is_the_same():
    events = [{"response": {"n": 1, "t": "ä"}}, {"response": {"n": 2}}, {"error": {"code": 500}}]
    stream = "".join(f"data: {json.dumps(event, ensure_ascii=False)}\r\n\r\n" for event in events).encode()
    whole = EventUnwrapper()
    expected = whole.feed(stream) + whole.close()
    single = EventUnwrapper()
    fed = b"".join(single.feed(stream[at : at + 1]) for at in range(len(stream))) + single.close()
    assert fed == expected
    assert [json.loads(block[6:]) for block in expected.decode().split("\n\n") if block] == [
        {"n": 1, "t": "ä"},
        {"n": 2},
        {"error": {"code": 500}},
    ]


def test_an_event_without_its_blank_line_comes_at_the_end():
    unwrapper = EventUnwrapper()
    assert unwrapper.feed(b'data: {"response":{"n":1}}') == b""
    assert unwrapper.close() == b'data: {"n":1}\n\n'


def test_a_session_is_the_same_through_a_conversation_and_another_for_another():
    first = [{"role": "user", "parts": [{"text": "Hello"}]}]
    later = [*first, {"role": "model", "parts": [{"text": "Hi"}]}, {"role": "user", "parts": [{"text": "?"}]}]
    number = session_number(first)
    assert number == session_number(later) != session_number([{"parts": [{"text": "Other"}]}])
    assert number.startswith("-")
    assert 0 < int(number[1:]) < 2**63


def test_a_conversation_that_the_model_begins_gets_a_user_before():
    spoken = [{"role": "model", "parts": [{"text": "Hi"}]}]
    assert with_leading_user(spoken)[0] == {"role": "user", "parts": [{"text": ""}]}
    assert with_leading_user([{"role": "user", "parts": []}]) == [{"role": "user", "parts": []}]
    assert with_leading_user(None) is None


def test_answers_stand_in_the_order_of_their_calls_with_their_names():
    contents = [
        {"role": "model", "parts": [CALL, OTHER_CALL]},
        {"role": "user", "parts": [answer("c2", name="read"), answer("c1")]},
        {"role": "user", "parts": [{"text": "and?"}]},
    ]
    edited = with_answers_in_order(contents)
    assert edited[1]["role"] == "model"
    assert [part["functionResponse"]["name"] for part in edited[1]["parts"]] == ["look", "read"]
    assert edited[2] == contents[2]
    assert contents[1]["role"] == "user"


def test_an_answer_to_no_known_call_is_kept():
    contents = [{"role": "user", "parts": [answer("c9", name="lost")]}]
    assert with_answers_in_order(contents)[0]["parts"] == contents[0]["parts"]


def test_schemas_of_tools_and_answer_become_the_plain_subset():
    body = {
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "look",
                        "parametersJsonSchema": {
                            "type": "object",
                            "properties": {"a": {"type": ["string", "null"], "$comment": "x"}},
                            "additionalProperties": False,
                        },
                    },
                    {"name": "bare"},
                ]
            },
            {"googleSearch": {}},
        ],
        "generationConfig": {"responseJsonSchema": {"type": "string", "const": "a"}, "topK": 3},
    }
    edited = with_plain_schemas(body)
    look, bare = edited["tools"][0]["functionDeclarations"]
    assert look["parameters"]["type"] == "OBJECT"
    assert "additionalProperties" not in json.dumps(look)
    assert "parametersJsonSchema" not in look
    assert bare == {"name": "bare"}
    assert edited["generationConfig"].keys() == {"responseSchema", "topK"}
