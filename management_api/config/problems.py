"""What is wrong with a configuration file, in words a person can act on. Never quotes a secret."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Severity(StrEnum):
    ERROR = "error"
    """The file is not applied."""
    WARNING = "warning"
    """The file is applied; the named part of it has no effect."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. ``line`` counts from 1; 0 means the file as a whole. ``where`` is a path of keys."""

    severity: Severity
    message: str
    source: str = "config.yaml"
    line: int = 0
    where: str = ""

    def __str__(self) -> str:
        """``config.yaml line 12, openai-compatibility[0].base-url: must start with http:// …``"""
        place = f"{self.source} line {self.line}" if self.line else self.source
        return f"{place}, {self.where}: {self.message}" if self.where else f"{place}: {self.message}"


class Findings:
    """Collects problems of one file while it is read."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._problems: list[Problem] = []

    def error(self, message: str, line: int = 0, where: str = "") -> None:
        self._add(Severity.ERROR, message, line, where)

    def warn(self, message: str, line: int = 0, where: str = "") -> None:
        self._add(Severity.WARNING, message, line, where)

    def _add(self, severity: Severity, message: str, line: int, where: str) -> None:
        problem = Problem(severity=severity, message=message, source=self.source, line=line, where=where)
        if problem not in self._problems:  # an anchor used twice is read twice
            self._problems.append(problem)

    def in_order(self) -> list[Problem]:
        """Everything found, by line."""
        return sorted(self._problems, key=lambda problem: problem.line)


def errors(problems: Iterable[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.severity is Severity.ERROR]


def warnings(problems: Iterable[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.severity is Severity.WARNING]


class ConfigRefused(Exception):
    """The file cannot be applied; the text lists every error, one a line, ready to print."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in errors(self.problems)))
