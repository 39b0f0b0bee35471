"""What every format's passthrough offers: bytes pass, usage is read beside, and the end is recognised.

The client and the upstream speak the same format, so nothing is decoded and re-encoded: unknown fields,
key order and number spelling survive. Each format's ``passthrough.py`` implements these two.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from providers.translation.model import Json, Usage


class ParsedBody(msgspec.Struct, frozen=True, kw_only=True):
    """A client's request, read only as far as routing and accounting need.

    ``fields`` are the top-level members as raw JSON, in their order.
    """

    raw: bytes
    fields: dict[str, msgspec.Raw]
    model: str
    stream: bool
    include_usage: bool

    def value(self) -> Json:
        """The whole body decoded, for translation."""
        return msgspec.json.decode(self.raw)


class StreamWatch(Protocol):
    """Stands beside one passing stream."""

    usage: Usage | None
    is_complete: bool
    """A terminator or a stop reason was seen: closing now is a clean end."""
    is_done: bool
    """The terminator itself was seen: nothing that matters follows."""

    def feed(self, chunk: bytes) -> bytes:
        """What to forward for ``chunk``."""

    def flush(self) -> bytes:
        """What was held back, at the upstream's end, and the terminator if a complete stream lacks it."""
