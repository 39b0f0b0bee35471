"""Routing's memory inside one process. The default; nothing here survives a restart.

Touched from one event loop only, so it needs no lock.
"""

from __future__ import annotations

from collections import defaultdict

from routing.core.cooldown import Cooldown, History

NEVER = History()


class MemoryState:
    """Implements ``routing.core.state.RoutingState``."""

    def __init__(self) -> None:
        self._histories: dict[tuple[int, str], History] = {}
        self._wide: dict[int, History] = {}
        self._turns: defaultdict[str, int] = defaultdict(int)
        self._proven: set[int] = set()
        """Credentials that worked at least once, so that a first success is news and the next is not."""
        self.changed: set[int] = set()
        """Credentials whose cooldowns changed since the mirror last looked."""

    def cooldown(self, credential_id: int, model: str, now: float) -> Cooldown | None:
        if not self._histories and not self._wide:
            return None
        rests = [
            history.cooldown
            for history in (self._wide.get(credential_id), self._histories.get((credential_id, model)))
            if history and history.cooldown and history.cooldown.until > now
        ]
        return max(rests, key=lambda rest: rest.until) if rests else None

    def history(self, credential_id: int, model: str) -> History:
        return self._histories.get((credential_id, model), NEVER)

    def record_failure(self, credential_id: int, model: str, history: History) -> None:
        self._histories[credential_id, model] = history
        if history.cooldown is not None and history.cooldown.model == "":
            self._wide[credential_id] = history
        self.changed.add(credential_id)

    def record_success(self, credential_id: int, model: str) -> None:
        if self._histories and self._histories.pop((credential_id, model), None) is not None:
            self.changed.add(credential_id)
        if credential_id not in self._proven:
            self._proven.add(credential_id)
            self.changed.add(credential_id)

    def turn(self, key: str) -> int:
        turn = self._turns[key]
        self._turns[key] = turn + 1
        return turn

    def clear(self, credential_id: int, before: float) -> None:
        """Drop the cooldowns of one credential that began before ``before`` (Unix seconds)."""
        for key in [key for key in self._histories if key[0] == credential_id]:
            rest = self._histories[key].cooldown
            if rest is None or rest.since <= before:
                del self._histories[key]
        wide = self._wide.get(credential_id)
        if wide and wide.cooldown and wide.cooldown.since <= before:
            del self._wide[credential_id]
        self.changed.add(credential_id)

    def running(self, credential_id: int, now: float) -> list[Cooldown]:
        """The running cooldowns of one credential, for the mirror."""
        rests = {
            history.cooldown.model: history.cooldown
            for key, history in self._histories.items()
            if key[0] == credential_id and history.cooldown and history.cooldown.until > now
        }
        wide = self._wide.get(credential_id)
        if wide and wide.cooldown and wide.cooldown.until > now:
            rests[""] = wide.cooldown
        return list(rests.values())
