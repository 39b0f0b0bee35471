"""Routing's memory inside one process. The default; nothing here survives a restart.

Touched from one event loop only, so it needs no lock.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from typing import Any

from providers.values import Limits
from routing.core.cooldown import Cooldown, History, history_of
from routing.core.state import Allowance, Claim, Ticket
from routing.state.windows import Windows

NEVER = History()
NOTHING: dict[str, History] = {}
MOST_MODELS = 1000
"""Of one credential: beyond it, what rested and rests no more is forgotten. Clients choose the names of
models where any is passed on."""
MOST_KEYS = 50_000
"""Rotations, latencies and the like."""
MOST_BINDINGS = 200_000
LATENCY_MEMORY_S = 10.0
"""The time constant of the latency average: Finagle's peak EWMA uses the same."""


class MemoryState:
    """Implements ``routing.core.state.RoutingState``."""

    def __init__(self) -> None:
        self._histories: dict[int, dict[str, History]] = {}
        """By credential, then by model; "" is the credential as a whole."""
        self._turns: dict[str, int] = {}
        self._served: dict[str, int] = {}
        self._probed: dict[tuple[int, str], float] = {}
        """When the running window of a credential and model was last tested: the end of that window."""
        self._weighted: dict[str, tuple[tuple[tuple[int, int], ...], dict[int, int]]] = {}
        self._bindings: dict[str, tuple[int, float]] = {}
        """The least lately renewed first, so that those that ran out stand in front."""
        self._bound: defaultdict[int, set[str]] = defaultdict(set)
        """Credential -> the keys of its bindings."""
        self._in_flight: defaultdict[int, int] = defaultdict(int)
        self._latency: dict[tuple[int, str], tuple[float, float]] = {}
        self._windows = Windows()
        self._proven: set[int] = set()
        """Credentials that worked at least once, so that a first success is news and the next is not."""
        self.changed: set[int] = set()
        """Credentials whose cooldowns changed since the mirror last looked."""
        self.ended: list[tuple[int, Cooldown]] = []
        """Cooldowns of a credential that were forgotten since then, by a success or by an admin."""
        self.proved: set[int] = set()
        """Credentials that worked since then, for the first time or after a failure."""

    async def start(self) -> None:
        """For states that share: before the first request, in the event loop that serves."""

    async def stop(self) -> None:
        """For states that share: after the last request."""

    def cooldown(self, credential_id: int, model: str, now: float) -> Cooldown | None:
        known = self._histories.get(credential_id)
        if not known:
            return None
        rests = [
            history.cooldown
            for history in (known.get(""), known.get(model))
            if history and history.cooldown and history.cooldown.until > now
        ]
        return max(rests, key=lambda rest: rest.until) if rests else None

    def history(self, credential_id: int, model: str) -> History:
        return self._histories.get(credential_id, NOTHING).get(model, NEVER)

    def record_failure(self, credential_id: int, model: str, history: History) -> None:
        self._keep_failure(credential_id, model, history)
        self.changed.add(credential_id)

    def _keep_failure(self, credential_id: int, model: str, history: History) -> None:
        known = self._histories.setdefault(credential_id, {})
        if len(known) >= MOST_MODELS and model not in known:
            _drop_ended(known, history.cooldown.since if history.cooldown else 0.0)
        known[model] = history

    def record_success(self, credential_id: int, model: str, now: float, *, was_probe: bool = False) -> None:
        known = self._histories.get(credential_id)
        is_news = credential_id not in self._proven
        if known:
            wide = known.get("")
            if wide is not None and (was_probe or wide.cooldown is None or wide.cooldown.until <= now):
                self._forget(credential_id, "")
                is_news = True
            if model in known:
                self._forget(credential_id, model)
                is_news = True
        if is_news:
            self._proven.add(credential_id)
            self.proved.add(credential_id)

    def _forget(self, credential_id: int, model: str) -> None:
        known = self._histories.get(credential_id, {})
        history = known.pop(model, None)
        if not known:
            self._histories.pop(credential_id, None)
        if history is not None:
            self.changed.add(credential_id)
            if history.cooldown is not None:
                self.ended.append((credential_id, history.cooldown))

    def claim_probe(self, credential_id: int, model: str, now: float, *, peek: bool = False) -> bool:
        rest = self.cooldown(credential_id, model, now)
        if rest is None or self._probed.get((credential_id, rest.model), -math.inf) >= rest.until:
            return False
        if not peek:
            _make_room(self._probed)
            self._probed[credential_id, rest.model] = rest.until
        return True

    def turn(self, key: str, *, peek: bool = False) -> int:
        if peek:
            return self._turns.get(key, 0)
        turn = self._turns.get(key, 0)
        if not turn:
            _make_room(self._turns)
        self._turns[key] = turn + 1
        return turn

    def last_served(self, key: str) -> int | None:
        return self._served.get(key)

    def note_served(self, key: str, credential_id: int) -> None:
        if key not in self._served:
            _make_room(self._served)
        self._served[key] = credential_id

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
            if held is None:
                _make_room(self._weighted)
            self._weighted[key] = weights, running
        return chosen

    def _add_weighted(self, key: str, weights: tuple[tuple[int, int], ...], chosen: dict[int, int]) -> None:
        """Turns that were taken elsewhere: who was chosen how often."""
        held = self._weighted.get(key)
        running = held[1] if held is not None and held[0] == weights else dict.fromkeys(dict(weights), 0)
        turns, total = sum(chosen.values()), sum(weight for _, weight in weights)
        for credential_id, weight in weights:
            running[credential_id] += turns * weight - chosen.get(credential_id, 0) * total
        self._weighted[key] = weights, running

    def binding(self, key: str, now: float) -> int | None:
        held = self._bindings.get(key)
        return held[0] if held is not None and held[1] > now else None

    def bind(self, key: str, credential_id: int, now: float, ttl_s: float) -> None:
        held = self._bindings.pop(key, None)
        if held is not None and held[0] != credential_id:
            self._bound[held[0]].discard(key)
        self._bindings[key] = credential_id, now + ttl_s
        self._bound[credential_id].add(key)
        self._drop_one_binding(now)

    def _drop_one_binding(self, now: float) -> None:
        """Each new binding takes an old one out: one that ran out, or the oldest of too many."""
        oldest = next(iter(self._bindings))
        credential_id, ends = self._bindings[oldest]
        if ends <= now or len(self._bindings) > MOST_BINDINGS:
            del self._bindings[oldest]
            self._bound[credential_id].discard(oldest)

    def unbind(self, credential_id: int) -> None:
        for key in self._bound.pop(credential_id, ()):
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
        if held is None:
            _make_room(self._latency)
        elif seconds < held:
            since = now - self._latency[credential_id, model][1]
            share = math.exp(-since / LATENCY_MEMORY_S)
            seconds = held * share + seconds * (1 - share)
        self._latency[credential_id, model] = seconds, now

    def latency_s(self, credential_id: int, model: str, now: float) -> float | None:
        held = self._latency.get((credential_id, model))
        return held[0] if held is not None else None

    def limit_wait_s(self, scope: str, limits: Limits, now: float) -> float:
        return self._windows.wait_s(scope, limits, now)

    async def admit(self, claims: tuple[Claim, ...], now: float) -> Ticket | float:
        return self.admit_here(claims, now)

    def admit_here(self, claims: tuple[Claim, ...], now: float) -> Ticket | float:
        """``admit`` by this process's own counts."""
        wait = max((self.limit_wait_s(claim.scope, claim.limits, now) for claim in claims), default=0.0)
        if wait > 0:
            return wait
        for claim in claims:
            self._windows.take(claim.scope, claim.tokens, now)
        return Ticket(claims=claims, taken_at=now)

    def give_back(self, ticket: Ticket, tokens: int, now: float) -> None:
        for claim in ticket.claims:
            self._windows.give_back(claim.scope, claim.tokens, ticket.taken_at, tokens, now)

    def allowance(self, scope: str, limits: Limits, now: float) -> Allowance:
        return self._windows.allowance(scope, limits, now)

    def clear(self, credential_id: int, before: float) -> None:
        """Drop the cooldowns of one credential that began before ``before`` (Unix seconds). Whether it works
        is to be seen again: the next success is news."""
        self._proven.discard(credential_id)
        for model, history in list(self._histories.get(credential_id, {}).items()):
            if history.cooldown is None or history.cooldown.since <= before:
                self._forget(credential_id, model)
        self.changed.add(credential_id)

    def restore(self, credential_id: int, cooldown: Cooldown) -> None:
        """Take over a cooldown from before this process began, unless it knows of one itself."""
        if cooldown.model not in self._histories.get(credential_id, {}):
            self._keep_failure(credential_id, cooldown.model, history_of(cooldown))

    def running(self, credential_id: int, now: float) -> list[Cooldown]:
        """The running cooldowns of one credential, for the mirror."""
        known = self._histories.get(credential_id, NOTHING).values()
        return [found.cooldown for found in known if found.cooldown and found.cooldown.until > now]


def _make_room(kept: dict[Any, Any]) -> None:
    """Before a new key, which may be of a client's choosing: the oldest make room for it."""
    if len(kept) >= MOST_KEYS:
        for key in list(itertools.islice(kept, MOST_KEYS // 10)):
            del kept[key]


def _drop_ended(known: dict[str, History], now: float) -> None:
    for model in [
        m for m, history in known.items() if history.cooldown is None or history.cooldown.until <= now
    ]:
        del known[model]
