"""All sixteen pairs, driven by the vendors' SDKs."""

from __future__ import annotations

import pytest

from tests.integration.proxy.pairs.clients import PNG, RESULTS, TOOL, Failure, Question
from tests.integration.proxy.pairs.spoken import (
    CALLS,
    HELLO,
    LENGTH,
    STREAM,
    WHOLE,
    read_sent,
    refusal,
    stream_error,
)
from tests.integration.proxy.upstream_double import answers, streams

SHAPES = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def told(format_, said, *, stream):
    return streams(*STREAM[format_](said)) if stream else answers(body=WHOLE[format_](said))


def sent(upstream, format_):
    call = upstream.calls[-1]
    return read_sent(format_, call.path.partition("?")[0], call.json)


@SHAPES
async def test_a_text_is_asked_and_answered(client, spoken, offered, upstream, proxy, stream):
    offered(spoken)
    upstream.then(told(spoken, HELLO, stream=stream))
    heard = await client.ask(Question(), stream=stream)
    assert (heard.text, heard.calls, heard.stop) == (HELLO.text, [], "end")
    assert (heard.input, heard.output) == (HELLO.input, HELLO.output)
    asked = sent(upstream, spoken)
    assert asked.texts == ["Be brief.", "Hi there"]
    assert (asked.model, asked.stream) == ("up", stream)
    line = proxy.line
    assert (line.outcome, line.status, line.client_format) == ("ok", 200, client.format.value)
    assert (line.input_tokens, line.output_tokens) == (HELLO.input, HELLO.output)
    assert (line.route_model, line.upstream_model, line.is_stream) == ("m", "up", stream)


@SHAPES
async def test_parallel_calls_arrive_whole_and_in_order(client, spoken, offered, upstream, stream):
    offered(spoken)
    upstream.then(told(spoken, CALLS, stream=stream))
    heard = await client.ask(Question(with_tools=True), stream=stream)
    assert heard.text == CALLS.text
    assert heard.calls == [(name, value) for _, name, value in CALLS.calls]
    assert heard.stop == "calls"
    assert sent(upstream, spoken).tools == [TOOL[0]]


async def test_calls_and_their_results_go_up_in_order(client, spoken, offered, upstream):
    offered(spoken)
    upstream.then(told(spoken, HELLO, stream=False))
    await client.ask(Question(with_tools=True, with_history=True))
    asked = sent(upstream, spoken)
    assert asked.calls == [(TOOL[0], {"city": city}) for _, city, _ in RESULTS]
    assert asked.results == [result for _, _, result in RESULTS]
    assert all(call_id == answered for call_id, answered in asked.pairs)


async def test_an_image_goes_up_as_it_is(client, spoken, offered, upstream):
    offered(spoken)
    upstream.then(told(spoken, HELLO, stream=False))
    await client.ask(Question(with_image=True))
    assert sent(upstream, spoken).images == [PNG]


@SHAPES
async def test_a_cut_by_the_limit_is_told(client, spoken, offered, upstream, stream):
    offered(spoken)
    upstream.then(told(spoken, LENGTH, stream=stream))
    heard = await client.ask(Question(), stream=stream)
    assert (heard.text, heard.stop) == (LENGTH.text, "length")


@SHAPES
async def test_a_forced_alias_is_what_the_client_sees(client, spoken, offered, upstream, stream):
    offered(spoken, model="alias", force_mapping=True)
    upstream.then(told(spoken, HELLO, stream=stream))
    heard = await client.ask(Question(), stream=stream, model="alias")
    assert heard.model == "alias"


@SHAPES
async def test_a_refusal_of_the_request_arrives_with_its_words(
    client, spoken, offered, upstream, proxy, stream
):
    offered(spoken)
    upstream.then(answers(400, refusal(spoken, 400, "the field x is wrong")))
    with pytest.raises(Failure, match="the field x is wrong") as failure:
        await client.ask(Question(), stream=stream)
    assert failure.value.status == 400
    assert len(upstream.calls) == 1
    assert proxy.line.status == 400


async def test_a_spent_quota_arrives_as_429(client, spoken, offered, upstream):
    offered(spoken)
    upstream.then(answers(429, refusal(spoken, 429, "slow down"), {"retry-after": "7"}))
    with pytest.raises(Failure) as failure:
        await client.ask(Question())
    assert failure.value.status == 429


async def test_an_error_at_the_head_of_a_stream_is_an_http_error(client, spoken, offered, upstream):
    offered(spoken)
    upstream.then(streams(stream_error(spoken, "too busy")))
    with pytest.raises(Failure) as failure:
        await client.ask(Question(), stream=True)
    assert failure.value.status is not None
    assert failure.value.status >= 500


async def test_an_error_inside_a_stream_is_an_error_to_the_sdk(client, spoken, offered, upstream, proxy):
    offered(spoken)
    events = STREAM[spoken](HELLO)
    upstream.then(streams(*events[: len(events) // 2], stream_error(spoken, "too busy"), gap_s=0.002))
    with pytest.raises(Failure):
        await client.ask(Question(), stream=True)
    assert proxy.line.outcome == "cut"


@pytest.mark.parametrize(("share", "breaks"), [(0.3, False), (0.6, True), (1.0, True)])
async def test_a_cut_stream_is_an_error_and_never_a_clean_end(
    client, spoken, offered, upstream, proxy, share, breaks
):
    """Inside an event the body ends or the connection breaks; it breaks also behind the stop reason."""
    offered(spoken)
    whole = b"".join(STREAM[spoken](CALLS))
    end = int(len(whole) * share) - 5  # with all of it, inside the terminator: Gemini has none
    upstream.then(streams(whole[: end // 2], whole[end // 2 : end], gap_s=0.005, cut=breaks))
    with pytest.raises(Failure):
        await client.ask(Question(with_tools=True), stream=True)
    assert proxy.line.outcome == "cut"


async def test_the_answer_is_the_same_however_the_network_cuts_it(client, spoken, offered, upstream):
    offered(spoken)
    whole = b"".join(STREAM[spoken](CALLS))
    upstream.then(streams(*(whole[at : at + 7] for at in range(0, len(whole), 7))))
    heard = await client.ask(Question(with_tools=True), stream=True)
    assert heard.text == CALLS.text
    assert heard.calls == [(name, value) for _, name, value in CALLS.calls]


async def test_a_client_that_wants_no_stream_gets_a_whole_answer_from_a_streaming_upstream(
    client, spoken, offered, upstream, proxy
):
    offered(spoken)
    upstream.then(streams(*STREAM[spoken](CALLS)))
    heard = await client.ask(Question(with_tools=True))
    assert (heard.text, heard.stop) == (CALLS.text, "calls")
    assert heard.calls == [(name, value) for _, name, value in CALLS.calls]
    assert (heard.input, heard.output) == (CALLS.input, CALLS.output)
    assert proxy.line.output_tokens == CALLS.output


async def test_a_client_that_wants_a_stream_gets_one_from_an_upstream_that_never_streams(
    client, spoken, offered, upstream, proxy
):
    offered(spoken)
    upstream.then(answers(body=WHOLE[spoken](CALLS)))
    heard = await client.ask(Question(with_tools=True), stream=True)
    assert (heard.text, heard.stop) == (CALLS.text, "calls")
    assert heard.calls == [(name, value) for _, name, value in CALLS.calls]
    assert proxy.line.output_tokens == CALLS.output
