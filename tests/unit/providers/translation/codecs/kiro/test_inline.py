"""Thoughts and calls that stand in the text, at any cut."""

import pytest

from providers.translation.codecs.kiro.inline import Called, InlineReader, Said

TOOLS = frozenset({"run"})


def read(text, size, *, thinks=True, tools=TOOLS):
    reader = InlineReader(thinks=thinks, tools=tools)
    pieces = [
        piece for i in range(0, len(text), size) for piece in reader.feed(text[i : i + size])
    ] + reader.close()
    joined: list[Said | Called] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if isinstance(piece, Said) and isinstance(last, Said) and last.is_thought is piece.is_thought:
            joined[-1] = Said(last.text + piece.text, piece.is_thought)
        else:
            joined.append(piece)
    return joined


CASES = [
    ("plain", [Said("plain")]),
    ("<thinking>why</thinking>\n\nso", [Said("why", True), Said("so")]),
    ("a<thinking>\nb\n</thinking>c", [Said("a"), Said("b", True), Said("c")]),
    ("a < b <thin air", [Said("a < b <thin air")]),
    ("<thinking>never ends", [Said("never ends", True)]),
    ('x [Called run with args: {"a": "]}"}] y', [Said("x "), Called("run", '{"a": "]}"}'), Said(" y")]),
    ('[Called other with args: {"a": 1}]', [Said('[Called other with args: {"a": 1}]')]),
    ("[Called run without]", [Said("[Called run without]")]),
    ('[Called run with args: {"a": 1', [Said('[Called run with args: {"a": 1')]),
    ('[Called run with args: {"a": 1}, and]', [Said('[Called run with args: {"a": 1}, and]')]),
    ("[[Called [Called", [Said("[[Called [Called")]),
]


@pytest.mark.parametrize(("text", "pieces"), CASES)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_marks_are_found_at_any_cut(text, pieces, size):
    assert read(text, size) == pieces


def test_without_thinking_and_tools_all_is_text():
    text = '<thinking>a</thinking>[Called run with args: {"a": 1}]'
    assert read(text, 1, thinks=False, tools=frozenset()) == [Said(text)]


def test_text_is_held_no_longer_than_it_may_be_a_mark():
    reader = InlineReader(thinks=True, tools=TOOLS)
    assert reader.feed("Hello <thi") == [Said("Hello ")]
    assert reader.feed("s>") == [Said("<this>")]


def test_what_is_too_long_is_no_call():
    text = '[Called run with args: {"a": "' + "x" * 300_000
    assert "".join(piece.text for piece in read(text, 10_000)) == text
