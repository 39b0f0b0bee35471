"""What routing needs to know of one request: the model asked for, and what the request demands. Pure."""

from __future__ import annotations

import msgspec


class RouteQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One request as routing sees it. The hot path makes it from the request; the simulator
    (``manage.py route``, the "why" page) from what a person types.

    ``session_keys`` are the keys under which a conversation may be bound to a credential, the surest
    first (docs/routing.md). ``input_tokens`` is an estimate, 0 for unknown.
    """

    model: str
    stream: bool = False
    needs_functions: bool = False
    needs_vision: bool = False
    input_tokens: int = 0
    session_keys: tuple[str, ...] = ()
    wants_websocket: bool = False
    is_chat: bool = True
    """A generation, and not an image, an embedding or another endpoint beside it."""
