"""How long an upstream may take, per phase. Seconds."""

from __future__ import annotations

import msgspec


class Timeouts(msgspec.Struct, frozen=True):
    """``connect_s``: name, TCP and TLS. ``first_byte_s``: from the request to the first byte of the body.
    ``idle_s``: between two pieces of the body, counted only while somebody waits for the next one."""

    connect_s: float = 10.0
    first_byte_s: float = 600.0
    idle_s: float = 300.0
