"""A secret taken out of somebody else's words, also where those words break off inside it. Pure.

Vendors like to quote what they refuse, and what they say is cut before it is shown: an access token of two
thousand characters would leave its first hundreds behind.
"""

from __future__ import annotations

MASK = "[redacted]"
LEAST = 16
"""Characters that tell a secret: fewer of a longer one could be the head that all of its kind have."""


def masked(text: str, secret: str, mask: str = MASK) -> str:
    """``text`` without ``secret``, and without any beginning of it of LEAST characters or more."""
    head = secret[:LEAST]
    if not head:
        return text
    pieces = []
    while (at := text.find(head)) >= 0:
        pieces += [text[:at], mask]
        text = text[at + _alike(text[at : at + len(secret)], secret) :]
    return "".join([*pieces, text])


def _alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))
