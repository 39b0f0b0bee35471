"""What a model's suffix asks for, and when a stream has begun."""

from __future__ import annotations

import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.codecs.openai.passthrough import effort_of
from routing.proxy.attempt import _first_of, reasoning_of


@pytest.mark.parametrize(
    ("suffix", "mode", "effort", "budget"),
    [
        ("high", "on", "high", None),
        (" XHigh ", "on", "xhigh", None),
        ("none", "off", None, None),
        ("0", "off", None, None),
        ("8192", "on", None, 8192),
        ("auto", "auto", None, None),
        ("-1", "auto", None, None),
    ],
)
def test_a_suffix_is_a_level_a_number_of_tokens_none_or_auto(suffix, mode, effort, budget):
    reasoning = reasoning_of(suffix)
    assert (reasoning.mode, reasoning.effort, reasoning.budget) == (mode, effort, budget)


@pytest.mark.parametrize(
    ("suffix", "change"),
    [
        ("auto", None),
        ("none", "none"),
        ("low", "low"),
        ("512", "minimal"),
        ("513", "low"),
        ("1024", "low"),
        ("8192", "medium"),
        ("24576", "high"),
        ("24577", "xhigh"),
    ],
)
def test_a_passed_chat_request_gets_the_level_that_is_meant(suffix, change):
    assert effort_of(reasoning_of(suffix)) == change


async def chunks(*pieces):
    for piece in pieces:
        yield piece


@pytest.mark.parametrize(
    ("pieces", "first"),
    [
        ((b"data: x\n\n", b"more"), b"data: x\n\n"),
        ((b": ping\n\n", b"\n", b"da", b"ta"), b": ping\n\n\nda"),
    ],
)
async def test_a_stream_begins_with_more_than_comments_and_blank_lines(pieces, first):
    assert await _first_of(chunks(*pieces)) == first


@pytest.mark.parametrize("pieces", [(), (b"",), (b": ping\n\n", b"\r\n")])
async def test_a_stream_of_comments_alone_is_empty(pieces):
    with pytest.raises(UpstreamProtocolError, match="empty stream"):
        await _first_of(chunks(*pieces))
