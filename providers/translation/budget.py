"""How much a request may be blown up: a small schema of nested references can describe an enormous tree."""

from __future__ import annotations

MOST = 20_000
"""Copies of what a reference points to, over all schemas of a request. Real tool lists need some hundreds."""


class Budget:
    """One per request, shared by its schemas; each alone would multiply by the number of tools."""

    __slots__ = ("_left",)

    def __init__(self, most: int = MOST) -> None:
        self._left = most

    @property
    def is_spent(self) -> bool:
        return self._left <= 0

    def spend(self) -> None:
        self._left -= 1
