"""Tool names and call ids that fit the target: mangled on the way up, restored on the way back.

Deterministic: the same names give the same map, so a retry sends the same request. Limits per format are
in ``docs/protocols/``; OpenAI and Anthropic allow ``[A-Za-z0-9_-]{1,64}``, Gemini a wider set.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable


class NameMap:
    """A two-way map of one request. Names that fit are not in it, so most maps are empty."""

    __slots__ = ("_mangled", "_original")

    def __init__(self, mangled: dict[str, str] | None = None) -> None:
        self._mangled = mangled or {}
        self._original = {short: name for name, short in self._mangled.items()}

    def mangle(self, name: str) -> str:
        return self._mangled.get(name, name)

    def restore(self, name: str) -> str:
        return self._original.get(name, name)

    def __bool__(self) -> bool:
        return bool(self._mangled)


IDENTITY = NameMap()


def build(names: Iterable[str], *, illegal: re.Pattern[str], limit: int, lead: str = "") -> NameMap:
    """Map each of ``names`` that does not fit. ``illegal`` matches one character that is not allowed,
    ``limit`` is in characters, ``lead`` is put before a name whose first character needs it.

    Distinct names stay distinct: a name that was changed carries a short hash when it would collide
    or had to be cut.
    """
    wanted = list(dict.fromkeys(names))
    taken = {name for name in wanted if name and not illegal.search(name) and len(name) <= limit}
    mangled: dict[str, str] = {}
    for name in wanted:
        if name in taken:
            continue
        short = illegal.sub("_", name) or "tool"
        if lead and not (short[0].isalpha() or short[0] == "_"):
            short = lead + short
        if len(short) > limit or short in taken:
            digest = hashlib.sha256(name.encode()).hexdigest()[:8]
            short = f"{short[: limit - 9]}_{digest}"
        taken.add(short)
        mangled[name] = short
    return NameMap(mangled)


def tool_id(original: str, *, limit: int = 64) -> str:
    """A call id that Anthropic accepts (``^[a-zA-Z0-9_-]+$``); unchanged when it already fits.

    A pure function of the id, so calls and results keep agreeing without a map.
    """
    if original and len(original) <= limit and re.fullmatch(r"[a-zA-Z0-9_-]+", original):
        return original
    digest = hashlib.sha256(original.encode()).hexdigest()[:16]
    clean = re.sub(r"[^a-zA-Z0-9_-]", "_", original)[: limit - 17]
    return f"{clean}_{digest}"
