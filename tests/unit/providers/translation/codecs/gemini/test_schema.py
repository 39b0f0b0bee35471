"""The schema cleaner: a table, what must never happen, and that it leaves its input alone."""

import copy
from typing import Any

import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.translation.codecs.gemini.schema import clean_parameters, clean_response_schema

STRING = {"type": "STRING"}
INTEGER = {"type": "INTEGER"}

ALLOWED = {
    "type", "format", "description", "nullable", "enum", "items", "minItems", "maxItems", "properties",
    "propertyOrdering", "required", "minProperties", "maxProperties", "minimum", "maximum", "minLength",
    "maxLength", "pattern", "anyOf",
}  # fmt: skip

TABLE = {
    "a plain type": ({"type": "string"}, STRING),
    "an upper-case type": ({"type": "STRING"}, STRING),
    "an unknown type": ({"type": "date"}, STRING),
    "true": (True, STRING),
    "nothing": ({}, STRING),
    "not a schema at all": (["string"], STRING),
    "a type or null": ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
    "two types": ({"type": ["string", "integer"]}, {"anyOf": [STRING, INTEGER]}),
    "two types, described": (
        {"type": ["string", "integer", "null"], "description": "id"},
        {"anyOf": [STRING, INTEGER], "nullable": True, "description": "id"},
    ),
    "null alone": ({"type": "null"}, {"type": "STRING", "nullable": True}),
    "a union with null": (
        {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "n"},
        {"type": "INTEGER", "nullable": True, "description": "n"},
    ),
    "oneOf": ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [STRING, INTEGER]}),
    "a union of constants": (
        {"type": "string", "oneOf": [{"const": "a"}, {"const": "b"}]},
        {"type": "STRING", "enum": ["a", "b"]},
    ),
    "a union that only requires": (
        {"type": "object", "properties": {"a": True}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"type": "OBJECT", "properties": {"a": STRING}},
    ),
    "a union of nothing": ({"anyOf": []}, STRING),
    "a branch that inherits its type": (
        {"type": "string", "anyOf": [{"enum": ["a"]}, {"type": "string", "pattern": "x"}]},
        {"anyOf": [{"type": "STRING", "enum": ["a"]}, {"type": "STRING", "pattern": "x"}]},
    ),
    "allOf": (
        {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": {}}}]},
        {"type": "OBJECT", "properties": {"a": STRING, "b": STRING}, "required": ["a"]},
    ),
    "allOf about one property": (
        {"allOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"minLength": 1}}}]},
        {"type": "OBJECT", "properties": {"a": {"type": "STRING", "minLength": 1}}},
    ),
    "a string constant": ({"const": "v"}, {"type": "STRING", "enum": ["v"]}),
    "a number constant": ({"const": 3}, {"type": "INTEGER", "description": "One of: 3."}),
    "a null constant": ({"const": None}, {"type": "STRING", "nullable": True}),
    "an enum": ({"enum": ["a", "", None]}, {"type": "STRING", "enum": ["a"], "nullable": True}),
    "a number enum": ({"type": "integer", "enum": [1, 2]}, {**INTEGER, "description": "One of: 1, 2."}),
    "a boolean enum": ({"enum": [True]}, {"type": "BOOLEAN", "description": "One of: true."}),
    "exclusive bounds of an integer": (
        {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9},
        {"type": "INTEGER", "minimum": 1, "maximum": 8},
    ),
    "an exclusive bound beside a bound": (
        {"type": "integer", "exclusiveMinimum": 0, "minimum": 5},
        {"type": "INTEGER", "minimum": 5},
    ),
    "exclusive bounds of draft 4": (
        {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
        {"type": "INTEGER", "minimum": 1},
    ),
    "an exclusive bound of a number": (
        {"type": "number", "exclusiveMinimum": 0.5, "multipleOf": 2},
        {"type": "NUMBER", "description": "More than 0.5. A multiple of 2."},
    ),
    "bounds without a type": ({"minimum": 1}, {"type": "NUMBER", "minimum": 1}),
    "lengths": (
        {"type": "string", "minLength": "1", "maxLength": 2.0, "pattern": "a+"},
        {"type": "STRING", "minLength": 1, "maxLength": 2, "pattern": "a+"},
    ),
    "a known format": ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}),
    "a number format": ({"type": "number", "format": "double"}, {"type": "NUMBER", "format": "double"}),
    "an unknown format": ({"type": "string", "format": "uuid"}, {**STRING, "description": "Format: uuid."}),
    "a default": (
        {"type": "integer", "default": 3, "title": "N", "examples": [1]},
        {**INTEGER, "description": "Default: 3. Examples: 1."},
    ),
    "an array without items": ({"type": "array"}, {"type": "ARRAY", "items": STRING}),
    "a tuple": (
        {"prefixItems": [{"type": "string"}, {"type": "integer"}]},
        {"type": "ARRAY", "items": {"anyOf": [STRING, INTEGER]}},
    ),
    "an old tuple of one": ({"type": "array", "items": [{}]}, {"type": "ARRAY", "items": STRING}),
    "an empty tuple": ({"type": "array", "items": []}, {"type": "ARRAY", "items": STRING}),
    "requires what is not there": (
        {"type": "object", "properties": {"a": {}}, "required": ["a", "b", "a", 3]},
        {"type": "OBJECT", "properties": {"a": STRING}, "required": ["a"]},
    ),
    "an order": (
        {"properties": {"a": {}}, "propertyOrdering": ["a", "z"]},
        {"type": "OBJECT", "properties": {"a": STRING}, "propertyOrdering": ["a"]},
    ),
    "keywords nobody knows": (
        {
            "type": "object", "$schema": "x", "$id": "y", "$comment": "z", "x-own": 1,
            "properties": {"a": {}}, "additionalProperties": False, "patternProperties": {"^x": {}},
            "if": {}, "not": {},
        },
        {"type": "OBJECT", "properties": {"a": STRING}},
    ),
    "a reference": (
        {
            "$ref": "#/$defs/x", "description": "mine",
            "$defs": {"x": {"type": "integer", "description": "its"}},
        },
        {"type": "INTEGER", "description": "mine"},
    ),
    "an old-style reference with escapes": (
        {"properties": {"a": {"$ref": "#/definitions/a~1b"}}, "definitions": {"a/b": {"type": "integer"}}},
        {"type": "OBJECT", "properties": {"a": INTEGER}},
    ),
    "a reference into a list": (
        {"properties": {"a": {"$ref": "#/anyOf/0"}}, "anyOf": [{"type": "integer"}]},
        {"type": "INTEGER"},
    ),
    "a reference to nowhere": ({"$ref": "#/$defs/none"}, STRING),
    "a reference to another document": ({"$ref": "https://example.com/x"}, STRING),
    "a reference to itself": (
        {"$ref": "#"},
        {"type": "OBJECT", "description": "The same structure again."},
    ),
    "a union of itself": (
        {"anyOf": [{"$ref": "#"}]},
        {"type": "OBJECT", "description": "The same structure again."},
    ),
    "a cycle": (
        {
            "$ref": "#/$defs/node",
            "$defs": {"node": {"properties": {"v": {}, "next": {"$ref": "#/$defs/node"}}}},
        },
        {
            "type": "OBJECT",
            "properties": {
                "v": STRING,
                "next": {"type": "OBJECT", "description": "The same structure again."},
            },
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "wanted"), TABLE.values(), ids=TABLE)
def test_it_says_what_google_can_be_told(schema, wanted):
    before = copy.deepcopy(schema)
    cleaned = clean_response_schema(schema)
    assert cleaned == wanted
    assert schema == before
    assert broken_rules(cleaned) == []
    types.Schema.model_validate(cleaned)


KEYWORD_NAMES = (
    "title",
    "format",
    "default",
    "type",
    "enum",
    "pattern",
    "properties",
    "required",
    "$ref",
    "anyOf",
)


@pytest.mark.parametrize("name", KEYWORD_NAMES)
def test_a_property_may_be_called_like_a_keyword(name):
    schema = {"type": "object", "properties": {name: {"type": "integer"}}, "required": [name]}
    assert clean_parameters(schema) == {"type": "OBJECT", "properties": {name: INTEGER}, "required": [name]}


def test_a_tool_without_properties_has_no_parameters():
    assert clean_parameters({"type": "object", "properties": {}}) is None
    assert clean_parameters({"type": "object"}) is None


def test_parameters_that_are_no_object_are_wrapped():
    wrapped = {"type": "OBJECT", "properties": {"input": STRING}, "required": ["input"]}
    assert clean_parameters({"type": "string"}) == wrapped


def test_a_union_of_objects_at_the_top_stays_one_object():
    branches = [
        {"properties": {"a": {"type": "string"}, "id": {}}, "required": ["id", "a"]},
        {"properties": {"b": {"type": "integer"}, "id": {}}, "required": ["id", "b"]},
    ]
    assert clean_parameters({"anyOf": branches}) == {
        "type": "OBJECT",
        "properties": {"a": STRING, "id": STRING, "b": INTEGER},
        "required": ["id"],
        "description": "Only the properties of one alternative belong together.",
    }


def test_a_small_document_that_describes_an_enormous_tree_is_cut():
    defs = {
        f"a{i}": {"properties": {"x": {"$ref": f"#/$defs/a{i + 1}"}, "y": {"$ref": f"#/$defs/a{i + 1}"}}}
        for i in range(40)
    }
    cleaned = clean_parameters({"$ref": "#/$defs/a0", "$defs": defs})
    assert count(cleaned) < 50_000


def test_a_very_deep_schema_is_cut():
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(500):
        schema = {"type": "array", "items": schema}
    assert broken_rules(clean_response_schema(schema)) == []


def count(schema):
    inner = list(schema.get("properties", {}).values()) + schema.get("anyOf", [])
    return 1 + sum(count(child) for child in inner)


def broken_rules(schema, path="$"):
    """What Google would refuse, as text; empty for a legal Schema."""
    if not isinstance(schema, dict):
        return [f"{path} is no object"]
    wrong = [f"{path}.{name} is unknown" for name in schema.keys() - ALLOWED]
    kind = schema.get("type")
    if kind not in ("STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT") and "anyOf" not in schema:
        wrong.append(f"{path} has type {kind}")
    if kind == "ARRAY" and "items" not in schema:
        wrong.append(f"{path} has no items")
    if not all(isinstance(value, str) and value for value in schema.get("enum", ())):
        wrong.append(f"{path}.enum holds more than texts")
    properties = schema.get("properties", {})
    wrong += [f"{path} requires {name}" for name in schema.get("required", ()) if name not in properties]
    for name, child in properties.items():
        wrong += broken_rules(child, f"{path}.{name}")
    for child in [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())]:
        wrong += broken_rules(child, f"{path}[]")
    return wrong


LEAF = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.sampled_from(
    [
        "string", "object", "array", "null", "integer", "a", "", "enum",
        "#", "#/$defs/a", "#/properties/a", "#/anyOf/0",
    ]
)  # fmt: skip
KEYWORD = st.sampled_from(
    [
        "type", "properties", "items", "prefixItems", "anyOf", "oneOf", "allOf", "$ref", "$defs", "enum",
        "const", "required", "nullable", "format", "default", "minimum", "exclusiveMinimum", "minLength",
        "title", "a", "description", "additionalProperties", "propertyOrdering", "examples", "multipleOf",
    ]
)  # fmt: skip
ANYTHING = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORD, inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=400, deadline=None)
@given(ANYTHING)
def test_whatever_comes_in_something_legal_comes_out(schema):
    before = copy.deepcopy(schema)
    assert broken_rules(clean_response_schema(schema)) == []
    parameters = clean_parameters(schema)
    assert parameters is None or (parameters["type"] == "OBJECT" and broken_rules(parameters) == [])
    assert schema == before
