"""What a caller chooses about a server, whichever of the two serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

Headers = Sequence[tuple[bytes, bytes]]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Hook = Callable[[], Awaitable[None]]
Announce = Callable[[str, int], None]
TooLarge = Callable[[str, Headers], bytes]

HOOK_S = 10.0
"""How long the stop hook may take before the process leaves without it."""


@dataclass(frozen=True)
class ServerOptions:
    """Where a server listens and when it stops waiting."""

    host: str = "127.0.0.1"
    port: int = 8317
    """0 lets the system choose; ``announce`` reports the choice."""

    fd: int | None = None
    """A listening socket inherited from a parent; host and port are then ignored."""

    body_limit: int = 64 * 1024 * 1024
    """Bytes of request body before the server answers 413 itself (Daphne only; on uvicorn the
    application meets the body first and has to count)."""

    drain_timeout_s: float = 20.0
    """How long open exchanges may go on after the first SIGTERM or SIGINT."""

    keep_alive_s: float = 75.0
    """How long a connection may sit idle between exchanges. Longer than the 60 s after which the
    usual load balancers drop an idle connection, so that the balancer, not the server, closes first:
    a server that closes may do so while a request is on its way."""

    tls: tuple[str, str] | None = None
    """Files of certificate (with its chain) and key in PEM; None serves plain HTTP."""

    too_large: TooLarge | None = None
    """Writes the JSON body of a 413 from the request's path and headers (names in lower case), so
    that each path can answer in its own dialect. Called on the event loop; must not block."""
