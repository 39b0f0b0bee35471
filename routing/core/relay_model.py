"""What a connected page serves. Pure."""

from __future__ import annotations

import msgspec


class RelayModel(msgspec.Struct, frozen=True, kw_only=True):
    """One id that a connected page serves."""

    id: str
    upstream: str
    owned_by: str
    display_name: str = ""
    force_mapping: bool = False
    context_length: int | None = None
    max_output_tokens: int | None = None
