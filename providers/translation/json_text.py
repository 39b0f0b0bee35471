"""JSON out, one way for all codecs: compact, keys in the order given, non-ASCII and ``/`` unescaped.

Integers of any size stay exact, which matters for tool arguments that pass from an object to text.
"""

from __future__ import annotations

import msgspec

from providers.translation.model import Json

_ENCODER = msgspec.json.Encoder()
to_json = _ENCODER.encode
"""``dump_bytes`` where even its call counts."""


def dump_bytes(value: Json) -> bytes:
    """``value`` as compact UTF-8 JSON. Raises TypeError for what JSON cannot hold."""
    return _ENCODER.encode(value)


def dumps(value: Json) -> str:
    """As ``dump_bytes``, for JSON that travels inside a string (tool arguments)."""
    return _ENCODER.encode(value).decode()
