import copy

import pytest

from providers.translation.codecs.claude.schema import output_schema, tool_schema

OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}}
DEFS = {"A": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}}

TOP: dict[str, tuple] = {
    "absent": (None, {"type": "object", "properties": {}}),
    "empty": ({}, {"type": "object", "properties": {}}),
    "object": (OBJECT, OBJECT),
    "no type": ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
    "nullable object": ({"type": ["object", "null"], "properties": {}}, {"type": "object", "properties": {}}),
    "string": (
        {"type": "string"},
        {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]},
    ),
    "array with definitions": (
        {"type": "array", "items": {"$ref": "#/$defs/A"}, "$defs": DEFS},
        {
            "type": "object",
            "properties": {"input": {"type": "array", "items": {"$ref": "#/$defs/A"}}},
            "required": ["input"],
            "$defs": DEFS,
        },
    ),
    "anyOf of objects": (
        {
            "anyOf": [
                {"type": "object", "properties": {"k": {"const": 1}, "b": {}}, "required": ["k", "b"]},
                {"type": "object", "properties": {"k": {"const": 2}}, "required": ["k"]},
            ]
        },
        {
            "type": "object",
            "properties": {"k": {"anyOf": [{"const": 1}, {"const": 2}]}, "b": {}},
            "required": ["k"],
        },
    ),
    "oneOf beside properties": (
        {
            "type": "object",
            "properties": {"a": {}, "b": {}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        {"type": "object", "properties": {"a": {}, "b": {}}},
    ),
    "allOf with a reference": (
        {"allOf": [{"$ref": "#/$defs/A"}, {"properties": {"y": {}}, "required": ["y"]}], "$defs": DEFS},
        {
            "type": "object",
            "$defs": DEFS,
            "properties": {"x": {"type": "integer"}, "y": {}},
            "required": ["x", "y"],
        },
    ),
    "anyOf of scalars": (
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {
            "type": "object",
            "properties": {"input": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
            "required": ["input"],
        },
    ),
    "anyOf with a scalar among objects": ({"anyOf": [OBJECT, {"type": "null"}, True]}, OBJECT),
}


@pytest.mark.parametrize(("schema", "expected"), TOP.values(), ids=TOP.keys())
def test_a_tool_schema_is_a_plain_object_at_the_top(schema, expected):
    before = copy.deepcopy(schema)
    assert tool_schema(schema) == expected
    assert schema == before


def test_a_schema_that_refers_to_itself_ends():
    endless = {"anyOf": [{"$ref": "#"}]}
    assert tool_schema(endless)["type"] == "object"


OUTPUT = {
    "closed already": (OBJECT | {"additionalProperties": False}, OBJECT | {"additionalProperties": False}),
    "properties named like keywords": (
        {"type": "object", "properties": {"format": {"type": "string"}, "minimum": {"type": "number"}}},
        {
            "type": "object",
            "properties": {"format": {"type": "string"}, "minimum": {"type": "number"}},
            "additionalProperties": False,
        },
    ),
    "a map": (
        {"type": "object", "additionalProperties": {"type": "string"}},
        {
            "type": "object",
            "properties": {},
            "additionalProperties": False,
            "description": '{additionalProperties: {"type":"string"}}',
        },
    ),
    "bounds": (
        {"type": "string", "description": "d", "maxLength": 3, "format": "regex"},
        {"type": "string", "description": 'd\n\n{maxLength: 3, format: "regex"}'},
    ),
    "lists": (
        {"type": "array", "items": {"type": "object", "properties": {}}, "minItems": 1, "maxItems": 2},
        {
            "type": "array",
            "items": {"type": "object", "properties": {}, "additionalProperties": False},
            "minItems": 1,
            "description": "{maxItems: 2}",
        },
    ),
    "choices": (
        {"oneOf": [{"type": "string", "format": "uuid"}, {"enum": ["a", None]}, {"const": 1}]},
        {"anyOf": [{"type": "string", "format": "uuid"}, {"enum": ["a", None]}, {"const": 1}]},
    ),
    "definitions": (
        {"$schema": "x", "$ref": "#/$defs/A", "$defs": {"A": OBJECT}},
        {"$defs": {"A": OBJECT | {"additionalProperties": False}}, "$ref": "#/$defs/A"},
    ),
}


@pytest.mark.parametrize(("schema", "expected"), OUTPUT.values(), ids=OUTPUT.keys())
def test_an_output_schema_is_closed_and_hints_at_what_cannot_be_enforced(schema, expected):
    before = copy.deepcopy(schema)
    assert output_schema(schema) == expected
    assert schema == before
