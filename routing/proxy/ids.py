"""Ids of exchanges and seeds of ids, 32 hex digits each; nobody can guess them, as what is kept goes by them.

The kernel is asked for the random part of many at once: a system call for each costs as much as routing.
"""

from __future__ import annotations

import os
import time

BYTES = 16
AT_ONCE = 256


def next_id() -> str:
    """A UUID of version 7 (RFC 9562) without its dashes: milliseconds since 1970, then random digits.

    In order of time, because the ledger is indexed by it: random keys dirty a page of the database each, and
    made every record cost twenty times its size in writes.
    """
    drawn = next_seed()
    return f"{time.time_ns() // 1_000_000:012x}7{drawn[:3]}8{drawn[3:18]}"


def next_seed() -> str:
    """Random in every digit: vendors are shown parts of it. From any thread, as ``next_id``."""
    try:
        return _drawn.pop()
    except IndexError:
        digits = os.urandom(BYTES * AT_ONCE).hex()
        fresh = [digits[start : start + 2 * BYTES] for start in range(0, len(digits), 2 * BYTES)]
        seed = fresh.pop()
        _drawn.extend(fresh)
        return seed


_drawn: list[str] = []
os.register_at_fork(after_in_child=_drawn.clear)
"""A forked process must not go on with its parent's."""
