"""What the doctor finds: a line per thing looked at, fine or not, with the remedy for what is not."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Level(StrEnum):
    OK = "ok"
    NOTE = "note"
    """Works, but whoever runs this should know."""
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """``area`` is one word, ``text`` one sentence; ``remedy`` says what to do, "" where all is well."""

    level: Level
    area: str
    text: str
    remedy: str = ""


def ok(area: str, text: str) -> Finding:
    return Finding(level=Level.OK, area=area, text=text)


def note(area: str, text: str, remedy: str = "") -> Finding:
    return Finding(level=Level.NOTE, area=area, text=text, remedy=remedy)


def problem(area: str, text: str, remedy: str) -> Finding:
    return Finding(level=Level.PROBLEM, area=area, text=text, remedy=remedy)
