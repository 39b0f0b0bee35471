"""Takes ``$ref`` and ``allOf`` out of one JSON Schema node, which Gemini's ``Schema`` cannot express.

A reference is replaced by what it points to (JSON pointer, RFC 6901, inside the same document); a cycle
is cut where it would enter itself again. Work is bounded, because a small document of nested references
can describe an enormous tree.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec

from providers.translation.budget import Budget
from providers.translation.model import Json

_DEPTH = 40
_INDEX = re.compile(r"[0-9]{1,9}")


class Place(msgspec.Struct, frozen=True):
    """How deep the walk is, and which references it is inside of."""

    depth: int = 0
    inside: frozenset[str] = frozenset()

    def deeper(self) -> Place:
        return Place(self.depth + 1, self.inside)


class Flattener:
    """One per document. Copies, which stand inside of a reference, are bounded; the document itself is what
    the client sent, and no larger than that."""

    def __init__(self, root: Json, budget: Budget | None = None) -> None:
        self._root = root
        self._budget = budget or Budget()

    def may_go_on(self, place: Place) -> bool:
        return place.depth <= _DEPTH and not (place.inside and self._budget.is_spent)

    def flatten(self, schema: Json, place: Place) -> tuple[dict[str, Json], Place]:
        """A new node without ``$ref`` and ``allOf``. A boolean or anything odd becomes the empty schema."""
        if place.inside:
            self._budget.spend()
        if not isinstance(schema, dict):
            return {}, place
        node = dict(schema)
        while "$ref" in node:
            pointer = node.pop("$ref")
            target = self._lookup(pointer)
            if isinstance(pointer, str) and pointer in place.inside:
                described = node.get("description") or "The same structure again."
                return {"type": "object", "description": described}, place
            if isinstance(pointer, str):
                place = Place(place.depth, place.inside | {pointer})
            if isinstance(target, dict):
                node = {**target, **node}
        members = node.pop("allOf", None)
        if isinstance(members, list) and self.may_go_on(place):
            node = self.combine([node, *(self.flatten(member, place.deeper())[0] for member in members)])
        return node, place

    def combine(self, nodes: list[dict[str, Json]]) -> dict[str, Json]:
        """One node that holds all: properties and ``required`` united, else the first one's word counts."""
        merged: dict[str, Json] = {}
        properties: dict[str, Json] = {}
        required: list[Json] = []
        for node in nodes:
            for name, value in node.items():
                if name == "properties" and isinstance(value, dict):
                    for key, child in value.items():
                        known = properties.get(key)
                        properties[key] = child if known is None else _both(known, child)
                elif name == "required" and isinstance(value, list):
                    required += [key for key in value if key not in required]
                elif name == "enum" and isinstance(merged.get("enum"), list) and isinstance(value, list):
                    merged["enum"] = [one for one in merged["enum"] if one in value] or merged["enum"]
                else:
                    merged.setdefault(name, value)
        if properties:
            merged["properties"] = properties
        if required:
            merged["required"] = required
        return merged

    def _lookup(self, pointer: Json) -> Json:
        if not isinstance(pointer, str) or not pointer.startswith("#"):
            return None
        found = self._root
        for step in unquote(pointer[1:]).split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict):
                found = found.get(key)
            elif isinstance(found, list) and _INDEX.fullmatch(key) and int(key) < len(found):
                found = found[int(key)]
            else:
                return None
        return found


def _both(first: Json, second: Json) -> Json:
    if first == second or not isinstance(second, dict):
        return first
    return {"allOf": [first, second]} if isinstance(first, dict) else second
