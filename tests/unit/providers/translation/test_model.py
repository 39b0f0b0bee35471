"""The few things that neutral values do themselves."""

from __future__ import annotations

import pytest

from providers.translation.model import ToolCall, Usage


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ("", {}),
        ("  ", {}),
        ("null", {}),
        ('{"a":1}', {"a": 1}),
        ("[1]", {"input": [1]}),
        ('"x"', {"input": "x"}),
        ('{"a":', {"input": '{"a":'}),
    ],
)
def test_arguments_are_an_object_whatever_was_sent(arguments, value):
    assert ToolCall(id="c", name="f", arguments=arguments).value() == value


def test_free_form_arguments_are_text():
    assert ToolCall(id="c", name="f", arguments='{"a":1}', kind="custom").value() == {"input": '{"a":1}'}


def test_later_usage_wins_where_it_says_something():
    early = Usage(input_total=9, output_total=1, cache_read=4)
    merged = early.merged(Usage(output_total=3))
    assert (merged.input_total, merged.output_total, merged.cache_read) == (9, 3, 4)
