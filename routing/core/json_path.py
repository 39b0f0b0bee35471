"""The path language of payload rules: where in a JSON value something is read, set or taken away. Pure.

Dotted keys (``a.b``), positions in lists (``messages.0``; ``-1`` is a new last element when setting, the last
one when deleting), ``\\.`` for a dot inside a key, ``:3`` for a key of digits, and queries over a list:
``#(field==value)`` finds its first element that fits, ``#(...)#`` and a bare ``#`` find all. A condition
compares with ``== = != < <= > >= % !%`` (``%`` is a pattern with ``*`` and ``?``), or names a field that
must be there, and is joined with ``&&`` (binds stronger), ``||`` and parentheses; ``field`` is a path itself,
and an empty one means the element. It is the notation that users of gjson and sjson know, as far as rules
need it.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import msgspec

Place: TypeAlias = tuple[str | int, ...]
"""A path without queries: keys and positions from the root."""

MAX_PADDING = 1000
"""A position may lie so far behind a list's end; what lies between is filled with nulls."""
APPEND = -1


class BadPath(ValueError):
    """The path cannot be read; the message says why, for the operator who wrote it."""


class _Key(msgspec.Struct, frozen=True):
    name: str
    is_literal: bool = False
    """Never a position, though made of digits."""

    @property
    def position(self) -> int | None:
        if self.is_literal or not (self.name.isdecimal() or self.name == "-1"):
            return None
        return int(self.name)


Condition: TypeAlias = Callable[[Any], bool]


class _Query(msgspec.Struct, frozen=True):
    fits: Condition
    wants_all: bool


Step: TypeAlias = _Key | _Query


class Path(msgspec.Struct, frozen=True):
    """A parsed path. Make it with ``parse``."""

    steps: tuple[Step, ...]

    def places(self, root: Any) -> list[Place]:
        """Where it leads in ``root``: one place, or one for each element that its queries find; none when a
        query finds nothing. A place need not exist yet."""
        return list(_places(root, self.steps, ()))

    def values(self, root: Any) -> list[Any]:
        """What stands there now, in order."""
        found = (look_up(root, place) for place in self.places(root))
        return [value for is_there, value in found if is_there]


def look_up(root: Any, place: Place) -> tuple[bool, Any]:
    """(True, value) or (False, None)."""
    value = root
    for step in place:
        if isinstance(value, dict):
            if str(step) not in value:
                return False, None
            value = value[str(step)]
        elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
            value = value[step]
        else:
            return False, None
    return True, value


def put(root: dict[str, Any], place: Place, value: Any) -> None:
    """Set ``value`` at ``place``; what is missing on the way is made, a scalar in the way is replaced.

    A key in a list and a position far behind its end lead nowhere.
    """
    if not place:
        return
    container: Any = root
    for step, following in itertools.pairwise(place):
        _, inner = look_up(container, (step,))
        if not isinstance(inner, dict | list):
            inner = [] if isinstance(following, int) else {}
            if not _assign(container, step, inner):
                return
        container = inner
    _assign(container, place[-1], value)


def take(root: dict[str, Any], place: Place) -> None:
    """Delete what stands at ``place``, if anything does."""
    is_there, container = look_up(root, place[:-1]) if place else (False, None)
    if not is_there:
        return
    last = place[-1]
    if isinstance(container, dict):
        container.pop(str(last), None)
    elif (
        isinstance(container, list)
        and isinstance(last, int)
        and APPEND <= last < len(container)
        and container
    ):
        del container[last]


def _assign(container: Any, step: str | int, value: Any) -> bool:
    if isinstance(container, dict):
        container[str(step)] = value
        return True
    assert isinstance(container, list)  # noqa: S101  (``put`` walks through containers only)
    if not isinstance(step, int):
        return False
    if step == APPEND or step == len(container):
        container.append(value)
    elif step < len(container):
        container[step] = value
    elif step - len(container) <= MAX_PADDING:
        container.extend([None] * (step - len(container)))
        container.append(value)
    else:
        return False
    return True


def _places(value: Any, steps: tuple[Step, ...], before: Place) -> Iterator[Place]:
    if not steps:
        yield before
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, _Query):
        if not isinstance(value, list):
            return
        for position, element in enumerate(value):
            if step.fits(element):
                yield from _places(element, rest, (*before, position))
                if not step.wants_all:
                    return
        return
    name: str | int = step.name
    position_there = step.position
    if position_there is not None and not isinstance(value, dict):
        name = position_there
    is_there, inner = look_up(value, (name,))
    yield from _places(inner if is_there else None, rest, (*before, name))


# --- reading a path ---------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Path:
    """Raises BadPath."""
    if not text.strip():
        raise BadPath("the path is empty")
    return Path(tuple(_step(part) for part in _split_steps(text)))


