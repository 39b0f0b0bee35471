"""Reads one mapping of the file key by key: types, bounds, environment names, and what nobody read.

Every method notes what is wrong with the key's line and goes on with the default, so that one reading
finds every mistake. Pure: the environment comes in as a mapping.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

from management_api.config.document import Entry, Node, Scalar, ScalarKind, Sequence
from management_api.config.document import Mapping as YamlMapping
from management_api.config.problems import Findings

INT_LIMIT = 2**31 - 1
"""What an integer column holds in every supported database."""

_REFERENCE = re.compile(r"(\$?)\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_YES = frozenset({"true", "yes", "on", "y"})
_NO = frozenset({"false", "no", "off", "n"})


class Reader:
    """What every part of one reading shares."""

    def __init__(self, findings: Findings, environ: Mapping[str, str]) -> None:
        self.findings = findings
        self.environ = environ

    def text_of(self, node: Node, line: int, where: str) -> str | None:
        """``node`` as text, trimmed, with ``${NAME}`` filled in. None after an error, "" for null."""
        if not isinstance(node, Scalar):
            self.findings.error(f"must be text, not {_kind_of(node)}", line, where)
            return None
        if node.kind is ScalarKind.NULL:
            return ""
        if node.kind is ScalarKind.BOOLEAN:
            self.findings.error("must be text; put true and false in quotes", line, where)
            return None
        text = self._filled(node.text, line, where)
        if text is None:
            return None
        if "\0" in text or "\n" in text.strip() or "\r" in text.strip():
            self.findings.error("must be a single line", line, where)
            return None
        return text.strip()

    def _filled(self, text: str, line: int, where: str) -> str | None:
        missing: list[str] = []

        def value_of(found: re.Match[str]) -> str:
            escaped, name = found.groups()
            if escaped:
                return found.group()[1:]
            if not _NAME.fullmatch(name):
                missing.append(f"`${{{name}}}` is no environment name; write `$${{` for the characters")
            elif name not in self.environ:
                missing.append(f"the environment variable {name} is not set")
            return self.environ.get(name, "")

        filled = _REFERENCE.sub(value_of, text)
        for message in missing:
            self.findings.error(message, line, where)
        return None if missing else filled


class Fields:
    """The keys of one mapping. Call ``finish`` last: it reports the keys that nothing asked for."""

    def __init__(self, node: YamlMapping, where: str, line: int, reader: Reader) -> None:
        self.where = where
        self.line = line
        self.failed: set[str] = set()
        """Keys whose value was refused, so that nothing else need be said about them."""
        self._entries = node.entries
        self._reader = reader
        self._asked: list[str] = []

    def line_of(self, key: str) -> int:
        """The line of ``key``, or of the mapping when it is absent."""
        return self._entries[key].line if key in self._entries else self.line

    def place(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def has(self, key: str) -> bool:
        """Whether the key is there with a value other than null."""
        return self._entry(key) is not None

    def error(self, key: str, message: str) -> None:
        self.failed.add(key)
        self._reader.findings.error(message, self.line_of(key), self.place(key))

    def warn(self, key: str, message: str) -> None:
        place = self.place(key) if key else self.where
        self._reader.findings.warn(message, self.line_of(key), place)

    def error_at(self, line: int, place: str, message: str) -> None:
        """An error about something inside a value of this mapping."""
        self._reader.findings.error(message, line, place)

    def warn_at(self, line: int, place: str, message: str) -> None:
        self._reader.findings.warn(message, line, place)

    def text(self, key: str, limit: int = 0) -> str:
        """The text of ``key``, trimmed; "" when absent. ``limit`` bounds its length when not 0."""
        entry = self._entry(key)
        if entry is None:
            return ""
        text = self._reader.text_of(entry.value, entry.line, self.place(key))
        if text is None:
            self.failed.add(key)
            return ""
        if limit and len(text) > limit:
            self.error(key, f"must have at most {limit} characters")
            return ""
        return text

    def integer(self, key: str, low: int = -INT_LIMIT, high: int = INT_LIMIT) -> int | None:
        """The whole number of ``key``, or None when absent."""
        entry = self._entry(key)
        if entry is None:
            return None
        number = self._number(key, entry)
        if number is None:
            return None
        if not low <= number <= high:
            self.error(key, f"must be from {low} to {high}, not {number}")
            return None
        return number

    def _number(self, key: str, entry: Entry) -> int | None:
        node = entry.value
        if isinstance(node, Scalar) and node.kind is ScalarKind.INTEGER:
            text: str | None = node.text
        elif isinstance(node, Scalar) and node.plain and "${" in node.text:
            text = self._reader.text_of(node, entry.line, self.place(key))
        else:
            self.error(key, f"must be a whole number, not {_kind_of(node)}")
            return None
        if text is None:
            self.failed.add(key)
            return None
        try:
            # 0x and 0o are YAML's; a leading zero is decimal in YAML 1.2 and an error in Python's base 0.
            return int(text, 0 if text.lstrip("+-")[:2].lower() in ("0x", "0o", "0b") else 10)
        except ValueError:
            self.error(key, "must be a whole number")
            return None

    def flag(self, key: str) -> bool | None:
        """true or false, or None when absent. The old YAML words yes, no, on and off count too."""
        entry = self._entry(key)
        if entry is None:
            return None
        node = entry.value
        if isinstance(node, Scalar) and node.plain and node.kind in (ScalarKind.BOOLEAN, ScalarKind.TEXT):
            text = self._reader.text_of(
                Scalar(node.text, ScalarKind.TEXT, node.line), entry.line, self.place(key)
            )
            if text is None:
                self.failed.add(key)
                return None
            if text.lower() in _YES | _NO:
                return text.lower() in _YES
        self.error(key, f"must be true or false, not {_kind_of(node)}")
        return None

    def items(self, key: str) -> list[tuple[str, Node]]:
        """The items of the list ``key`` with their places; null items are left out with a warning."""
        entry = self._entry(key)
        if entry is None:
            return []
        if not isinstance(entry.value, Sequence):
            self.error(key, f"must be a list (`- …`), not {_kind_of(entry.value)}")
            return []
        found = []
        for index, item in enumerate(entry.value.items):
            place = f"{self.place(key)}[{index}]"
            if isinstance(item, Scalar) and item.kind is ScalarKind.NULL:
                self._reader.findings.warn("is empty and ignored", item.line, place)
                continue
            found.append((place, item))
        return found

    def texts(self, key: str) -> list[tuple[str, int, str]]:
        """The texts of the list ``key``: place, line, text. Blank ones are left out with a warning."""
        found = []
        for place, item in self.items(key):
            text = self._reader.text_of(item, item.line, place)
            if text is None:
                self.failed.add(key)
            elif not text:
                self._reader.findings.warn("is empty and ignored", item.line, place)
            else:
                found.append((place, item.line, text))
        return found

    def mappings(self, key: str) -> Iterator[Fields]:
        """The mappings of the list ``key``."""
        for place, item in self.items(key):
            if isinstance(item, YamlMapping):
                yield Fields(item, place, item.line, self._reader)
            else:
                self.failed.add(key)
                message = f"must be a mapping (`key: value` lines), not {_kind_of(item)}"
                self._reader.findings.error(message, item.line, place)

    def pairs(self, key: str) -> list[tuple[str, int, str]]:
        """The mapping ``key`` of names to texts: name, line, text."""
        entry = self._entry(key)
        if entry is None:
            return []
        if not isinstance(entry.value, YamlMapping):
            self.error(key, f"must be a mapping of names to texts, not {_kind_of(entry.value)}")
            return []
        found = []
        for name, inner in entry.value.entries.items():
            text = self._reader.text_of(inner.value, inner.line, f"{self.place(key)}.{name}")
            if text is not None:
                found.append((name, inner.line, text))
        return found

    def finish(self, unsupported: frozenset[str], disguise: frozenset[str] = frozenset()) -> None:
        """Warn about every key that no method was asked for."""
        for key, entry in self._entries.items():
            if key in self._asked or key.startswith("x-"):  # x-: free for anchors, as in Compose files
                continue
            if key in disguise:
                message = "is ignored on purpose: the gateway does not pass itself off as another client"
            elif key in unsupported:
                message = "is a known key that this version does not support yet; it is ignored"
            else:
                close = difflib.get_close_matches(key, self._asked, n=1, cutoff=0.75)
                hint = f"; did you mean `{close[0]}`?" if close else ""
                message = f"is an unknown key and ignored{hint}"
            self._reader.findings.warn(message, entry.line, self.place(key))

    def _entry(self, key: str) -> Entry | None:
        if key not in self._asked:
            self._asked.append(key)
        entry = self._entries.get(key)
        if entry is None or (isinstance(entry.value, Scalar) and entry.value.kind is ScalarKind.NULL):
            return None
        return entry


def _kind_of(node: Node) -> str:
    """What ``node`` is, for a message; never its content, which may be a secret."""
    if isinstance(node, YamlMapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if node.kind is ScalarKind.TEXT:
        return "text" if node.plain else "text in quotes"
    return {
        ScalarKind.INTEGER: "a whole number",
        ScalarKind.FLOAT: "a decimal number",
        ScalarKind.BOOLEAN: "true or false",
        ScalarKind.NULL: "nothing",
        ScalarKind.TIMESTAMP: "a date",
    }[node.kind]
