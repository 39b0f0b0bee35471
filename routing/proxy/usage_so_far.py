"""What a stream that did not come to its end has used: Chat Completions and Responses tell it only there.

The tokens were made and are paid for, so the ledger has a guess rather than nothing, and says that it is one.
"""

from __future__ import annotations

import msgspec

from providers.translation.model import Usage
from routing.demand import estimated_tokens


def usage_so_far(told: Usage | None, request: bytes, first: bytes, sent: int) -> Usage:
    """``told`` with the numbers that it lacks: the input by the size of ``request``, the output by how many
    events the ``sent`` bytes hold, each about a token and about as long as the one in ``first``."""
    known = told or Usage()
    event = first.find(b"\n\n") + 2
    events = sent // (event if event > 1 else max(len(first), 1))
    return msgspec.structs.replace(
        known,
        input_total=estimated_tokens(request) if known.input_total is None else known.input_total,
        output_total=max(known.output_total or 0, events),
        is_estimated=True,
    )
