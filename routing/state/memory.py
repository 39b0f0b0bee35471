"""Routing's memory inside one process. The default; nothing here survives a restart.

Touched from one event loop only, so it needs no lock.
"""

from __future__ import annotations

import math
from collections import defaultdict

from providers.values import Limits
from routing.core.cooldown import Cooldown, History
from routing.core.state import Allowance, Claim
from routing.state.windows import Windows

NEVER = History()
LATENCY_MEMORY_S = 10.0
"""The time constant of the latency average: Finagle's peak EWMA uses the same."""


class MemoryState:
    """Implements ``routing.core.state.RoutingState``."""

    def __init__(self) -> None:
        self._histories: dict[tuple[int, str], History] = {}
        self._wide: dict[int, History] = {}
        self._turns: defaultdict[str, int] = defaultdict(int)
        self._probed: dict[tuple[int, str], float] = {}
        """When the running window of a credential and model was last tested: the end of that window."""
        self._weighted: dict[str, tuple[tuple[tuple[int, int], ...], dict[int, int]]] = {}
        self._bindings: dict[str, tuple[int, float]] = {}
        self._in_flight: defaultdict[int, int] = defaultdict(int)
        self._latency: dict[tuple[int, str], tuple[float, float]] = {}
        self._windows = Windows()
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

    def turn(self, key: str, *, peek: bool = False) -> int:
        if peek:
            return self._turns.get(key, 0)
        turn = self._turns[key]
        self._turns[key] = turn + 1
        return turn

    def claim_probe(self, credential_id: int, model: str, now: float) -> bool:
        rest = self.cooldown(credential_id, model, now)
        if rest is None or self._probed.get((credential_id, rest.model), -math.inf) >= rest.until:
            return False
        self._probed[credential_id, rest.model] = rest.until
        return True

    def weighted_turn(self, key: str, weights: tuple[tuple[int, int], ...], *, peek: bool = False) -> int:
        held = self._weighted.get(key)
        running = (
            dict(held[1]) if held is not None and held[0] == weights else dict.fromkeys(dict(weights), 0)
        )
        for credential_id, weight in weights:
            running[credential_id] += weight
        chosen = max(running, key=lambda credential_id: (running[credential_id], -credential_id))
        running[chosen] -= sum(weight for _, weight in weights)
        if not peek:
            self._weighted[key] = weights, running
        return chosen

    def binding(self, key: str, now: float) -> int | None:
        held = self._bindings.get(key)
        return held[0] if held is not None and held[1] > now else None

    def bind(self, key: str, credential_id: int, now: float, ttl_s: float) -> None:
        self._bindings[key] = credential_id, now + ttl_s

    def unbind(self, credential_id: int) -> None:
        for key in [key for key, held in self._bindings.items() if held[0] == credential_id]:
            del self._bindings[key]

    def attempt_began(self, credential_id: int) -> None:
        self._in_flight[credential_id] += 1

    def attempt_ended(self, credential_id: int) -> None:
        self._in_flight[credential_id] -= 1

    def in_flight(self, credential_id: int) -> int:
        return self._in_flight.get(credential_id, 0)

    def note_latency(self, credential_id: int, model: str, seconds: float, now: float) -> None:
        """A slower answer counts at once, a faster one moves the average by and by (peak EWMA)."""
        held = self.latency_s(credential_id, model, now)
        if held is not None and seconds < held:
            since = now - self._latency[credential_id, model][1]
            share = math.exp(-since / LATENCY_MEMORY_S)
            seconds = held * share + seconds * (1 - share)
        self._latency[credential_id, model] = seconds, now

    def latency_s(self, credential_id: int, model: str, now: float) -> float | None:
        held = self._latency.get((credential_id, model))
        return held[0] if held is not None else None

    def limit_wait_s(self, scope: str, limits: Limits, now: float) -> float:
        return self._windows.wait_s(scope, limits, now)

    async def admit(self, claims: tuple[Claim, ...], now: float) -> float:
        return self.admit_here(claims, now)

    def admit_here(self, claims: tuple[Claim, ...], now: float) -> float:
        """``admit`` by this process's own counts."""
        wait = max((self._windows.wait_s(claim.scope, claim.limits, now) for claim in claims), default=0.0)
        if wait <= 0:
            for claim in claims:
                self._windows.take(claim.scope, claim.tokens, now)
        return wait

    def give_back(self, claims: tuple[Claim, ...], taken_at: float, tokens: int, now: float) -> None:
        for claim in claims:
            self._windows.give_back(claim.scope, claim.tokens, taken_at, tokens, now)

    def allowance(self, scope: str, limits: Limits, now: float) -> Allowance:
        return self._windows.allowance(scope, limits, now)

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
