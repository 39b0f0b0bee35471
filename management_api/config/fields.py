"""Reads one mapping of the file key by key: types, bounds, environment names, and what nobody read.

Every method notes what is wrong with the key's line and goes on with the default, so that one reading
finds every mistake. Pure: the environment comes in as a mapping.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from management_api.config.document import Entry, Node, Scalar, ScalarKind, Sequence
from management_api.config.document import Mapping as YamlMapping
from management_api.config.problems import Findings

T = TypeVar("T")
JsonValue = Any
"""What JSON can hold; it goes into a JSON column or a request body as it is."""

Unseal = Callable[[str], str]
SEALED_MARK = "sealed:"
"""``${sealed:TOKEN}`` stands for a secret that an export has encrypted."""

INT_LIMIT = 2**31 - 1
"""What an integer column holds in every supported database."""

_REFERENCE = re.compile(r"(\$?)\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_YES = frozenset({"true", "yes", "on", "y"})
_NO = frozenset({"false", "no", "off", "n"})


class Reader:
    """What every part of one reading shares."""

    def __init__(self, findings: Findings, environ: Mapping[str, str], unseal: Unseal | None = None) -> None:
        self.findings = findings
        self.environ = environ
        self._unseal = unseal

    def text_of(self, node: Node, line: int, where: str) -> str | None:
        """``node`` as text, trimmed, with ``${NAME}`` filled in. None after an error, "" for null."""
        if not isinstance(node, Scalar):
            self.findings.error(f"must be text, not {_kind_of(node)}", line, where)
            return None
        if node.kind is ScalarKind.NULL:
            return ""
        text = self.filled(node.text, line, where)
        if text is None:
            return None
        if "\0" in text or "\n" in text.strip() or "\r" in text.strip():
            self.findings.error("must be a single line", line, where)
            return None
        return text.strip()

    def plain_of(self, node: Node, line: int, where: str) -> JsonValue:
        """``node`` as JSON would have it, with ``${NAME}`` filled in. None also after an error."""
        if isinstance(node, YamlMapping):
            return {
                name: self.plain_of(entry.value, entry.line, f"{where}.{name}")
                for name, entry in node.entries.items()
            }
        if isinstance(node, Sequence):
            return [
                self.plain_of(item, item.line, f"{where}[{index}]") for index, item in enumerate(node.items)
            ]
        match node.kind:
            case ScalarKind.NULL:
                return None
            case ScalarKind.BOOLEAN:
                return node.text.lower() in _YES
            case ScalarKind.INTEGER if (number := _whole(node.text)) is not None:
                if -(2**63) <= number < 2**63:
                    return number
                self.findings.error("is larger than a number may be; put it in quotes", line, where)
                return None
            case ScalarKind.FLOAT if (decimal := _decimal(node.text)) is not None:
                return decimal
        return self.filled(node.text, line, where)

    def filled(self, text: str, line: int, where: str) -> str | None:
        """``text`` with ``${NAME}`` filled in; None after an error."""
        missing: list[str] = []

        def value_of(found: re.Match[str]) -> str:
            escaped, name = found.groups()
            if escaped:
                return found.group()[1:]
            if name.startswith(SEALED_MARK):
                return self._unsealed(name.removeprefix(SEALED_MARK), missing)
            if not _NAME.fullmatch(name):
                missing.append(f"`${{{name}}}` is no environment name; write `$${{` for the characters")
            elif name not in self.environ:
                missing.append(f"the environment variable {name} is not set")
            return self.environ.get(name, "")

        filled = _REFERENCE.sub(value_of, text)
        for message in missing:
            self.findings.error(message, line, where)
        return None if missing else filled

    def _unsealed(self, token: str, missing: list[str]) -> str:
        try:
            if self._unseal is not None:
                return self._unseal(token)
        except ValueError:
            pass
        missing.append("the sealed text cannot be opened: it needs the encryption keys of its gateway")
        return ""


class Fields:
    """The keys of one mapping. Call ``finish`` last: it reports the keys that nothing asked for."""

    def __init__(
        self, node: YamlMapping, where: str, line: int, reader: Reader, *, is_bare: bool = False
    ) -> None:
        """``is_bare``: the file has one text here, which stands for a mapping with one key."""
        self.where = where
        self._is_bare = is_bare
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
        return f"{self.where}.{key}" if self.where and key and not self._is_bare else self.where or key

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

    def integer(
        self, key: str, low: int = -INT_LIMIT, high: int = INT_LIMIT, *, strict: bool = False
    ) -> int | None:
        """The whole number of ``key``, or None when absent. In quotes, or as 30.0, it counts too, unless
        ``strict``."""
        entry = self._entry(key)
        if entry is None:
            return None
        number = self._number(key, entry, strict=strict)
        if number is None:
            return None
        if not low <= number <= high:
            self.error(key, f"must be from {low} to {high}, not {number}")
            return None
        return number

    def _number(self, key: str, entry: Entry, *, strict: bool) -> int | None:
        node = entry.value
        if not isinstance(node, Scalar):
            self.error(key, f"must be a whole number, not {_kind_of(node)}")
            return None
        text: str | None = node.text
        is_given = node.plain and "${" in node.text
        if is_given:
            text = self._reader.text_of(node, entry.line, self.place(key))
            if text is None:
                self.failed.add(key)
                return None
        elif strict and node.kind is not ScalarKind.INTEGER:
            text = ""
        number = _whole(text or "")
        if number is None:
            is_number = is_given or node.kind is ScalarKind.INTEGER
            self.error(key, "must be a whole number" + ("" if is_number else f", not {_kind_of(node)}"))
        return number

    def flag(self, key: str) -> bool | None:
        """true or false, or None when absent. The old YAML words yes, no, on and off count too."""
        entry = self._entry(key)
        if entry is None:
            return None
        node = entry.value
        if isinstance(node, Scalar) and node.kind in (ScalarKind.BOOLEAN, ScalarKind.TEXT):
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

    def choice(self, key: str, meanings: Mapping[str, T], default: T) -> T | None:
        """What the word of ``key`` means, in any case; None when absent, ``default`` with a warning for
        a word that is not known."""
        if not self.has(key):
            self._entry(key)
            return None
        word = self.text(key).lower()
        if key in self.failed:
            return None
        if word not in meanings:
            known = ", ".join(dict.fromkeys(str(meaning) for meaning in meanings.values()))
            self.warn(key, f"is none of {known}; {default} holds")
            return default
        return meanings[word]

    def duration(self, key: str, default: float) -> float | None:
        """Seconds of a text like ``1h30m`` or ``250ms``; None when absent, ``default`` with a warning for
        what is no duration above 0."""
        if not self.has(key):
            self._entry(key)
            return None
        seconds = seconds_of(self.text(key))
        if key in self.failed:
            return None
        if seconds is None or seconds <= 0:
            self.warn(key, f"is no duration such as 1h, 90m or 30s; {default:g} seconds hold")
            return default
        return seconds

    def plain(self, key: str) -> JsonValue:
        """The value of ``key`` as JSON would have it; None when absent."""
        entry = self._entry(key)
        return None if entry is None else self._reader.plain_of(entry.value, entry.line, self.place(key))

    def skip(self, *keys: str) -> None:
        """Count ``keys`` as asked for: they are known and say nothing to this gateway."""
        for key in keys:
            self._entry(key)

    def mapping(self, key: str) -> Fields | None:
        """The mapping ``key``, or None when absent."""
        entry = self._entry(key)
        if entry is None:
            return None
        if not isinstance(entry.value, YamlMapping):
            self.error(key, f"must be a mapping (`key: value` lines), not {_kind_of(entry.value)}")
            return None
        return Fields(entry.value, self.place(key), entry.line, self._reader)

    def named_mappings(self, key: str) -> Iterator[tuple[str, Fields]]:
        """The mappings inside the mapping ``key``, by name; null ones count as empty."""
        outer = self.mapping(key)
        if outer is None:
            return
        for name in outer.names():
            if outer.has(name):
                inner = outer.mapping(name)
            else:
                inner = Fields(
                    YamlMapping({}, outer.line_of(name)), outer.place(name), outer.line_of(name), self._reader
                )
            if inner is None:
                self.failed.add(key)
            else:
                yield name, inner

    def is_list(self, key: str) -> bool:
        entry = self._entry(key)
        return entry is not None and isinstance(entry.value, Sequence)

    def is_empty_list(self, key: str) -> bool:
        entry = self._entry(key)
        return entry is not None and isinstance(entry.value, Sequence) and not entry.value.items

    def word(self, key: str) -> str:
        """A text, number or switch as it is written, in lower case; "" when absent."""
        return self.text(key).lower()

    def names(self) -> list[str]:
        """Every key of this mapping, in order."""
        return list(self._entries)

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

    def mappings_or_names(self, key: str, name_key: str) -> Iterator[Fields]:
        """As ``mappings``; a bare text is short for a mapping with that text as ``name_key``."""
        for place, item in self.items(key):
            if isinstance(item, YamlMapping):
                yield Fields(item, place, item.line, self._reader)
            elif isinstance(item, Scalar):
                named = YamlMapping({name_key: Entry(item, item.line)}, item.line)
                yield Fields(named, place, item.line, self._reader, is_bare=True)
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

    def finish(self, disguise: frozenset[str] = frozenset(), without_effect: Mapping[str, str] = {}) -> None:
        """Warn about every key that no method was asked for. ``without_effect`` has known keys that this
        gateway needs not, with the reason."""
        for key, entry in self._entries.items():
            if key in self._asked or key.startswith("x-"):  # x-: free for anchors, as in Compose files
                continue
            if key in disguise:
                message = "is ignored on purpose: the gateway does not pass itself off as another client"
            elif key in without_effect:
                message = f"has no effect: {without_effect[key]}"
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


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)")


def seconds_of(text: str) -> float | None:
    """A duration in Go's notation (``1h30m``, ``1.5s``) or bare seconds; None for anything else."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    total, at = 0.0, 0
    for part in _DURATION.finditer(text):
        if part.start() != at:
            return None
        total, at = total + float(part[1]) * _UNITS[part[2]], part.end()
    return total if text and at == len(text) else None


def _whole(text: str) -> int | None:
    """``text`` as a whole number: also 0x, 0o, digits parted by _, and 30.0."""
    text = text.strip().replace("_", "")
    try:
        # 0x and 0o are YAML's; a leading zero is decimal in YAML 1.2 and an error in Python's base 0.
        return int(text, 0 if text.lstrip("+-")[:2].lower() in ("0x", "0o", "0b") else 10)
    except ValueError:
        pass
    if re.fullmatch(r"[+-]?\d{1,15}\.0+", text):
        return int(text.partition(".")[0])
    return None


def _decimal(text: str) -> float | None:
    """``text`` as a number that JSON can hold."""
    try:
        number = float(text.replace("_", ""))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


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
