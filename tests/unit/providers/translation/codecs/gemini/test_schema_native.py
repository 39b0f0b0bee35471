"""The keywords that Google reads in ``parametersJsonSchema``, and what becomes of the others."""

from __future__ import annotations

import copy

import pytest

from providers.translation.codecs.gemini.schema_native import native_schema

STRING = {"type": "string"}

READ = {
    "type": "object",
    "title": "T",
    "properties": {
        "default": STRING,
        "$ref": {"type": ["string", "null"], "format": "date-time"},
        "list": {"type": "array", "items": {"enum": [1, 2.5]}, "minItems": 1},
        "pair": {"type": "array", "prefixItems": [STRING, {"type": "integer", "minimum": 0}]},
        "either": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
        "map": {"type": "object", "additionalProperties": STRING},
    },
    "required": ["default"],
    "additionalProperties": False,
    "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
}


def test_what_google_reads_comes_back_equal_and_nothing_is_changed_in_place():
    before = copy.deepcopy(READ)
    assert native_schema(READ) == READ == before


PUT_IN_OTHER_WORDS = {
    "a default": ({**STRING, "default": "x"}, {**STRING, "description": 'Default: "x".'}),
    "a hint stands behind the description": (
        {**STRING, "description": "A name.", "pattern": "^a"},
        {**STRING, "description": 'A name. Pattern: "^a".'},
    ),
    "a constant": ({"const": "v"}, {"enum": ["v"]}),
    "a constant that no enum holds": (
        {"type": "boolean", "const": True},
        {"type": "boolean", "description": "One of: true."},
    ),
    "null": ({"const": None}, {"type": "null"}),
    "null among values": ({"enum": ["a", None]}, {"type": ["string", "null"], "enum": ["a"]}),
    "exclusive bounds of integers": (
        {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10},
        {"type": "integer", "minimum": 1, "maximum": 9},
    ),
    "an exclusive bound of numbers": (
        {"type": "number", "exclusiveMinimum": 0.5},
        {"type": "number", "description": "More than 0.5."},
    ),
    "an exclusive bound of draft 4": (
        {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
        {"type": "integer", "minimum": 1},
    ),
    "a tuple of older drafts": (
        {"type": "array", "items": [STRING, True]},
        {"type": "array", "prefixItems": [STRING, {}]},
    ),
    "nullable of OpenAPI": ({**STRING, "nullable": True}, {"type": ["string", "null"]}),
    "words without a place": ({**STRING, "$comment": "c", "x-order": 1, "readOnly": True}, STRING),
}


@pytest.mark.parametrize(("schema", "expected"), PUT_IN_OTHER_WORDS.values(), ids=PUT_IN_OTHER_WORDS)
def test_the_rest_is_put_in_other_words(schema, expected):
    nested = native_schema({"type": "object", "properties": {"a": schema}})
    assert nested["properties"]["a"] == expected


def test_nothing_stands_beside_a_reference():
    schema = {
        "properties": {
            "a": {"$ref": "#/definitions/A", "description": "The first"},
            "b": {"$ref": "#/$defs/A"},
        },
        "definitions": {"A": STRING},
    }
    assert native_schema(schema) == {
        "properties": {
            "a": {"anyOf": [{"$ref": "#/$defs/A"}], "description": "The first"},
            "b": {"$ref": "#/$defs/A"},
        },
        "$defs": {"A": STRING},
    }


def test_all_of_becomes_one_node():
    schema = {"allOf": [{"$ref": "#/$defs/A"}, {"properties": {"b": STRING}, "required": ["b"]}], "$defs": {
        "A": {"type": "object", "properties": {"a": STRING}, "required": ["a"]}
    }}  # fmt: skip
    written = native_schema(schema)
    assert written["properties"] == {"a": STRING, "b": STRING}
    assert written["required"] == ["b", "a"] or written["required"] == ["a", "b"]
    assert "allOf" not in written


@pytest.mark.parametrize("schema", [True, False, None, 7, "x", [], {"properties": 7, "items": 7, "enum": 7}])
def test_what_is_no_schema_does_no_harm(schema):
    native_schema(schema)
    native_schema({"properties": {"a": schema}, "anyOf": [schema], "items": schema, "allOf": [schema]})


def test_a_reference_into_itself_ends():
    native_schema({"allOf": [{"$ref": "#"}], "properties": {"a": {"allOf": [{"$ref": "#"}]}}})
