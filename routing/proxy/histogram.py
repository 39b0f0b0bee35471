"""Counts by size, as Prometheus adds them up, and the quantiles that can be told from them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import msgspec


class Histogram(msgspec.Struct):
    """``counts`` has one more place than ``bounds``: what is larger than all of them. Not cumulative."""

    bounds: tuple[float, ...]
    counts: list[int]
    total: float = 0.0

    @classmethod
    def over(cls, bounds: Sequence[float]) -> Histogram:
        return cls(bounds=tuple(bounds), counts=[0] * (len(bounds) + 1))

    @property
    def count(self) -> int:
        return sum(self.counts)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def add(self, other: Histogram) -> None:
        """``other`` must have the same bounds; one of an older version is left out."""
        if other.bounds == self.bounds:
            self.counts = [own + more for own, more in zip(self.counts, other.counts, strict=True)]
            self.total += other.total

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper bound as text, how many are not larger), the last one ``+Inf``."""
        pairs: list[tuple[str, float]] = []
        running = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            running += count
            pairs.append(
                (
                    "+Inf" if bound == float("inf") else f"{bound:g}" if bound < 1e6 else f"{bound:.0f}",
                    running,
                )
            )
        return pairs
