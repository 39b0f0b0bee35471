"""YAML is read with its lines, and what is wrong with it is told in one sentence with its line."""

from __future__ import annotations

import os
import time

import pytest
import yaml

from management_api.config import composing, document
from management_api.config.document import Mapping, Scalar, ScalarKind, Sequence
from management_api.config.problems import ConfigRefused


def refusal(content: bytes | str) -> list[str]:
    with pytest.raises(ConfigRefused) as caught:
        document.parse(content)
    return str(caught.value).split("\n")


def test_every_value_knows_its_line_and_its_text_as_written():
    root = document.parse("# first\nport: 0123\nkeys:\n  - 'a'\n  - b\n").root
    assert root.entries["port"].line == 2
    assert root.entries["port"].value == Scalar("0123", ScalarKind.INTEGER, 2)
    keys = root.entries["keys"].value
    assert isinstance(keys, Sequence)
    assert keys.items == (
        Scalar("a", ScalarKind.TEXT, 4, plain=False),
        Scalar("b", ScalarKind.TEXT, 5),
    )


def test_the_text_is_kept_so_that_it_can_be_edited():
    text = "a: 1 # why\n"
    assert document.parse(text).text == text


def test_the_hash_is_of_the_bytes():
    first, second = document.parse("a: 1\n"), document.parse("a: 1 \n")
    assert len(first.content_hash) == 64
    assert first.content_hash != second.content_hash


def test_a_byte_order_mark_is_skipped():
    assert list(document.parse(b"\xef\xbb\xbfa: 1\n").root.entries) == ["a"]


def test_merged_keys_give_way_to_own_keys():
    root = document.parse("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz:\n  <<: [*x, *y]\n  a: 9\n").root
    merged = root.entries["z"].value
    assert isinstance(merged, Mapping)
    values = {
        key: entry.value.text for key, entry in merged.entries.items() if isinstance(entry.value, Scalar)
    }
    assert values == {"a": "9", "b": "2", "c": "4"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\na: 2\n", 2, "`a` is given twice; line 1 has it first"),
        ("x:\n  - b: 1\n    c: 2\n    b: 3\n", 4, "`b` is given twice; line 2"),
        ("a:\n\t- b\n", 2, "tab"),
        ("a: b: c\n", 1, "quote a value"),
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "closing bracket"),
        ('a: "b\nc: 1\n', 1, "never closed"),
        ("a:\n  - [\n\n", 2, "a bracket is never closed"),
        ("a: {b: 1\nc: 2\n", 2, "bracket"),
        ("a: {b: 1\n\n", 1, "a bracket is never closed"),
        ("a: [b]]\n", 1, "closed quote or bracket"),
        ("a: ]\n", 1, "nothing to close"),
        ("a: - b\n", 1, "line of its own"),
        ("a: @b\n", 1, "in quotes"),
        ("a: *\n", 1, "in quotes"),
        ('a: "\\q"\n', 1, "single quotes"),
        ("a:b\nc: 1\n", 2, "blank after each `:`"),
        ("  a: 1\nb: 2\n", 2, "indentation"),
        ("%YAML 3.0\n---\na: 1\n", 1, "version"),
        ("a: |x\n  b\n", 1, "not valid YAML"),
        ("a: *q\n", 1, "anchor"),
        ("a: 1\n---\nb: 2\n", 2, "one document"),
        ("a:\n  b: 1\n c: 2\n", 3, "indentation"),
        ("port: 1\nfoo\n", 2, "without `:`"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, "tag"),
        ("a: !thing {b: 1}\n", 1, "tag"),
        ("a: 1\n? [b]\n: c\n", 2, "a key must be text"),
        ("a: 1\nb: \x07\n", 2, "control character"),
        ("- a\n- b\n", 1, "mapping of keys to values"),
        ("just text\n", 1, "mapping of keys to values"),
        ("a: &a [1, *a]\n", 1, "contains itself"),
        ("a: 1\nb:\n  <<: 5\n", 3, "alias of a mapping"),
    ],
)
def test_a_mistake_of_syntax_is_named_with_its_line(text, line, words):
    (message,) = refusal(text)
    assert message.startswith(f"config.yaml line {line}: "), message
    assert words in message


def test_several_mistakes_are_named_at_once():
    assert len(refusal("a: 1\na: 2\nb: !x y\nb: 3\n")) == 3


def test_a_refusal_never_quotes_a_value():
    assert not any("sk-secret" in message for message in refusal("k: sk-secret\nk: sk-secret-2\n"))
    assert not any("sk-secret" in message for message in refusal("k: [sk-secret\nb: sk-secret: 1\n"))


@pytest.mark.parametrize("content", ["", "\n\n", "# only a comment\n", b""])
def test_an_empty_file_is_refused(content):
    assert refusal(content) == ["config.yaml: the file is empty; write at least one key, or start without it"]


def test_text_that_is_not_utf8_is_refused_with_its_line():
    (message,) = refusal("a: 1\nb: é\n".encode("latin-1"))
    assert message == "config.yaml line 2: the text is not UTF-8; save the file as UTF-8"


