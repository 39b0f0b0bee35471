"""JSON Schema to the subset that Gemini's ``Schema`` message takes, and back.

Google's ``parameters`` and ``responseSchema`` are an OpenAPI 3.0 subset
(https://ai.google.dev/api/caching#Schema): one unknown keyword anywhere refuses the whole request. The
cleaner walks schema positions only, so a property that is called ``title`` or ``$ref`` stays a property;
it builds new values and never touches its input. What cannot be said becomes a hint in ``description``.
``schema_flatten`` resolves ``$ref`` and ``allOf`` first.
"""

from __future__ import annotations

from collections.abc import Callable

from providers.translation.budget import Budget
from providers.translation.codecs.gemini.fields import as_integer
from providers.translation.codecs.gemini.schema_flatten import Flattener, Place
from providers.translation.json_text import dumps
from providers.translation.model import Json

_TYPES = ("string", "number", "integer", "boolean", "array", "object")

_FORMATS = {
    "string": ("date-time", "enum"),
    "number": ("float", "double"),
    "integer": ("int32", "int64"),
}

_COUNTS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}

_SHAPING = frozenset(
    {"type", "properties", "items", "prefixItems", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"}
)
"""A union branch without any of these only constrains its parent (``{"required": ["a"]}``)."""


def clean_parameters(schema: Json, budget: Budget | None = None) -> dict[str, Json] | None:
    """A tool's parameters: always an OBJECT, None when there are none.

    A union of objects at the top becomes one object with the properties of all; any other type is
    wrapped as the single property ``input``.
    """
    cleaner = _Cleaner(schema, budget)
    cleaned = cleaner.clean(schema, Place(), top=True)
    if cleaned.get("type") != "OBJECT":
        return {"type": "OBJECT", "properties": {"input": cleaned}, "required": ["input"]}
    return cleaned if cleaned.get("properties") else None


def clean_response_schema(schema: Json) -> dict[str, Json]:
    """An answer's schema; any type may stand at the top."""
    return _Cleaner(schema).clean(schema, Place())


class _Cleaner:
    def __init__(self, root: Json, budget: Budget | None = None) -> None:
        self._flat = Flattener(root, budget)

    def clean(self, schema: Json, place: Place, *, top: bool = False) -> dict[str, Json]:
        """One schema position. Total: whatever stands there, a legal ``Schema`` comes back."""
        if not self._flat.may_go_on(place):
            return {"type": "OBJECT", "description": "(nested too deeply to be described)"}
        node, place = self._flat.flatten(schema, place)
        hints: list[str] = []
        node, place = self._union(node, place, hints, top=top)
        node, nullable = _without_null(node)
        if "anyOf" in node:
            cleaned: dict[str, Json] = {"anyOf": self._branches(node["anyOf"], place)}
        else:
            kind = _type_of(node)
            cleaned = {"type": kind.upper()}
            _literals(node, cleaned, hints)
            _KEYWORDS.get(cleaned["type"].lower(), _no_keywords)(node, cleaned, hints)
            if cleaned["type"] == "OBJECT":
                self._object(node, cleaned, place)
            elif cleaned["type"] == "ARRAY":
                self._array(node, cleaned, place)
        if nullable or node.get("nullable") is True:
            cleaned["nullable"] = True
        description = _description(node, hints)
        if description:
            cleaned["description"] = description
        return cleaned

    def _branches(self, branches: list[Json], place: Place) -> list[Json]:
        cleaned: list[Json] = []
        for branch in branches:
            one = self.clean(branch, place.deeper())
            if one not in cleaned:
                cleaned.append(one)
        return cleaned

    def _union(
        self, node: dict[str, Json], place: Place, hints: list[str], *, top: bool
    ) -> tuple[dict[str, Json], Place]:
        """``node`` with at most one union left, under ``anyOf``, with only a description beside it."""
        node = dict(node)
        one_of = node.pop("oneOf", None)
        branches = node.pop("anyOf", None) or one_of
        if not isinstance(branches, list):
            return _type_union(node), place
        known = [(branch, *self._flat.flatten(branch, place.deeper())) for branch in branches]
        known = [entry for entry in known if _SHAPING & entry[1].keys()]
        kept = [entry for entry in known if not _is_null(entry[1])]
        if len(kept) < len(known):
            node["nullable"] = True
        if not kept:
            return _type_union(node), place
        flat = [entry[1] for entry in kept]
        literals = [_literal_values(branch) for branch in flat]
        if all(values and all(isinstance(one, str) for one in values) for values in literals):
            return {**node, "enum": [one for values in literals for one in values]}, place
        if len(kept) == 1:
            merged, place = self._flat.combine([node, flat[0]]), kept[0][2]
            if self._flat.may_go_on(place):
                return self._union(merged, place, hints, top=top)
            return {"type": "object"}, place
        if "properties" in node or (top and all(_type_of(branch) == "object" for branch in flat)):
            hints.append("Only the properties of one alternative belong together.")
            return self._one_object(node, flat), place
        beside = {name: value for name, value in node.items() if name in ("description", "nullable")}
        inherited = {name: value for name, value in node.items() if name not in beside}
        originals = [branch for branch, _, _ in kept]
        return {
            **beside,
            "anyOf": [{"allOf": [one, inherited]} for one in originals] if inherited else originals,
        }, place

    def _one_object(self, node: dict[str, Json], branches: list[dict[str, Json]]) -> dict[str, Json]:
        """All branches as one object: every property known, only what all of them require required."""
        objects = [branch for branch in branches if _type_of(branch) == "object"]
        required = [set(_names(branch.get("required"))) for branch in objects]
        common = set.intersection(*required) if required and len(objects) == len(branches) else set()
        own = _names(node.get("required"))
        ordered = [name for branch in objects for name in _names(branch.get("required")) if name in common]
        loose = [{"properties": branch.get("properties")} for branch in objects]
        merged = self._flat.combine([node, *loose])
        return {**merged, "type": "object", "required": list(dict.fromkeys([*own, *ordered]))}

    def _object(self, node: dict[str, Json], cleaned: dict[str, Json], place: Place) -> None:
        properties = node.get("properties")
        if not isinstance(properties, dict) or not properties:
            return
        cleaned["properties"] = {
            name: self.clean(child, place.deeper()) for name, child in properties.items()
        }
        required = [name for name in dict.fromkeys(_names(node.get("required"))) if name in properties]
        if required:
            cleaned["required"] = required
        ordering = [name for name in _names(node.get("propertyOrdering")) if name in properties]
        if ordering:
            cleaned["propertyOrdering"] = ordering

    def _array(self, node: dict[str, Json], cleaned: dict[str, Json], place: Place) -> None:
        items = node.get("items")
        prefix = node.get("prefixItems")
        members = prefix if isinstance(prefix, list) else items if isinstance(items, list) else None
        if members is None:
            # Google answers 400 to an array without items.
            shape = items if isinstance(items, dict) else {"type": "string"}
            cleaned["items"] = self.clean(shape, place.deeper())
            return
        choices = self._branches(members, place.deeper())
        if len(choices) > 1:
            cleaned["items"] = {"anyOf": choices}
        else:
            cleaned["items"] = choices[0] if choices else {"type": "STRING"}


def _type_union(node: dict[str, Json]) -> dict[str, Json]:
    """``{"type": ["string", "integer"]}`` as a union; each branch keeps the keywords of its type."""
    listed = node.get("type")
    if not isinstance(listed, list) or len([kind for kind in listed if kind != "null"]) < 2:
        return node
    beside = {name: value for name, value in node.items() if name in ("description", "nullable")}
    rest = {name: value for name, value in node.items() if name != "type" and name not in beside}
    return {**beside, "anyOf": [{**rest, "type": kind} for kind in listed]}


def _is_null(node: dict[str, Json]) -> bool:
    if node.get("type") in ("null", "NULL", ["null"]):
        return True
    return node.get("enum") == [None] or ("const" in node and node["const"] is None)


def _without_null(node: dict[str, Json]) -> tuple[dict[str, Json], bool]:
    """Take ``null`` out of types, enums and constants; the flag says that it was there."""
    nullable = node.get("nullable") is True
    kind = node.get("type")
    if isinstance(kind, list):
        named = [one for one in kind if one != "null"]
        nullable = nullable or len(named) < len(kind)
        node = {**node, "type": named[0] if named else "string"}
    elif isinstance(kind, str) and kind.lower() == "null":
        node, nullable = {**node, "type": "string"}, True
    if "const" in node and node["const"] is None:
        node, nullable = {name: value for name, value in node.items() if name != "const"}, True
    enum = node.get("enum")
    if isinstance(enum, list) and None in enum:
        node, nullable = {**node, "enum": [value for value in enum if value is not None]}, True
    branches = node.get("anyOf")
    if isinstance(branches, list):
        kept = [branch for branch in branches if not (isinstance(branch, dict) and _is_null(branch))]
        nullable = nullable or len(kept) < len(branches)
        node = {**node, "anyOf": kept}
    return node, nullable


def _type_of(node: dict[str, Json]) -> str:
    """The declared type, else the one that the other keywords speak of."""
    kind = node.get("type")
    if isinstance(kind, str) and kind.lower() in _TYPES:
        return kind.lower()
    if node.keys() & {"properties", "required", "additionalProperties", "patternProperties"}:
        return "object"
    if node.keys() & {"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}:
        return "array"
    literals = _literal_values(node)
    if literals:
        return _type_of_value(literals[0])
    if node.keys() & {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}:
        return "number"
    return "string"


def _type_of_value(value: Json) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, list):
        return "array"
    return "object" if isinstance(value, dict) else "string"


def _literal_values(node: dict[str, Json]) -> list[Json]:
    if "const" in node:
        return [node["const"]]
    enum = node.get("enum")
    return enum if isinstance(enum, list) else []


def _literals(node: dict[str, Json], cleaned: dict[str, Json], hints: list[str]) -> None:
    """``enum`` and ``const``. Google takes strings only; other literals keep their type and become a hint."""
    values = _literal_values(node)
    texts = list(dict.fromkeys(value for value in values if isinstance(value, str) and value))
    if values and all(isinstance(value, str) for value in values):
        cleaned["type"] = "STRING"
        if texts:
            cleaned["enum"] = texts
    elif values:
        hints.append("One of: " + ", ".join(dumps(value) for value in values) + ".")


def _description(node: dict[str, Json], hints: list[str]) -> str:
    described = node.get("description")
    if "default" in node and node["default"] is not None:
        hints.append(f"Default: {dumps(node['default'])}.")
    examples = node.get("examples", node.get("example"))
    if examples:
        shown = examples if isinstance(examples, list) else [examples]
        hints.append("Examples: " + ", ".join(dumps(example) for example in shown[:3]) + ".")
    texts = [described] if isinstance(described, str) and described else []
    return " ".join([*texts, *hints])


def _format(node: dict[str, Json], cleaned: dict[str, Json], hints: list[str]) -> None:
    wanted = node.get("format")
    if not isinstance(wanted, str) or not wanted:
        return
    kind = cleaned["type"].lower()
    if wanted in _FORMATS.get(kind, ()) and (wanted != "enum" or "enum" in cleaned):
        cleaned["format"] = wanted
    elif wanted != "enum":
        hints.append(f"Format: {wanted}.")


def _counts(node: dict[str, Json], cleaned: dict[str, Json]) -> None:
    for name in _COUNTS[cleaned["type"].lower()]:
        count = as_integer(node.get(name))
        if count is not None and count >= 0:
            cleaned[name] = count


def _string(node: dict[str, Json], cleaned: dict[str, Json], hints: list[str]) -> None:
    _counts(node, cleaned)
    _format(node, cleaned, hints)
    if isinstance(node.get("pattern"), str):
        cleaned["pattern"] = node["pattern"]


def _number(node: dict[str, Json], cleaned: dict[str, Json], hints: list[str]) -> None:
    _format(node, cleaned, hints)
    for name, exclusive, step in (("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1)):
        bound, beyond = _number_in(node.get(name)), node.get(exclusive)
        strict = _number_in(beyond)
        if beyond is True:
            # Draft 4 spelled it as a switch beside the bound.
            strict, bound = bound, None
        if strict is not None and cleaned["type"] == "INTEGER" and as_integer(strict) is not None:
            inclusive = int(strict) + step
            bound = (
                inclusive if bound is None else max(bound, inclusive) if step > 0 else min(bound, inclusive)
            )
        elif strict is not None:
            hints.append(f"{'More' if step > 0 else 'Less'} than {dumps(strict)}.")
        if bound is not None:
            cleaned[name] = bound
    if _number_in(node.get("multipleOf")) is not None:
        hints.append(f"A multiple of {dumps(node['multipleOf'])}.")


def _counted(node: dict[str, Json], cleaned: dict[str, Json], hints: list[str]) -> None:
    _counts(node, cleaned)


def _no_keywords(node: dict[str, Json], cleaned: dict[str, Json], hints: list[str]) -> None:
    """A boolean has none."""


_KEYWORDS: dict[str, Callable[[dict[str, Json], dict[str, Json], list[str]], None]] = {
    "string": _string,
    "number": _number,
    "integer": _number,
    "array": _counted,
    "object": _counted,
}


def _number_in(value: Json) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _names(value: Json) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
