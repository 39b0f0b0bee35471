"""What is put right in a Responses stream of a vendor on its way to the client. See ``Unwrapper``.

- ``output`` of the last event, which some backends leave empty: SDKs read the whole answer from it.
- Items that are traces of work at the vendor and that a client would take for calls of its own tools.
- Calls of tools that went up without their group (``tool_groups``).
- With ``holds``, the events before the first word are held, so that a vendor that turns out to be overloaded
  is told by its failure alone: the call can then be made elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from providers.adapters.tool_groups import NO_GROUPS, Grouped, regrouped
from providers.translation.cut import is_whole
from providers.translation.passthrough import BAD_JSON, FIELDS, Pending, payload_of, split_events
from providers.translation.sse import frame

MOST_HELD = 16
_OPENING = frozenset(
    {"response.created", "response.in_progress", "codex.rate_limits", "codex.response.metadata", "keepalive"}
)
_ENDINGS = frozenset({"response.completed", "response.incomplete"})
_OVERLOADED = (b"service_unavailable_error", b"server_is_overloaded", b"rate_limit", b"usage_limit_reached")
_OF_ITEMS = (b"response.output_item.", b"item_id", b"response.completed", b"response.incomplete")


def nothing_hidden(item: dict[str, Any]) -> bool:
    return False


class ResponseRepair:
    """One stream. What needs no repair passes as it came."""

    def __init__(
        self,
        *,
        holds: bool = False,
        hides: Callable[[dict[str, Any]], bool] = nothing_hidden,
        grouped: Grouped = NO_GROUPS,
    ) -> None:
        self._hides = hides
        self._grouped = grouped
        self._holds = holds
        self._held: list[bytes] = []
        self._pending = Pending()
        self._items: list[tuple[float, dict[str, Any]]] = []
        self._hidden: set[str] = set()

    def feed(self, chunk: bytes) -> bytes:
        return self._repaired(self._pending.add(chunk))

    def close(self) -> bytes:
        """An event that was cut stays open, so that it is not taken for a whole one."""
        rest, self._pending = self._pending.bytes(), Pending()
        held, self._held, self._holds = b"".join(self._held), [], False
        return held + (self._repaired(rest) if is_whole(rest) else rest)

    def _repaired(self, events: bytes) -> bytes:
        if not events or (not self._holds and not any(mark in events for mark in _OF_ITEMS)):
            return events
        return b"".join(self._event(event) for event in split_events(events))

    def _event(self, event: bytes) -> bytes:
        try:
            fields = FIELDS.decode(payload_of(event))
            kind = msgspec.json.decode(fields["type"])
            if self._holds:
                return self._waiting(event, kind)
            return self._put_right(event, fields, kind)
        except (*BAD_JSON, KeyError, TypeError, AttributeError):
            return event  # nothing that this knows

    def _waiting(self, event: bytes, kind: object) -> bytes:
        if kind in _OPENING and len(self._held) < MOST_HELD:
            self._held.append(event)
            return b""
        held, self._held, self._holds = self._held, [], False
        has_failed = kind in ("error", "response.failed") and any(mark in event for mark in _OVERLOADED)
        return event if has_failed else b"".join([*held, self._event(event)])

    def _put_right(self, event: bytes, fields: dict[str, msgspec.Raw], kind: object) -> bytes:
        if kind in _ENDINGS:
            return self._completed(fields, str(kind)) or event
        if kind in ("response.output_item.added", "response.output_item.done"):
            item = msgspec.json.decode(fields["item"])
            if self._hides(item):
                self._hidden.add(str(item.get("id")))
                return b""
            named = regrouped(item, self._grouped)
            if named is not item:
                item = named
                fields["item"] = msgspec.Raw(msgspec.json.encode(item))
                event = frame(msgspec.json.encode(fields), str(kind))
            if kind == "response.output_item.done":
                index = msgspec.json.decode(fields["output_index"]) if "output_index" in fields else None
                self._items.append((float(index) if isinstance(index, int) else float("inf"), item))
        elif self._hidden and "item_id" in fields:
            return b"" if msgspec.json.decode(fields["item_id"]) in self._hidden else event
        return event

    def _completed(self, fields: dict[str, msgspec.Raw], kind: str) -> bytes | None:
        """The last event with its ``output`` filled, or rid of what is hidden; None where it may stay."""
        response = FIELDS.decode(fields["response"])
        output = msgspec.json.decode(response["output"]) if "output" in response else None
        if output:
            kept = [regrouped(item, self._grouped) for item in output if not self._hides(item)]
            if kept == output:
                return None
        elif self._items:
            kept = [item for _, item in sorted(self._items, key=lambda pair: pair[0])]
        else:
            return None
        response["output"] = msgspec.Raw(msgspec.json.encode(kept))
        fields["response"] = msgspec.Raw(msgspec.json.encode(response))
        return frame(msgspec.json.encode(fields), kind)
