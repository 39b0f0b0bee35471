"""When a stream has begun."""

from __future__ import annotations

import pytest

from providers.errors import UpstreamProtocolError
from routing.proxy.attempt import _first_of


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
