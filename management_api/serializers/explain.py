"""What ``POST /v0/management/route/explain`` is asked; it answers with ``routing.why.Answer``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec


class ExplainRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request that somebody might send. Nothing of it is sent."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    key: str = ""
    """A client key, or the number or the note of one; "" for a key without restrictions."""
    format: Literal["openai", "responses", "claude", "gemini"] = "openai"
    """The client's."""
    stream: bool = False
    tools: bool = False
    images: bool = False
    input_tokens: Annotated[int, msgspec.Meta(ge=0)] = 0
    headers: dict[str, str] = {}
    """The client's headers."""
    body: dict[str, Any] | None = None
    """A sample request; shown translated for each candidate, with what is dropped."""
