import pytest

from providers.translation.codecs.gemini.schema_flatten import Flattener, Place


def test_siblings_of_a_reference_win_over_its_target():
    root = {"$defs": {"x": {"type": "string", "description": "its"}}}
    node, place = Flattener(root).flatten({"$ref": "#/$defs/x", "description": "mine"}, Place())
    assert node == {"type": "string", "description": "mine"}
    assert place.inside == {"#/$defs/x"}


def test_a_reference_to_a_reference_is_followed_and_a_ring_is_cut():
    root = {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"type": "string"}, "r": {"$ref": "#/$defs/r"}}}
    assert Flattener(root).flatten({"$ref": "#/$defs/a"}, Place())[0] == {"type": "string"}
    assert Flattener(root).flatten({"$ref": "#/$defs/r"}, Place())[0]["type"] == "object"


@pytest.mark.parametrize(
    "pointer", [3, "", "#x", "#/none/deeper", "#/list/9", "#/list/x", "other.json", "#/text/a"]
)
def test_a_reference_to_nowhere_is_nothing(pointer):
    root = {"list": [{}], "text": "x"}
    assert Flattener(root).flatten({"$ref": pointer}, Place())[0].keys() <= {"list", "text"}


def test_members_that_disagree_about_a_property_both_count():
    flat = Flattener({})
    node = flat.combine(
        [
            {"properties": {"a": {"minLength": 1}, "b": True}, "enum": ["x", "y"], "type": "object"},
            {"properties": {"a": {"maxLength": 2}, "b": {"type": "string"}}, "enum": ["y"], "type": "string"},
        ]
    )
    assert node == {
        "properties": {"a": {"allOf": [{"minLength": 1}, {"maxLength": 2}]}, "b": {"type": "string"}},
        "enum": ["y"],
        "type": "object",
    }
