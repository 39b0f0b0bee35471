"""Head and body leave together where both are there, and nobody waits for what is not."""

from __future__ import annotations

import asyncio

import pytest

from cliproxy_site.servers.one_write import HeadWithBody

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Wire(asyncio.Transport):
    """The far end of a connection: what reached it, by system call."""

    def __init__(self):
        super().__init__()
        self.sent = []
        self.is_shut = False

    def write(self, data):
        self.sent.append(bytes(data))

    def writelines(self, pieces):
        self.sent.append(b"".join(pieces))

    def is_closing(self):
        return self.is_shut

    def close(self):
        self.is_shut = True

    def get_extra_info(self, name, default=None):
        return {"peername": ("127.0.0.1", 1)}.get(name, default)


@pytest.fixture
async def wire():
    return Wire()


@pytest.fixture
async def transport(wire):
    return HeadWithBody(wire, asyncio.get_running_loop())


async def test_a_head_and_what_follows_are_one_write(wire, transport):
    transport.write(HEAD)
    transport.write(b"body")
    transport.write(b"more")
    await asyncio.sleep(0)
    assert wire.sent == [HEAD + b"body", b"more"]


async def test_a_head_alone_leaves_with_the_next_turn(wire, transport):
    transport.write(HEAD)
    assert wire.sent == []
    await asyncio.sleep(0)
    assert wire.sent == [HEAD]
    transport.write(b"late")
    assert wire.sent == [HEAD, b"late"]


async def test_two_heads_in_a_row_keep_their_order(wire, transport):
    transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    transport.write(HEAD)
    transport.write(b"body")
    await asyncio.sleep(0)
    assert b"".join(wire.sent) == b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"body"


async def test_closing_loses_nothing(wire, transport):
    transport.write(HEAD)
    transport.close()
    assert wire.sent == [HEAD]
    assert transport.is_closing()
    assert transport.get_extra_info("peername") == ("127.0.0.1", 1)
