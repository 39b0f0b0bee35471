"""The model's name replaced in every event of a passing stream, at the price of one replacement per read.

Servers begin every chunk of a stream with the same bytes up to the name: ``data: {"id":…,"model":…``.
Once seen, this head is looked for as bytes. It cannot stand inside a text, where its quotes would be escaped.
An event that begins otherwise is edited at the place of its own name, or decoded where that is not obvious.
"""

from __future__ import annotations

import re

import msgspec

from providers.translation.passthrough import BAD_JSON, FIELDS, payload_of, raw_json, split_events

_MEMBER = rb'"(?!model")[^"\\{[]*"\s*:\s*(?:"[^"\\]*"|[\w.+-]+)\s*,\s*'
_HEAD = re.compile(rb'data: ?\{(?:%b)*"model"\s*:\s*"[^"\\]*"' % _MEMBER)
"""An event up to its model's name: flat members alone stand before it, none of them twice the name."""
_NAME = re.compile(rb'"[^"\\]*"$')


class ModelEdit:
    """Of one stream. ``model`` is what the client shall read."""

    def __init__(self, model: str) -> None:
        self._raw = raw_json(model)
        self._name = bytes(self._raw)
        self._head = self._new_head = b""

    def edited(self, events: bytes) -> bytes:
        """Whole events, each ended by a blank line."""
        head = self._head
        if head and b"\r" not in events:
            others = events.count(b"\n\n") - events.count(head)
            if others == 0 or (others == 1 and events.endswith(b"\n\ndata: [DONE]\n\n")):
                return events.replace(head, self._new_head)
        return b"".join(map(self.edited_event, split_events(events)))

    def edited_event(self, event: bytes) -> bytes:
        """One whole event; as it came where it names no model."""
        if self._head and event.startswith(self._head):
            return self._new_head + event[len(self._head) :]
        found = _HEAD.match(event)
        if found is not None:
            self._head = found.group()
            self._new_head = _NAME.sub(b"", self._head) + self._name
            return self._new_head + event[found.end() :]
        return self._decoded(event)

    def _decoded(self, event: bytes) -> bytes:
        head, found, _ = event.partition(b"data:")
        payload = payload_of(event)
        if not found or b'"model"' not in payload:
            return event
        try:
            fields = FIELDS.decode(payload)
        except BAD_JSON:
            return event
        if "model" not in fields:
            return event
        fields["model"] = self._raw
        return head + b"data: " + msgspec.json.encode(fields) + b"\n\n"
