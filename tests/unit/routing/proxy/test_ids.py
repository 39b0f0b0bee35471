"""Ids in the order of time, seeds random in every digit; neither twice."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
import uuid

import pytest

from routing.proxy.ids import AT_ONCE, next_id, next_seed


def test_an_id_is_a_uuid_of_version_7_with_the_moment_in_it():
    before = time.time_ns() // 1_000_000
    made = next_id()
    after = time.time_ns() // 1_000_000
    assert re.fullmatch(r"[0-9a-f]{32}", made)
    known = uuid.UUID(made)
    assert (known.version, known.variant) == (7, uuid.RFC_4122)
    assert before <= int(made[:12], 16) <= after


def test_ids_are_in_the_order_of_time(monkeypatch):
    made = []
    for millisecond in (1, 2, 3, 255, 256, 1_764_000_000_000, 2**47):
        monkeypatch.setattr(time, "time_ns", lambda at=millisecond: at * 1_000_000)
        made.append(next_id())
    assert made == sorted(made)
    assert {len(one) for one in made} == {32}


def test_none_comes_twice():
    many = 3 * AT_ONCE
    made = [next_id() for _ in range(many)] + [next_seed() for _ in range(many)]
    assert len({one[12:] for one in made}) == len(made)


def test_a_seed_is_random_in_every_digit():
    made = [next_seed() for _ in range(300)]
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in made)
    assert min(len(set(digits)) for digits in zip(*made, strict=True)) > 8


@pytest.fixture
def restless():
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_threads_get_ids_of_their_own():
    made: list[str] = []

    def draw() -> None:
        made.extend([next_id() for _ in range(20 * AT_ONCE)])

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == len(made) == 80 * AT_ONCE


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_does_not_go_on_with_its_parents_ids():
    next_seed()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, next_seed().encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as said:
        assert said.read() not in {next_seed() for _ in range(AT_ONCE)}
