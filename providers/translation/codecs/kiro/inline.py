"""What Kiro's models write into their text instead of an event of its own: thoughts, and calls of tools.

``<thinking>…</thinking>`` is a thought, when thinking was switched on; ``[Called name with args: {…}]`` is a
call, when the client has a tool of that name. Both may be cut anywhere; anything else stays text.
"""

from __future__ import annotations

import json
import re

import msgspec

_OPEN, _CLOSE = "<thinking>", "</thinking>"
_CALLED = "[Called "
_CALL = re.compile(r"\[Called ([A-Za-z0-9_-]{1,64}) with args: (?=\{)")
_LONGEST_HEAD = 100
_LONGEST_CALL = 256 * 1024
"""Characters; what is longer is no call, and is not held back any more."""
_JSON = json.JSONDecoder()


class Said(msgspec.Struct, frozen=True):
    """A piece of text, or of a thought."""

    text: str
    is_thought: bool = False


class Called(msgspec.Struct, frozen=True):
    """A whole call. ``arguments`` is the JSON text as written."""

    name: str
    arguments: str


Piece = Said | Called


class InlineReader:
    """The texts of one answer in, pieces out. ``tools`` are the names that may be called."""

    def __init__(self, *, thinks: bool, tools: frozenset[str]) -> None:
        self._tools = tools
        self._marks = ((_OPEN,) if thinks else ()) + ((_CALLED,) if tools else ())
        self._held = ""
        self._fresh = ""
        """What came last: a call that did not end before ends in it, or not yet."""
        self._in_thought = False
        self._trims = False
        """The line ends between a mark and what it stands before are no part of either."""

    def feed(self, text: str) -> list[Piece]:
        self._held += text
        self._fresh = text
        pieces: list[Piece] = []
        while self._step(pieces):
            pass
        return pieces

    def close(self) -> list[Piece]:
        """What was held back is text, or a thought that never ended."""
        pieces: list[Piece] = []
        self._say(self._held, pieces)
        self._held = ""
        return pieces

    def _step(self, pieces: list[Piece]) -> bool:
        """One mark dealt with; False when more text is needed."""
        held = self._held
        if self._in_thought:
            return self._until(_CLOSE, pieces, in_thought=False)
        found = [(at, mark) for mark in self._marks if (at := held.find(mark)) >= 0]
        if not found:
            keep = max((_overlap(held, mark) for mark in self._marks), default=0)
            self._say(held[: len(held) - keep], pieces)
            self._held = held[len(held) - keep :]
            return False
        at, mark = min(found)
        if mark == _OPEN:
            return self._until(_OPEN, pieces, in_thought=True)
        self._say(held[:at], pieces)
        self._held = held[at:]
        return self._call(pieces)

    def _until(self, mark: str, pieces: list[Piece], *, in_thought: bool) -> bool:
        before, found, rest = self._held.partition(mark)
        if not found:
            said = before[: len(before) - _overlap(before, mark)]
            if not in_thought:
                said = said.rstrip("\n")
            self._say(said, pieces)
            self._held = before[len(said) :]
            return False
        self._say(before.rstrip("\n") if not in_thought else before, pieces)
        self._held, self._in_thought, self._trims = rest, in_thought, True
        return True

    def _call(self, pieces: list[Piece]) -> bool:
        """The call at the head of what is held, if it is one."""
        held = self._held
        match = _CALL.match(held)
        if match is None:
            if len(held) < _LONGEST_HEAD and "\n" not in held and "]" not in held:
                return False
            return self._no_call(pieces)
        if match.group(1) not in self._tools:
            return self._no_call(pieces)
        if "]" not in self._fresh:
            return False if len(held) < _LONGEST_CALL else self._no_call(pieces)
        try:
            _, end = _JSON.raw_decode(held, match.end())
        except (ValueError, RecursionError):
            return False if len(held) < _LONGEST_CALL else self._no_call(pieces)
        if len(held) == end:
            return False
        if held[end] != "]":
            return self._no_call(pieces)
        pieces.append(Called(match.group(1), held[match.end() : end]))
        self._held, self._trims = held[end + 1 :], True
        return True

    def _no_call(self, pieces: list[Piece]) -> bool:
        self._say(self._held[: len(_CALLED)], pieces)
        self._held = self._held[len(_CALLED) :]
        return True

    def _say(self, text: str, pieces: list[Piece]) -> None:
        if self._trims:
            text = text.lstrip("\n")
            self._trims = not text
        if text:
            pieces.append(Said(text, self._in_thought))


def _overlap(text: str, mark: str) -> int:
    """How many characters at the end of ``text`` may be the beginning of ``mark``."""
    for count in range(min(len(mark) - 1, len(text)), 0, -1):
        if mark.startswith(text[-count:]):
            return count
    return 0
