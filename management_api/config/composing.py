"""From YAML text to ruamel.yaml's nodes, quickly: libyaml (in PyYAML) reads the text, which takes a twentieth
of the time; ruamel.yaml reads it only where libyaml cannot, and then says in its own words what is wrong.
A file of 15,000 lines took 7 s and held up the streams of the process meanwhile; now 0.4 s.

What a plain text is taken for is YAML 1.2's in both cases: ruamel.yaml's resolver decides. Nothing is
constructed, so no text of a file ever makes an object.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

DEEPEST = 100
"""Levels of nesting. A configuration has a dozen; ruamel.yaml takes the square of their number."""
LONG = 200_000
"""Characters of a text that is not read a second time only for better words."""


class TooDeep(Exception):
    """The values are nested too deeply."""


def compose(text: str) -> tuple[str, Any]:
    """The text as ruamel.yaml can read it again (see ``_composed_by_ruamel``), and its root node, None for an
    empty text. Raises TooDeep, MarkedYAMLError of either library, ReaderError, YAMLError, RecursionError."""
    try:
        root = _Quick(text).root()
    except yaml.YAMLError:
        if len(text) > LONG:
            raise
        return _composed_by_ruamel(text)
    if root is UNSURE or "\t" in text:
        return _composed_by_ruamel(text)
    return text, root


UNSURE = object()
"""libyaml takes what ruamel.yaml has something to say about."""
_TAG = "tag:yaml.org,2002:"


class _Quick:
    """libyaml's events as nodes. Recursion would let a text overflow the stack, so there is none."""

    def __init__(self, text: str) -> None:
        self._parser: Any = yaml.CLoader(text)
        self._tags: dict[str, Any] = {}
        self._resolve = YAML(typ="rt", pure=True).resolver.resolve
        self._anchors: dict[str, Any] = {}
        self._open: list[Any] = []
        """Collections that are not complete, the innermost last."""
        self._keys: list[Any] = []
        """For each of them, the key that waits for its value; ``_NO_KEY`` where none does."""
        self._root: Any = None
        self._is_unsure = False

    def root(self) -> Any:
        documents = 0
        try:
            while self._parser.check_event():
                event = self._parser.get_event()
                documents += isinstance(event, yaml.DocumentStartEvent)
                if documents > 1 or self._is_unsure:
                    return UNSURE
                self._take(event)
        finally:
            self._parser.dispose()
        return self._root

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._put(event, self._scalar(event))
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                self._is_unsure = True
            else:
                self._add(self._anchors[event.anchor])
        elif isinstance(event, yaml.CollectionStartEvent):
            kind, name = (
                (MappingNode, "map") if isinstance(event, yaml.MappingStartEvent) else (SequenceNode, "seq")
            )
            tag = event.tag if event.tag not in (None, "!") else _TAG + name
            node = kind(tag, [], event.start_mark, event.end_mark)
            self._put(event, node)
            self._open.append(node)
            self._keys.append(_NO_KEY)
            if len(self._open) > DEEPEST:
                raise TooDeep
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()

    def _scalar(self, event: Any) -> Any:
        is_plain = event.style in (None, "")
        if event.tag not in (None, "!"):
            tag: Any = event.tag
        elif not is_plain:
            tag = f"{_TAG}str"
        else:
            tag = self._tags.get(event.value)
            if tag is None:
                tag = self._tags[event.value] = self._resolve(ScalarNode, event.value, (True, False))
        return ScalarNode(
            tag, event.value, event.start_mark, event.end_mark, None if is_plain else event.style
        )

    def _put(self, event: Any, node: Any) -> None:
        if event.anchor is not None:
            if event.anchor in self._anchors:
                self._is_unsure = True
            self._anchors[event.anchor] = node
        self._add(node)

    def _add(self, node: Any) -> None:
        if not self._open:
            self._root = node
            return
        holder = self._open[-1]
        if isinstance(holder, SequenceNode):
            holder.value.append(node)
        elif self._keys[-1] is _NO_KEY:
            self._keys[-1] = node
        else:
            holder.value.append((self._keys[-1], node))
            self._keys[-1] = _NO_KEY


_NO_KEY = object()


def _composed_by_ruamel(text: str) -> tuple[str, Any]:
    """YAML lets a tab part tokens, though not indent them; ruamel.yaml refuses it nearly everywhere, so that
    a text with tabs is read a second time without those between tokens."""
    try:
        return text, _unfolded(YAML(typ="rt", pure=True).compose(text))
    except MarkedYAMLError:
        if "\t" not in text:
            raise
        spaced = _TAB_BETWEEN.sub(" ", _TAB_LINE.sub("", text))
        try:
            return spaced, _unfolded(YAML(typ="rt", pure=True).compose(spaced))
        except MarkedYAMLError:
            pass  # the mistake is another: told of the text as it is
        raise


_TAB_LINE = re.compile(r"^[ \t]*\t[ \t]*(?=#|\r?$)|[ \t]*\t[ \t]*(?=\r?$)", re.MULTILINE)
"""Before a comment that stands alone, on a blank line, at the end of a line."""
_TAB_BETWEEN = re.compile(r"(?<=[:,\[{-])[ \t]*\t[ \t]*|[ \t]*\t[ \t]*(?=#)")
"""Behind a sign that begins a value, and before a comment."""


def _unfolded(root: Any) -> Any:
    """``root`` without the marks (BEL) by which ruamel.yaml remembers where a folded text (``>``) broke."""
    pending, seen = [root], set()
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, ScalarNode) and node.style == ">":
            node.value = node.value.replace("\a", "")
        elif isinstance(node, SequenceNode):
            pending += node.value
        elif isinstance(node, MappingNode):
            pending += [part for pair in node.value for part in pair]
    return root
