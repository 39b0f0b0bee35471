"""JSON Schema for ``parametersJsonSchema`` and ``responseJsonSchema``: the keywords that Google reads there.

These fields take JSON Schema as it is, but of its keywords only a list, and beside ``$ref`` nothing that does
not begin with ``$`` (https://ai.google.dev/api/generate-content#FIELDS.response_json_schema). The rest is put
in those words, or becomes a hint in ``description``; a schema without it comes back equal. Only schema
positions are walked, and the argument is never changed.
"""

from __future__ import annotations

from providers.translation.budget import Budget
from providers.translation.codecs.gemini.schema_flatten import Flattener, Place
from providers.translation.json_text import dumps
from providers.translation.model import Json

Schema = dict[str, Json]

_READ = frozenset(
    {
        "$id", "$anchor", "type", "format", "title", "description", "enum", "minItems", "maxItems",
        "minimum", "maximum", "required", "propertyOrdering",
    }
)  # fmt: skip
_MAPS = ("properties", "$defs")
_LISTS = ("prefixItems", "anyOf", "oneOf")
_HINTS = {
    "default": "Default",
    "pattern": "Pattern",
    "minLength": "Minimum length",
    "maxLength": "Maximum length",
    "minProperties": "Minimum number of properties",
    "maxProperties": "Maximum number of properties",
    "multipleOf": "A multiple of",
    "examples": "Examples",
    "example": "Example",
    "not": "Not",
}
_OLD, _NEW = "#/definitions/", "#/$defs/"


def native_schema(schema: Json, budget: Budget | None = None) -> Json:
    """``schema`` in the keywords above. Total: what is no schema comes back as it is."""
    if not isinstance(schema, dict):
        return schema
    return _Writer(schema, budget).write(schema, Place())


class _Writer:
    def __init__(self, root: Schema, budget: Budget | None) -> None:
        self._flat = Flattener(root, budget)

    def write(self, schema: Json, place: Place) -> Json:
        if schema is True or not self._flat.may_go_on(place):
            return {}
        if not isinstance(schema, dict):
            return schema
        node = schema
        if "allOf" in node:  # one node that holds all of them
            node, place = self._flat.flatten(node, place)
        hints: list[str] = []
        written: Schema = {}
        for key, value in node.items():
            if key in _READ:
                written[key] = value
            elif key in _MAPS or key == "definitions":
                self._map(written, "$defs" if key == "definitions" else key, value, place)
            elif key in _LISTS and isinstance(value, list):
                written[key] = [self.write(branch, place.deeper()) for branch in value]
            elif key in _HINTS and value is not None:
                hints.append(f"{_HINTS[key]}: {dumps(value)}.")
        self._items(node, written, place)
        if isinstance(extra := node.get("additionalProperties"), bool | dict):
            written["additionalProperties"] = (
                extra if isinstance(extra, bool) else self.write(extra, place.deeper())
            )
        _bounds(node, written, hints)
        _literals(node, written, hints)
        if node.get("nullable") is True and isinstance(written.get("type"), str):
            written["type"] = [written["type"], "null"]
        if hints:
            said = written.get("description")
            written["description"] = " ".join([*([said] if isinstance(said, str) and said else []), *hints])
        if isinstance(reference := node.get("$ref"), str):
            return _with_reference(written, reference)
        return written

    def _map(self, written: Schema, key: str, value: Json, place: Place) -> None:
        if isinstance(value, dict):
            written[key] = {name: self.write(child, place.deeper()) for name, child in value.items()}

    def _items(self, node: Schema, written: Schema, place: Place) -> None:
        items = node.get("items")
        if isinstance(items, list):  # a tuple as drafts before 2020-12 spelled it
            written["prefixItems"] = [self.write(item, place.deeper()) for item in items]
        elif items is not None:
            written["items"] = self.write(items, place.deeper())


def _bounds(node: Schema, written: Schema, hints: list[str]) -> None:
    """Exclusive bounds: of integers the next one, of other numbers a hint."""
    for exclusive, inclusive, step, word in (
        ("exclusiveMinimum", "minimum", 1, "More"),
        ("exclusiveMaximum", "maximum", -1, "Less"),
    ):
        bound = node.get(exclusive)
        if bound is True and inclusive in written:  # draft 4: a switch beside the bound
            bound = written.pop(inclusive)
        if isinstance(bound, bool) or not isinstance(bound, int | float):
            continue
        if node.get("type") == "integer" and isinstance(bound, int) and inclusive not in written:
            written[inclusive] = bound + step
        else:
            hints.append(f"{word} than {dumps(bound)}.")


def _literals(node: Schema, written: Schema, hints: list[str]) -> None:
    """``enum`` holds strings and numbers; null is a type, and any other value a hint."""
    values = [node["const"]] if "const" in node else node.get("enum")
    if not isinstance(values, list):
        written.pop("enum", None)
        return
    plain = [
        value for value in values if isinstance(value, str | int | float) and not isinstance(value, bool)
    ]
    others = [value for value in values if value is not None]
    if len(plain) < len(others):
        written.pop("enum", None)
        hints.append("One of: " + ", ".join(dumps(value) for value in values) + ".")
    elif plain:
        written["enum"] = plain
    else:
        written.pop("enum", None)
    if None in values:
        kind = written.get("type") or ("string" if plain and isinstance(plain[0], str) else None)
        if isinstance(kind, str) and kind != "null":
            written["type"] = [kind, "null"]
        elif not others:
            written["type"] = "null"


def _with_reference(written: Schema, reference: str) -> Schema:
    """Beside a reference only ``$`` keys may stand; the others go around it."""
    target = reference.replace(_OLD, _NEW, 1) if reference.startswith(_OLD) else reference
    beside = {key: value for key, value in written.items() if not key.startswith("$")}
    own = {key: value for key, value in written.items() if key.startswith("$")}
    if not beside:
        return {**own, "$ref": target}
    union = beside.pop("anyOf", None)
    branches: list[Json] = [{"$ref": target}]
    return {**own, **beside, "anyOf": branches if union is None else [*branches, *union]}
