"""The one interface to routing's mutable memory; ``routing/state/`` implements it, and it is passed in.

Reads are synchronous and local, so that resolving never waits; an implementation that shares state keeps
a local copy.
"""

from __future__ import annotations

from typing import Protocol

from routing.core.cooldown import Cooldown, History


class RoutingState(Protocol):
    def cooldown(self, credential_id: int, model: str, now: float) -> Cooldown | None:
        """The running cooldown that covers this credential and upstream model, the later one of two."""

    def history(self, credential_id: int, model: str) -> History: ...

    def record_failure(self, credential_id: int, model: str, history: History) -> None:
        """Keep ``history`` (from ``cooldown.history_after``) and its window."""

    def record_success(self, credential_id: int, model: str) -> None:
        """Forget the failures of this credential and model; a credential-wide window stays."""

    def turn(self, key: str) -> int:
        """0, 1, 2, … : the next turn of the rotation named ``key``."""
