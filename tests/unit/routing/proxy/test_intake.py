"""The request body: whole, or refused as soon as it is known to be too large."""

from __future__ import annotations

import gzip
import zlib

import pytest

from providers.errors import ClientError
from routing.proxy.intake import BodyTooLarge, ClientGone, UnknownEncoding, read_body

GONE = {"type": "http.disconnect"}


def receive(*messages):
    waiting = iter(messages)

    async def next_message():
        return next(waiting)

    return next_message


def part(body, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize(
    ("messages", "body"),
    [
        ([part(b"abc")], b"abc"),
        ([part(b"a", True), part(b"b", True), part(b"c")], b"abc"),
        ([part(b"", True), part(b"abc")], b"abc"),
        ([{"type": "http.request"}], b""),
    ],
)
async def test_a_body_within_the_limit_is_whole(messages, body):
    assert await read_body(receive(*messages), {}, 3) == body


async def test_a_length_over_the_limit_is_refused_before_anything_is_read():
    with pytest.raises(BodyTooLarge) as caught:
        await read_body(receive(), {"content-length": "4"}, 3)
    assert (caught.value.client_status, caught.value.code) == (413, "request_too_large")
    assert "3 bytes" in caught.value.message


@pytest.mark.parametrize(
    "messages", [[part(b"abcd")], [part(b"ab", True), part(b"cd", True)], [part(b"abcd", True), part(b"")]]
)
async def test_a_body_that_grows_over_the_limit_is_refused(messages):
    with pytest.raises(BodyTooLarge):
        await read_body(receive(*messages), {"content-length": "nonsense"}, 3)


@pytest.mark.parametrize("messages", [[GONE], [part(b"a", True), GONE]])
async def test_a_client_that_leaves_meanwhile_is_gone(messages):
    with pytest.raises(ClientGone):
        await read_body(receive(*messages), {}, 3)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("identity", b"abc"),
        ("", b"abc"),
        ("gzip", gzip.compress(b"abc", mtime=0)),
        ("GZIP", gzip.compress(b"abc", mtime=0)),
        ("x-gzip", gzip.compress(b"abc", mtime=0)),
        ("deflate", zlib.compress(b"abc")),
    ],
)
async def test_a_compressed_body_is_read(encoding, packed):
    assert await read_body(receive(part(packed)), {"content-encoding": encoding}, 99) == b"abc"


async def test_a_small_body_that_becomes_a_large_one_is_refused():
    bomb = gzip.compress(bytes(10_000_000))
    with pytest.raises(BodyTooLarge):
        await read_body(receive(part(bomb)), {"content-encoding": "gzip"}, 100_000)


@pytest.mark.parametrize("packed", [b"", b"abc", gzip.compress(b"abc", mtime=0)[:-9]])
async def test_what_does_not_decompress_is_the_clients_fault(packed):
    with pytest.raises(ClientError):
        await read_body(receive(part(packed)), {"content-encoding": "gzip"}, 99)


async def test_an_encoding_that_nobody_here_knows_is_named():
    with pytest.raises(UnknownEncoding, match="zstd"):
        await read_body(receive(part(b"abc")), {"content-encoding": "zstd"}, 99)
