"""What one process has changed and not yet told the others."""

from __future__ import annotations

from collections import Counter

from routing.core.state import Ticket
from routing.state.messages import Change, Served, Weighed, Weights


class Outbox:
    """Collects until it is taken; what moves often is merged, so that a batch stays small under load."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.moved: Counter[str] = Counter()
        """Rotations with the turns that were taken."""
        self.settled: list[tuple[Ticket, int]] = []
        """Requests that ended, with their tokens."""
        self._served: dict[str, int] = {}
        self._weighed: dict[tuple[str, Weights], Counter[int]] = {}
        self.size = 0
        """How much happened, merged or not."""

    def add(self, change: Change) -> None:
        self.changes.append(change)
        self.size += 1

    def add_turn(self, key: str) -> None:
        self.moved[key] += 1
        self.size += 1

    def add_served(self, key: str, credential_id: int) -> None:
        self._served[key] = credential_id
        self.size += 1

    def add_weighted(self, key: str, weights: Weights, chosen: int) -> None:
        self._weighed.setdefault((key, weights), Counter())[chosen] += 1
        self.size += 1

    def add_settled(self, ticket: Ticket, tokens: int) -> None:
        self.settled.append((ticket, tokens))
        self.size += 1

    def told(self) -> list[Change]:
        """Everything but ``moved`` and ``settled``, as others are told of it."""
        found = [*self.changes]
        found += [Weighed(key, weights, dict(chosen)) for (key, weights), chosen in self._weighed.items()]
        if self._served:
            found.append(Served(self._served))
        return found
