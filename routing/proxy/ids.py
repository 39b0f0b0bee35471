"""Ids of exchanges and seeds of ids, 32 hex digits each; nobody can guess them, as what is kept goes by them.

The kernel is asked for the random part of many at once: a system call for each costs as much as routing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

BYTES = 16
AT_ONCE = 256


def next_id() -> str:
    """A UUID of version 7 (RFC 9562) without its dashes: milliseconds since 1970, then random digits.

    In order of time, because the ledger is indexed by it: random keys dirty a page of the database each, and
    made every record cost twenty times its size in writes.
    """
    drawn = next(_drawn)
    return f"{time.time_ns() // 1_000_000:012x}7{drawn[:3]}8{drawn[3:18]}"


def next_seed() -> str:
    """Random in every digit: vendors are shown parts of it. From any one thread, as ``next_id``."""
    return next(_drawn)


def _draw() -> Iterator[str]:
    while True:
        drawn = os.urandom(BYTES * AT_ONCE).hex()
        for start in range(0, len(drawn), 2 * BYTES):
            yield drawn[start : start + 2 * BYTES]


def _begin_anew() -> None:
    """A forked process must not go on with its parent's."""
    global _drawn
    _drawn = _draw()


_drawn = _draw()
os.register_at_fork(after_in_child=_begin_anew)
