"""A Responses stream put together as the whole answer that the upstream would have given, its JSON untouched.

For equal formats on both sides where the upstream does nothing but stream, and for answers that are kept.
"""

from __future__ import annotations

import msgspec

ENDINGS = ("response.completed", "response.incomplete")
MARKS = ('"response.output_item.done"', *(f'"{ending}"' for ending in ENDINGS))
"""What every event that matters here contains."""

_NULL = msgspec.Raw(b"null")
_BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Event(msgspec.Struct):
    type: str = ""
    item: msgspec.Raw = _NULL
    response: msgspec.Raw = _NULL


_EVENT = msgspec.json.Decoder(_Event)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


class Gatherer:
    """Feed it the data of the events, in order. ``body`` is None until the last one."""

    def __init__(self) -> None:
        self.body: bytes | None = None
        self._items: list[msgspec.Raw] = []

    def add(self, data: str) -> None:
        """Never raises: what cannot be read is left out."""
        if not any(mark in data for mark in MARKS):
            return
        try:
            event = _EVENT.decode(data)
        except _BAD_JSON:
            return
        if event.type == "response.output_item.done":
            self._items.append(event.item)
        elif event.type in ENDINGS:
            self.body = self._completed(event.response)

    def _completed(self, response: msgspec.Raw) -> bytes:
        """Some servers end with an answer whose ``output`` is empty: its items came before."""
        try:
            fields = _OBJECT.decode(response)
            if self._items and not _LIST.decode(fields.get("output", b"[]")):
                fields["output"] = msgspec.Raw(msgspec.json.encode(self._items))
                return msgspec.json.encode(fields)
        except _BAD_JSON:
            pass
        return bytes(response)
