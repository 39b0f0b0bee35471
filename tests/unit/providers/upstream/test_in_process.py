import json

import pytest

from providers.adapters.base import Call
from providers.adapters.demo import Demo
from providers.errors import UpstreamProtocolError
from providers.upstream.in_process import InProcessAnswer
from tests.unit.providers.adapters.makers import make_credential


def answer_to(body, *, stream):
    call = Call(
        credential=make_credential("demo"), model="demo", body=json.dumps(body).encode(), stream=stream
    )
    return InProcessAnswer.to(Demo().request(call), Demo())


async def test_a_whole_answer_is_json():
    answer = answer_to({"model": "demo"}, stream=False)
    assert (answer.status, answer.headers) == (200, {"content-type": "application/json"})
    assert json.loads(await answer.read())["model"] == "demo"


async def test_a_stream_comes_in_pieces():
    answer = answer_to({"model": "demo", "stream": True, "max_tokens": 2}, stream=True)
    assert answer.headers["content-type"] == "text/event-stream"
    pieces = [piece async for piece in answer.chunks()]
    assert len(pieces) == 5
    assert pieces[-1] == b"data: [DONE]\n\n"


async def test_a_closed_answer_ends():
    answer = answer_to({"stream": True}, stream=True)
    pieces = []
    async for piece in answer.chunks():
        pieces.append(piece)
        await answer.close()
        break
    assert len(pieces) == 1
    assert await answer.read() == b""


async def test_an_answer_past_the_limit_is_an_error():
    with pytest.raises(UpstreamProtocolError, match="longer than 10 bytes"):
        await answer_to({}, stream=False).read(10)
