"""Ids that this gateway gives to answers and their items: typed prefixes, derived from the context's seed.

They are recognisable (``fc_cliproxy_…``), because a client echoes them and no upstream knows them: sent up,
the service would look for the item and refuse the request. Ids of history items that only the published
types require are digests of what they stand for.
"""

from __future__ import annotations

import hashlib

from providers.translation.codec import AnswerContext

_OWN = "cliproxy_"


def item_id(prefix: str, place: int, context: AnswerContext, known: str | None = None) -> str:
    """``known`` when it is an id of that kind, else a new one; ``place`` is the item's output index."""
    if known is not None and known.startswith(f"{prefix}_"):
        return known
    return f"{prefix}_{_OWN}{context.seed}_{place}"


def response_id(known: str | None, context: AnswerContext) -> str:
    return known if known is not None and known.startswith("resp_") else f"resp_{context.seed}"


def foreign_id(value: object) -> str | None:
    """An item id that its vendor gave; None for anything else, also for one that this gateway made up."""
    if not isinstance(value, str) or not value:
        return None
    return None if value.partition("_")[2].startswith(_OWN) else value


def is_own(value: object) -> bool:
    """Whether this gateway made up the id."""
    return isinstance(value, str) and value.partition("_")[2].startswith(_OWN)


def digest_id(prefix: str, place: int, content: str) -> str:
    """Unique within a request, and the same when the request is sent again."""
    digest = hashlib.sha256(f"{place}:{content}".encode()).hexdigest()[:32]
    return f"{prefix}_{digest}"
