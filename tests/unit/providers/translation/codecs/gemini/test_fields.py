from typing import Any

import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.codec import MalformedRequest
from providers.translation.codecs.gemini.fields import Fields, as_integer, merge_missing


def fields(raw):
    return Fields(raw, "a[0]", MalformedRequest)


def test_both_spellings_are_read_and_camel_case_wins():
    assert fields({"fileUri": "x"}).text("fileUri") == "x"
    assert fields({"file_uri": "x"}).text("fileUri") == "x"
    both = fields({"fileUri": "x", "file_uri": "y"})
    assert both.text("fileUri") == "x"
    assert both.rest() == {}


def test_null_is_absent():
    assert fields({"text": None, "other": None}).text("text") is None
    assert fields({"other": None}).rest() == {}


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("text", 1),
        ("flag", "true"),
        ("number", "1"),
        ("number", True),
        ("integer", 1.5),
        ("integer", "x"),
        ("object", []),
        ("raw_object", "x"),
        ("items", "x"),
        ("texts", ["a", 1]),
        ("texts", "a"),
    ],
)
def test_a_wrong_type_is_refused_with_its_path(reader, value):
    with pytest.raises(MalformedRequest) as caught:
        getattr(fields({"someField": value}), reader)("someField")
    assert caught.value.param == "a[0].someField"
    assert "a[0].someField" in caught.value.message


def test_what_the_upstream_sent_wrong_is_its_fault():
    with pytest.raises(UpstreamProtocolError):
        Fields([], "", UpstreamProtocolError)


def test_integers_come_in_several_spellings():
    assert [as_integer(value) for value in (3, 3.0, "3", "-3", True, 3.5, "3.5", None)] == [
        3, 3, 3, -3, None, None, None, None,
    ]  # fmt: skip


def test_a_single_object_stands_for_a_list():
    (only,) = fields({"tools": {"a": 1}}).objects("tools")
    assert only.path == "a[0].tools[0]"


def test_typed_fields_win_over_raw_ones_and_raw_ones_are_copied():
    extra: dict[str, Any] = {"a": {"x": 1, "y": {"z": 2}}, "b": 3}
    target: dict[str, Any] = {"a": {"x": 0}}
    merge_missing(target, extra)
    assert target == {"a": {"x": 0, "y": {"z": 2}}, "b": 3}
    target["a"]["y"]["z"] = 9
    assert extra["a"]["y"]["z"] == 2
