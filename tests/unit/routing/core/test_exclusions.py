import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.core.exclusions import first_match, matches


@pytest.mark.parametrize(
    ("pattern", "covered", "kept"),
    [
        ("gemini-2.5-pro", ["gemini-2.5-pro", "Gemini-2.5-PRO"], ["gemini-2.5-pro-x", "gemini-2.5"]),
        ("gemini-2.5-*", ["gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-"], ["gemini-2.50"]),
        ("*-preview", ["gemini-3-pro-preview"], ["gemini-3-preview-1"]),
        ("*flash*", ["flash-pro", "gemini-2.5-flash-lite", "flash"], ["gemini-pro"]),
        ("a*b*c", ["abc", "a-b-c", "axxbyyc"], ["acb", "ab", "abcd"]),
        ("aa*aa", ["aaaa", "aaxaa"], ["aaa"]),
        ("*", ["anything", ""], []),
    ],
)
def test_a_pattern_covers_what_the_table_says(pattern, covered, kept):
    assert [name for name in covered if not matches(pattern, name)] == []
    assert [name for name in kept if matches(pattern, name)] == []


def test_an_empty_pattern_covers_nothing():
    assert not matches("", "")
    assert not matches("", "gpt-4")


def test_only_the_star_is_special():
    assert matches("a.b[c]?", "A.B[C]?")
    assert not matches("a.b", "axb")


def test_the_first_matching_pattern_is_named():
    assert first_match(["gpt-*", "*mini*"], "gpt-4o-mini") == "gpt-*"
    assert first_match([], "x") is None


@given(st.text(alphabet="ab*", max_size=8), st.text(alphabet="ab", max_size=10))
def test_matching_agrees_with_a_regular_expression(pattern, text):
    import re

    expected = bool(pattern) and re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
    assert matches(pattern, text) is expected
