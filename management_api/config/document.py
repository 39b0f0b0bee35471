"""A YAML file as values that know their lines. Knows YAML 1.2 and nothing of the gateway's keys.

The tree is composed (``composing.py``), but not constructed: a scalar keeps the text as
it was written (an API key ``0123`` stays ``0123``), and types are decided by whoever reads the key. What
YAML allows and a configuration should not have is refused here: two values for one key, tags that name
types, keys that are not text, anchors that refer to themselves or unfold without end.
"""

from __future__ import annotations

import hashlib
import stat
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import yaml
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from management_api.config import composing
from management_api.config.problems import ConfigRefused, Findings

SIZE_LIMIT_BYTES = 10 * 1024 * 1024
NODE_LIMIT = 200_000
"""Values after anchors are unfolded. A hand-written file has hundreds; a bomb has billions."""

_TAG = "tag:yaml.org,2002:"
Marked = MarkedYAMLError | yaml.MarkedYAMLError


class ScalarKind(StrEnum):
    """What YAML 1.2 takes an unquoted text for."""

    TEXT = "str"
    INTEGER = "int"
    FLOAT = "float"
    BOOLEAN = "bool"
    NULL = "null"
    TIMESTAMP = "timestamp"


class Scalar(msgspec.Struct, frozen=True):
    text: str
    kind: ScalarKind
    line: int
    plain: bool = True
    """Written without quotes."""


class Sequence(msgspec.Struct, frozen=True):
    items: tuple[Node, ...]
    line: int


class Entry(msgspec.Struct, frozen=True):
    value: Node
    line: int
    """The line of the key."""


class Mapping(msgspec.Struct, frozen=True):
    entries: dict[str, Entry]
    line: int


Node = Scalar | Sequence | Mapping


class Document(msgspec.Struct, frozen=True, kw_only=True):
    source: str
    """The file's name, for messages."""
    text: str
    """As read; what a later write edits, so that comments and order survive."""
    content_hash: str
    """SHA-256 of the bytes."""
    root: Mapping


def load(path: Path) -> Document:
    """The document in the file ``path``. Raises ConfigRefused for what cannot be read or is not YAML."""
    return parse(read_bytes(path), source=path.name)


def parse(content: bytes | str, source: str = "config.yaml") -> Document:
    """The document that ``content`` holds. Raises ConfigRefused with every problem that was found."""
    findings = Findings(source)
    raw = content.encode() if isinstance(content, str) else content
    text = _decode(raw, findings)
    try:
        text, root = composing.compose(text)
        if root is None:
            raise _refusal(findings, "the file is empty; write at least one key, or start without it")
        converted = _Converter(findings).convert(root)
    except ReaderError as error:
        line = text.count("\n", 0, error.position or 0) + 1
        raise _refusal(findings, "a control character is not allowed in YAML", line) from error
    except (MarkedYAMLError, yaml.MarkedYAMLError) as error:
        raise _refusal(findings, _in_words(error), _line_of(error, text)) from error
    except (YAMLError, yaml.YAMLError) as error:
        raise _refusal(findings, "this is not YAML") from error
    except (RecursionError, composing.TooDeep) as error:
        raise _refusal(findings, "the values are nested too deeply") from error
    if not isinstance(converted, Mapping):
        findings.error("the file must be a mapping of keys to values, as in `port: 8317`", converted.line)
    if problems := findings.in_order():
        raise ConfigRefused(problems)
    assert isinstance(converted, Mapping)  # noqa: S101 -- narrows: anything else was refused above
    return Document(source=source, text=text, content_hash=hashlib.sha256(raw).hexdigest(), root=converted)


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file of bounded size. Raises ConfigRefused in one sentence."""
    findings = Findings(path.name)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise _refusal(findings, f"{path} is a directory, not a file")
        if not stat.S_ISREG(mode):
            raise _refusal(findings, f"{path} is not a regular file")
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT_BYTES + 1)
    except FileNotFoundError as error:
        raise _refusal(findings, f"{path} does not exist") from error
    except OSError as error:
        raise _refusal(findings, f"{path} cannot be read: {error.strerror}") from error
    if len(content) > SIZE_LIMIT_BYTES:
        raise _refusal(findings, f"the file is larger than {SIZE_LIMIT_BYTES // 1024**2} MiB")
    return content


def _decode(raw: bytes, findings: Findings) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _refusal(findings, "the text is not UTF-8; save the file as UTF-8", line) from error


def _refusal(findings: Findings, message: str, line: int = 0) -> ConfigRefused:
    findings.error(message, line)
    return ConfigRefused(findings.in_order())


_SYNTAX = (
    (r"found character '\t'", "a tab stands where YAML wants spaces; indent with spaces"),
    ("cannot start any token", "a text that begins with `@`, `%` or a backquote must be in quotes"),
    (
        "mapping values are not allowed here",
        "an unexpected `key: value`: check the indentation, quote a value that holds `: `, and leave a "
        "blank after each `:`",
    ),
    ("sequence entries are not allowed here", "a list item (`- …`) must begin on a line of its own"),
    (
        "could not find expected ':'",
        "a key without `:` and value, or a text that ends on another line without quotes",
    ),
    ("found unexpected end of stream", "a quote is never closed"),
    ("'<stream end>'", "a bracket is never closed"),
    ("expected ',' or", "a list or mapping in brackets lacks a `,` or its closing bracket"),
    ("expected the node content", "a closing bracket or a comma has nothing to close or to part"),
    ("found undefined alias", "an alias (`*name`) refers to an anchor (`&name`) that is not there"),
    ("expected alphabetic or numeric", "a text that begins with `&` or `*` must be in quotes"),
    ("found unknown escape character", "a backslash in double quotes begins an escape; use single quotes"),
    ("expected a single document", "only one document is allowed; remove the second `---`"),
    ("but found another document", "only one document is allowed; remove the second `---`"),
    (
        "expected <block end>",
        "the indentation does not match the lines above, or text follows a closed quote or bracket",
    ),
    ("expected '<document start>'", "the indentation does not match the lines above"),
    ("found duplicate anchor", "an anchor (`&name`) is defined twice"),
    ("incompatible YAML document", "the %YAML line names a version other than 1.x"),
)
"""What ruamel.yaml 0.19 says, and what to do about it; the first that fits counts."""


def _line_of(error: Marked, text: str) -> int:
    """Where the mistake begins: an open quote or bracket is noticed only where the file ends."""
    problem = str(error.problem or "")
    begins_earlier = any(
        words in problem for words in ("could not find expected", "unexpected end of stream", "<stream end>")
    )
    marks = (error.context_mark, error.problem_mark)
    first, second = marks if begins_earlier else marks[::-1]
    mark = first or second
    return min(mark.line, text.rstrip().count("\n")) + 1 if mark else 0


def _in_words(error: Marked) -> str:
    """The library's finding as a sentence; its own text may quote the file, and so a secret."""
    problem = str(error.problem or "")
    for fragment, words in _SYNTAX:
        if fragment in problem:
            return words
    return "this is not valid YAML"