def test_anchors_that_unfold_without_end_are_refused():
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    (message,) = refusal("\n".join(levels))
    assert "anchors unfold" in message


def test_merges_that_unfold_without_end_are_refused():
    levels = ["a0: &a0 {k: [x, x, x, x, x, x, x, x, x, x]}"]
    levels += [f"a{n}: &a{n} {{p: *a{n - 1}, q: *a{n - 1}, <<: *a{n - 1}}}" for n in range(1, 30)]
    (message,) = refusal("\n".join(levels))
    assert "anchors unfold" in message


def test_values_nested_too_deeply_are_refused():
    (message,) = refusal("a: " + "[" * 5000 + "]" * 5000)
    assert "nested too deeply" in message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigRefused, match=r"gone\.yaml does not exist"):
        document.load(tmp_path / "gone.yaml")


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(ConfigRefused, match="is a directory, not a file"):
        document.load(tmp_path)


def test_a_pipe_is_not_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigRefused, match="is not a regular file"):
        document.load(tmp_path / "pipe")


def test_a_path_that_cannot_be_opened_is_refused_with_the_reason(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigRefused, match="cannot be read: Not a directory"):
        document.load(tmp_path / "file" / "config.yaml")


def test_a_huge_file_is_refused_without_being_parsed(tmp_path):
    path = tmp_path / "big.yaml"
    path.write_bytes(b"#" * (document.SIZE_LIMIT_BYTES + 1))
    with pytest.raises(ConfigRefused, match=r"big\.yaml: the file is larger than 10 MiB"):
        document.load(path)


def test_messages_carry_the_name_of_the_file(tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text("a: [\n")
    with pytest.raises(ConfigRefused, match=r"^gateway\.yaml line \d"):
        document.load(path)


@pytest.mark.parametrize(
    "text",
    [
        "port:\t8317\n",
        "port: 8317\t# why\n",
        "port: 8317\t\n\t\n",
        "\t# a comment\nport: 8317\n",
        "port: 8317 \t\r\nkeys: [a,\tb]\r\n",
    ],
)
def test_a_tab_may_part_but_not_indent(text):
    value = document.parse(text).root.entries["port"].value
    assert isinstance(value, Scalar)
    assert value.text == "8317"


def test_a_tab_inside_a_text_stays():
    value = document.parse('port:\t1\na: "x\ty"\n').root.entries["a"].value
    assert isinstance(value, Scalar)
    assert value.text == "x\ty"


# --- texts that are read quickly and those that are not ----------------------------------------


@pytest.mark.parametrize("tab", ["", "\t# beside a tab\n"])
def test_a_folded_text_has_blanks_where_it_breaks_and_nothing_else(tab):
    root = document.parse(tab + "a: >\n  x\n  y\n\n  z\nb: |\n  l\n  m\n").root
    values = [entry.value for entry in root.entries.values()]
    assert [value.text for value in values if isinstance(value, Scalar)] == ["x y\nz\n", "l\nm\n"]


@pytest.mark.parametrize("text", ["a: " + "[" * 3000 + "]" * 3000, "a: " + "[" * 3000, "- " * 200 + "x"])
def test_deep_nesting_is_refused_before_it_takes_time(text):
    before = time.perf_counter()
    with pytest.raises(ConfigRefused, match="nested too deeply"):
        document.parse(f"a:\n {text}" if text[0] == "-" else text)
    assert time.perf_counter() - before < 2


def test_a_file_of_many_lines_is_read_in_a_moment():
    text = "a:\n" + "".join(f"  - {{name: n{number}, alias: a{number}}}\n" for number in range(5_000))
    before = time.perf_counter()
    root = document.parse(text).root
    value = root.entries["a"].value
    assert isinstance(value, Sequence)
    assert len(value.items) == 5_000
    assert time.perf_counter() - before < 5  # ruamel.yaml alone takes ten times as long


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: 0x1F\nc: 1e3\nd: yes\ne: ~\ng: 2027-01-31\nh: 0123\ni: 1_000\nj: .inf\nk: <<\nl: =",
        "a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 'it''s'}",
        'a: "tab\\there"\nb: \'x\'\nc: [1, "2", {d: e}]\n? f\n: g',
        "%YAML 1.2\n---\na: !!str 1\n...\n",
        "# only a comment\na: |2-\n    x\n  y\n",
        "{a: 1, 'b': [x,\n y]}",
    ],
)
def test_both_ways_of_reading_agree(text, monkeypatch):
    quick = document.parse(text).root

    class Slow:
        def __init__(self, text):
            raise yaml.YAMLError

    monkeypatch.setattr(composing, "_Quick", Slow)
    assert document.parse(text).root == quick


def test_a_long_text_is_not_read_twice_for_better_words():
    with pytest.raises(ConfigRefused, match="line 200003: "):
        document.parse("# " + "\n# ".join("x" * 200_001) + "\na: [1\nb: 2]: c\n")
