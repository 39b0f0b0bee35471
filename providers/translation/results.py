"""One result for a call: no vendor takes two, so of several the last counts, and the others are named.

Ids may be used again for a later call; that one has a result of its own.
"""

from __future__ import annotations

import msgspec

from providers.translation.model import Request, ToolCall, ToolResult


def one_per_call(request: Request) -> tuple[Request, list[str]]:
    """The request without the results that a later one replaces, and their names for ``dropped``.

    A result without its call replaces nothing: it is text to every vendor, and all of it is kept.
    """
    latest: dict[str, tuple[int, int] | None] = {}
    replaced: set[tuple[int, int]] = set()
    for n, turn in enumerate(request.turns):
        for m, part in enumerate(turn.parts):
            if isinstance(part, ToolCall):
                latest[part.id] = None
            elif isinstance(part, ToolResult) and part.call_id in latest:
                if (place := latest[part.call_id]) is not None:
                    replaced.add(place)
                latest[part.call_id] = (n, m)
    if not replaced:
        return request, []
    turns = tuple(
        msgspec.structs.replace(
            turn, parts=tuple(part for m, part in enumerate(turn.parts) if (n, m) not in replaced)
        )
        for n, turn in enumerate(request.turns)
    )
    return msgspec.structs.replace(request, turns=turns), [
        f"messages[{n}].tool_result" for n, _ in sorted(replaced)
    ]