class _Converter:
    """ruamel's nodes into ours. A node that several aliases share is converted once."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._done: dict[int, tuple[Node, int]] = {}
        self._open: set[int] = set()

    def convert(self, node: Any) -> Node:
        converted, size = self._visit(node)
        if size > NODE_LIMIT:
            raise _refusal(self._findings, f"its anchors unfold to more than {NODE_LIMIT} values")
        return converted

    def _visit(self, node: Any) -> tuple[Node, int]:
        """``node`` and how many values it unfolds to."""
        if id(node) in self._done:
            return self._done[id(node)]
        line = node.start_mark.line + 1
        if id(node) in self._open:
            raise _refusal(self._findings, "an anchor contains itself", line)
        self._open.add(id(node))
        result = self._convert(node, line)
        self._open.discard(id(node))
        self._done[id(node)] = result
        return result

    def _convert(self, node: Any, line: int) -> tuple[Node, int]:
        if isinstance(node, ScalarNode):
            return self._scalar(node, line), 1
        if str(node.tag) not in (f"{_TAG}map", f"{_TAG}seq"):
            self._findings.error(f"the tag {node.tag} is not allowed", line)
        if isinstance(node, SequenceNode):
            visited = [self._visit(item) for item in node.value]
            return Sequence(tuple(item for item, _ in visited), line), 1 + sum(size for _, size in visited)
        if isinstance(node, MappingNode):
            return self._mapping(node, line)
        raise TypeError(f"ruamel.yaml composed a {type(node).__name__}")

    def _scalar(self, node: Any, line: int) -> Scalar:
        tag = str(node.tag).removeprefix(_TAG)
        try:
            kind = ScalarKind(tag)
        except ValueError:
            kind = ScalarKind.TEXT
            if tag not in ("merge", "value"):  # `<<` and `=`: plain text unless they are keys
                self._findings.error(f"the tag {node.tag} is not allowed", line)
        self._check_text(str(node.value), line)
        return Scalar(str(node.value), kind, line, plain=node.style is None)

    def _check_text(self, text: str, line: int) -> None:
        """What YAML can escape into a text but neither databases nor JSON can hold."""
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            self._findings.error("a NUL or half a character (`\\0`, `\\ud800`) is not allowed", line)

    def _mapping(self, node: Any, line: int) -> tuple[Mapping, int]:
        own: dict[str, Entry] = {}
        merged: list[Any] = []
        total = 1
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._findings.error("a key must be text", key_line)
                continue
            if str(key_node.tag) == f"{_TAG}merge":
                merged += value_node.value if isinstance(value_node, SequenceNode) else [value_node]
                continue
            key = str(key_node.value)
            self._check_text(key, key_line)
            value, size = self._visit(value_node)
            total += size
            if key in own:
                self._findings.error(
                    f"the key `{key}` is given twice; line {own[key].line} has it first", key_line
                )
                continue
            own[key] = Entry(value, key_line)
        for source in merged:
            value, size = self._visit(source)
            total += size
            if not isinstance(value, Mapping):
                self._findings.error("`<<` must be followed by an alias of a mapping", value.line)
                continue
            own = {**value.entries, **own}
        return Mapping(own, line), total
