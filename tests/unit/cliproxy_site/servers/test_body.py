"""A request body between the socket and the application."""

import os

import pytest

from cliproxy_site.servers.body import IN_MEMORY, PART, RequestBody


def taken(body):
    parts, more = [], True
    while more:
        part, more = body.take()
        parts.append(part)
    return parts


def test_a_body_that_never_came_is_one_empty_part():
    assert taken(RequestBody()) == [b""]


def test_a_small_body_is_one_part_however_it_arrived():
    body = RequestBody()
    for byte in (b"one ", b"two ", b"three"):
        body.add(byte)
    assert body.size == 13
    assert taken(body) == [b"one two three"]


@pytest.mark.parametrize("size", [IN_MEMORY + 1, 4 * PART, 5 * PART, 5 * PART + 1, 7 * PART - 1])
def test_a_large_body_comes_back_in_bounded_parts(size):
    body, content = RequestBody(), os.urandom(size)
    for start in range(0, size, 70_000):
        body.add(content[start : start + 70_000])
    parts = taken(body)
    assert b"".join(parts) == content
    assert all(0 < len(part) <= max(PART, IN_MEMORY) for part in parts)


def test_the_bound_itself_is_still_in_memory():
    body = RequestBody()
    body.add(b"x" * IN_MEMORY)
    assert len(taken(body)) == 1


def test_closing_drops_what_was_not_taken():
    body = RequestBody()
    body.add(b"x" * (IN_MEMORY + PART))
    body.take()
    body.close()
    body.close()
    assert body.take() == (b"", False)
