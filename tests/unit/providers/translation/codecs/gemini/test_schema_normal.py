import pytest

from providers.translation.codecs.gemini.schema import clean_response_schema
from providers.translation.codecs.gemini.schema_normal import to_json_schema

TABLE = {
    "types": (
        {"type": "OBJECT", "properties": {"type": {"type": "STRING"}}, "propertyOrdering": ["type"]},
        {"type": "object", "properties": {"type": {"type": "string"}}},
    ),
    "nullable": ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
    "nullable false": ({"type": "STRING", "nullable": False}, {"type": "string"}),
    "nullable enum": (
        {"type": "STRING", "enum": ["a"], "nullable": True, "format": "enum"},
        {"type": ["string", "null"], "enum": ["a", None]},
    ),
    "nullable union": (
        {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}], "nullable": True},
        {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
    ),
    "snake case and counts as strings": (
        {"type": "ARRAY", "min_items": "1", "items": {"any_of": [{"type": "STRING"}]}},
        {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "string"}]}},
    ),
    "an example": ({"type": "STRING", "example": "x"}, {"type": "string", "examples": ["x"]}),
    "references": (
        {"ref": "#/defs/a", "defs": {"a": {"type": "INTEGER"}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}},
    ),
    "no type": ({"type": "TYPE_UNSPECIFIED"}, {}),
    "plain JSON Schema": (
        {"type": ["string", "null"], "additionalProperties": {"type": "string"}},
        {"type": ["string", "null"], "additionalProperties": {"type": "string"}},
    ),
}


@pytest.mark.parametrize(("schema", "wanted"), TABLE.values(), ids=TABLE)
def test_it_reads_as_plain_json_schema(schema, wanted):
    assert to_json_schema(schema) == wanted


def test_property_names_survive_even_when_they_are_keywords():
    schema = {"type": "OBJECT", "properties": {"nullable": {"type": "STRING"}, "any_of": {"type": "STRING"}}}
    assert set(to_json_schema(schema)["properties"]) == {"nullable", "any_of"}


def test_it_does_not_raise_on_what_is_no_schema():
    assert to_json_schema(True) is True
    assert to_json_schema(None) is None


def test_cleaning_and_reading_again_gives_the_same_schema():
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where"},
            "days": {"type": ["integer", "null"], "minimum": 1},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
        },
        "required": ["city"],
    }
    assert to_json_schema(clean_response_schema(schema)) == schema
