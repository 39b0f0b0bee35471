"""Tool names and call ids that fit a target, and find their way back."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from providers.translation.names import IDENTITY, build, tool_id

ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")


def fitted(*names):
    return build(names, illegal=ILLEGAL, limit=64)


def test_names_that_fit_are_left_alone():
    names = fitted("get_weather", "a-b")
    assert not names
    assert names.mangle("get_weather") == "get_weather"
    assert not IDENTITY


def test_a_name_that_does_not_fit_is_changed_and_restored():
    names = fitted("mcp.server/tool")
    assert names.mangle("mcp.server/tool") == "mcp_server_tool"
    assert names.restore("mcp_server_tool") == "mcp.server/tool"
    assert names.restore("unknown") == "unknown"


def test_a_first_character_that_needs_it_gets_a_lead():
    names = build(["7up!"], illegal=ILLEGAL, limit=64, lead="_")
    assert names.mangle("7up!") == "_7up_"


@given(st.lists(st.text(max_size=90), max_size=8))
def test_distinct_names_stay_distinct_fit_and_come_back(texts):
    names = fitted(*texts)
    short = {name: names.mangle(name) for name in texts}
    assert len(set(short.values())) == len(short)
    for name, mangled in short.items():
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", mangled)
        assert names.restore(mangled) == name
    assert {name: fitted(*texts).mangle(name) for name in texts} == short


@given(st.text(max_size=100))
def test_a_call_id_fits_and_is_the_same_each_time(original):
    short = tool_id(original)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", short)
    assert tool_id(short) == short
    assert tool_id(original) == short
