"""Streams on their way: what came before a failure is the client's, however the bytes were cut."""

from __future__ import annotations

import json

import pytest

from providers.errors import UpstreamError, UpstreamProtocolError, UpstreamRefused
from providers.translation.codec import AnswerContext
from providers.translation.names import IDENTITY
from providers.translation.passthrough import StreamWatch
from providers.translation.registry import CODECS, PASSTHROUGHS
from providers.upstream.read_answer import ReadAnswer
from providers.values import Format, Refusal, RefusalKind
from routing.proxy.delivery import Delivery, PassingStream, TranslatedStream

CONTEXT = AnswerContext(model="m", now=1, seed="ab", names=IDENTITY, stream=True)
ANSWER = ReadAnswer(200, {}, b"")


def text(words: str) -> bytes:
    body = {"choices": [{"index": 0, "delta": {"content": words}, "finish_reason": None}]}
    return f"data: {json.dumps(body)}\n\n".encode()


async def scripted(*steps):
    for step in steps:
        if isinstance(step, Exception):
            raise step
        yield step


def classified(error):
    return UpstreamRefused(Refusal(kind=RefusalKind.TRANSIENT, status=503, message=error.info.message))


async def translated(*steps) -> tuple[bytes, str]:
    """What the client got of a chat stream in Anthropic's form, and the failure."""
    chunks = scripted(*steps[1:])
    decoder, encoder = (
        CODECS[Format.OPENAI].stream_decoder(CONTEXT),
        CODECS[Format.CLAUDE].stream_encoder(CONTEXT),
    )
    stream = TranslatedStream(ANSWER, chunks, decoder, encoder, None, classified, Format.CLAUDE)
    await stream.begin(steps[0])
    return await until_failure(stream)


async def until_failure(stream: Delivery) -> tuple[bytes, str]:
    out = b""
    try:
        async for piece in stream.pieces():
            out += piece
    except UpstreamError as error:
        return out, str(error)
    raise AssertionError("the stream ended well")


@pytest.mark.parametrize("failure", [b"data: {broken\n\n", b'data: {"error":{"message":"no"}}\n\n'])
async def test_the_words_before_a_failure_in_one_read_reach_the_client(failure):
    together = await translated(text("a"), text("b") + text("c") + failure)
    apart = await translated(text("a"), text("b"), text("c"), failure)
    assert together == apart
    assert together[0].count(b"text_delta") == 3


async def test_a_connection_that_breaks_after_the_reason_is_a_failure():
    reason = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    out, failure = await translated(text("a"), reason, UpstreamProtocolError("cut off"))
    assert failure == "cut off"
    assert b"message_stop" not in out


def passing(watch: StreamWatch, *steps) -> PassingStream:
    return PassingStream(ANSWER, scripted(*steps[1:]), steps[0], watch, lambda _: None)


@pytest.mark.parametrize("edits", [False, True])
async def test_a_passing_stream_whose_body_ends_early_gives_what_came_and_fails(edits):
    passthrough = PASSTHROUGHS[Format.CLAUDE]
    parsed = passthrough.parse(b'{"model":"m","max_tokens":9,"messages":[]}')
    stream = passing(
        passthrough.watch(parsed, "m" if edits else None), b"event: ping\n", b'data: {"type":"ping"}'
    )
    out, failure = await until_failure(stream)
    assert failure == "the upstream's stream ended before the answer did"
    assert out.strip() == b'event: ping\ndata: {"type":"ping"}'


async def test_what_the_client_cannot_see_is_named():
    item = {"type": "mcp_call", "id": "mcp_1", "name": "t", "arguments": "{}", "server_label": "s"}
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    over = {"type": "response.completed", "response": {"status": "completed", "output": [item]}}
    events = "".join(f"data: {json.dumps(one)}\n\n" for one in (done, over)).encode()
    decoder = CODECS[Format.RESPONSES].stream_decoder(CONTEXT)
    encoder = CODECS[Format.CLAUDE].stream_encoder(CONTEXT)
    stream = TranslatedStream(ANSWER, scripted(), decoder, encoder, None, classified, Format.CLAUDE)
    await stream.begin(events)
    assert [piece async for piece in stream.pieces()]
    assert stream.dropped == ("answer.mcp_call",)
