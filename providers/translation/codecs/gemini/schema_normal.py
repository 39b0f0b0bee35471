"""Gemini's ``Schema`` message to plain JSON Schema: what a Gemini client writes, as others read it.

Upper-case types become lower-case, ``nullable`` a ``null`` type, 64-bit counts that came as strings
integers. Only schema positions are visited. Clients often put plain JSON Schema into ``parameters``; it
passes through unharmed.
"""

from __future__ import annotations

from providers.translation.codecs.gemini.fields import as_integer
from providers.translation.model import Json

_SPELLINGS = {
    "any_of": "anyOf",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "property_ordering": "propertyOrdering",
    "additional_properties": "additionalProperties",
    "defs": "$defs",
    "ref": "$ref",
}

_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_DEPTH = 100


def to_json_schema(schema: Json, depth: int = 0) -> Json:
    """A new JSON Schema; ``schema`` is not touched. Beyond 100 levels the value stays as it is."""
    if not isinstance(schema, dict) or depth > _DEPTH:
        return schema
    source: dict[str, Json] = schema
    node = {_SPELLINGS.get(name, name): value for name, value in source.items()}
    node.pop("propertyOrdering", None)
    nullable = node.pop("nullable", None) is True
    _lower_type(node)
    if node.get("format") == "enum":
        del node["format"]
    if "example" in node:
        node.setdefault("examples", [node.pop("example")])
    for name in _COUNTS:
        if isinstance(node.get(name), str):
            node[name] = as_integer(node[name])
    reference = node.get("$ref")
    if isinstance(reference, str):
        node["$ref"] = reference.replace("#/defs/", "#/$defs/")
    for name in ("properties", "$defs"):
        if isinstance(node.get(name), dict):
            node[name] = {key: to_json_schema(child, depth + 1) for key, child in node[name].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(node.get(name), dict):
            node[name] = to_json_schema(node[name], depth + 1)
    if isinstance(node.get("anyOf"), list):
        node["anyOf"] = [to_json_schema(branch, depth + 1) for branch in node["anyOf"]]
    return _with_null(node) if nullable else node


def _lower_type(node: dict[str, Json]) -> None:
    kind = node.get("type")
    if isinstance(kind, str):
        if kind.upper() == "TYPE_UNSPECIFIED":
            del node["type"]
        else:
            node["type"] = kind.lower()
    elif isinstance(kind, list):
        node["type"] = [one.lower() if isinstance(one, str) else one for one in kind]


def _with_null(node: dict[str, Json]) -> dict[str, Json]:
    kind = node.get("type")
    if isinstance(kind, str) and kind != "null":
        node["type"] = [kind, "null"]
    elif isinstance(node.get("anyOf"), list):
        node["anyOf"] = [*node["anyOf"], {"type": "null"}]
    if isinstance(node.get("enum"), list) and None not in node["enum"]:
        node["enum"] = [*node["enum"], None]
    return node