def _split_steps(text: str) -> list[str]:
    """Parts between dots; dots that are escaped, in quotes or in a query do not part."""
    parts, current, depth, quote, position = [], "", 0, "", 0
    while position < len(text):
        character = text[position]
        if character == "\\" and position + 1 < len(text):
            current += text[position : position + 2]
            position += 2
            continue
        if quote:
            quote = "" if character == quote else quote
        elif depth and character in "\"'":
            quote = character
        elif character == "(" and (depth or current == "#"):
            depth += 1
        elif character == ")" and depth:
            depth -= 1
        elif character == "." and not depth:
            parts.append(current)
            current = ""
            position += 1
            continue
        current += character
        position += 1
    if depth or quote:
        raise BadPath(f"a parenthesis or a quote is not closed in {text!r}")
    return [*parts, current]


def _step(part: str) -> Step:
    if part == "#":
        return _Query(lambda element: True, wants_all=True)
    if part.startswith("#("):
        wants_all = part.endswith(")#")
        inner = part[2 : -2 if wants_all else -1]
        if not part.endswith((")", ")#")) or not inner.strip():
            raise BadPath(f"{part!r} is no query; write #(field==value)")
        return _Query(_condition(inner), wants_all=wants_all)
    if part.startswith(":") and part[1:].isdecimal():
        return _Key(part[1:], is_literal=True)
    name = re.sub(r"\\(.)", r"\1", part)
    if not name:
        raise BadPath("the path has an empty part between two dots")
    return _Key(name, is_literal=name != part)


def _condition(text: str) -> Condition:
    """``a && b || c`` with parentheses."""
    choices = [[_comparison(part) for part in _split_at(choice, "&&")] for choice in _split_at(text, "||")]
    return lambda element: any(all(fits(element) for fits in every) for every in choices)


def _split_at(text: str, joint: str) -> list[str]:
    """Parts of a condition at ``joint``, outside quotes and parentheses."""
    parts, start, depth, quote, position = [], 0, 0, "", 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 2
            continue
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif not depth and text.startswith(joint, position):
            parts.append(text[start:position])
            position += len(joint)
            start = position
            continue
        position += 1
    return [*parts, text[start:]]


_OPERATORS = ("==", "!=", "<=", ">=", "!%", "=", "<", ">", "%")


def _comparison(text: str) -> Condition:
    text = text.strip()
    if not text:
        raise BadPath("a condition is missing beside && or ||")
    if text.startswith("(") and text.endswith(")") and _is_one_group(text):
        return _condition(text[1:-1])
    field_text, operator, value_text = _at_operator(text)
    field = parse(field_text) if field_text else None
    if not operator:
        return lambda element: field is not None and bool(field.values(element))
    wanted, is_quoted = _literal(value_text)
    test = _tests(operator, wanted, value_text, is_quoted=is_quoted)

    def fits(element: Any) -> bool:
        found = [element] if field is None else field.values(element)
        return any(test(value) for value in found)

    return fits


def _is_one_group(text: str) -> bool:
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return position == len(text) - 1
    return False


def _at_operator(text: str) -> tuple[str, str, str]:
    depth, quote = 0, ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif not depth:
            for operator in _OPERATORS:
                if text.startswith(operator, position):
                    field = text[:position].strip()
                    return field, operator, text[position + len(operator) :].strip()
    return text, "", ""


def _literal(text: str) -> tuple[Any, bool]:
    """(value, whether it stood in quotes). A bare word is a text."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        if text[0] == '"':
            try:
                return msgspec.json.decode(text), True
            except msgspec.DecodeError:
                pass
        return text[1:-1], True
    try:
        return msgspec.json.decode(text), False
    except (msgspec.DecodeError, UnicodeDecodeError):
        return text, False


def _tests(operator: str, wanted: Any, text: str, *, is_quoted: bool) -> Callable[[Any], bool]:
    def same(value: Any) -> bool:
        if isinstance(value, str) and not is_quoted:
            return value == text
        return json_equal(value, wanted)

    def orders(value: Any) -> int | None:
        """The sign of value - wanted; None when the two have no order."""
        if (_is_number(value) and _is_number(wanted)) or (isinstance(value, str) and isinstance(wanted, str)):
            return int(value > wanted) - int(value < wanted)
        return None

    pattern = re.compile(_expression(str(wanted)), re.DOTALL)

    def like(value: Any) -> bool:
        return isinstance(value, str) and pattern.fullmatch(value) is not None

    match operator:
        case "==" | "=":
            return same
        case "!=":
            return lambda value: not same(value)
        case "%":
            return like
        case "!%":
            return lambda value: not like(value)
        case "<":
            return lambda value: orders(value) == -1
        case "<=":
            return lambda value: orders(value) in (-1, 0)
        case ">":
            return lambda value: orders(value) == 1
        case _:
            return lambda value: orders(value) in (0, 1)


def _expression(pattern: str) -> str:
    """``*`` for any run of characters and ``?`` for one."""
    return re.escape(re.sub(r"\*+", "*", pattern)).replace(r"\*", ".*").replace(r"\?", ".")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def json_equal(left: Any, right: Any) -> bool:
    """Equality of JSON values: ``1`` equals ``1.0``, and ``true`` does not equal ``1``."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(json_equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(json_equal, left, right))
    return bool(left == right)
