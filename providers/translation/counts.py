"""Counts of tokens as upstreams tell them, all formats alike.

What no ledger and no client can make sense of counts as untold: an odd number in the usage must neither end a
good answer nor spoil the sums of all others.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from providers.translation.model import Json

MOST_TOKENS = 10**12
"""More is nonsense, and the sum of millions of records of this size still fits the 64 bits of a database."""

Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)] | None
"""The same for a typed decoder, which refuses what is no count."""


def count_of(value: Json) -> int | None:
    """A whole number from 0 to MOST_TOKENS, also one spelled ``5.0``; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    return value if 0 <= value <= MOST_TOKENS else None
