"""Limits that several processes share: what one of them asks Redis, and what it remembers of the answers.

The counts are Redis's (``scripts.py``), taken and compared in one step, so that N processes together let
through exactly what one would. What is remembered spares a round trip where the answer is known: a scope
that was full is refused here until it can have room.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

from providers.values import Limits
from routing.core.state import Allowance, Claim, Left, Ticket
from routing.state import scripts
from routing.state.windows import DAY, MINUTE, REQUESTS, TOKENS, rules_of, tightest

LEASE_S = 30
"""A place held by a process that died is free again after this; living ones renew theirs in time."""
BUSY_FOR_S = 0.05
"""How long nobody asks again after all places at once were taken."""
WINDOWS = ((REQUESTS, MINUTE), (TOKENS, MINUTE), (REQUESTS, DAY), (TOKENS, DAY))
"""In the order in which the script tells of them."""


class SharedLimits:
    """``origin`` names this process. Raises what Redis raises."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._numbers = itertools.count()
        self._leases: dict[str, tuple[str, ...]] = {}
        """What this process holds: the scopes whose places at once are bounded, by lease."""
        self._full: dict[str, tuple[float, bool]] = {}
        """Scopes that were full: until when, and whether only an ending request frees a place."""
        self._seen: dict[tuple[str, str, tuple[float, float]], tuple[int, float]] = {}
        """By scope, kind and window: what all processes had used, and when all of it will have left."""

    def wait_s(self, scope: str, now: float) -> float:
        """As ``limit_wait_s``, as far as an answer is remembered."""
        full = self._full.get(scope)
        if full is None:
            return 0.0
        until, is_busy = full
        if until <= now:
            del self._full[scope]
            return 0.0
        return math.inf if is_busy else until - now

    async def ask(self, client: Any, claims: tuple[Claim, ...], now: float) -> Ticket | float:
        """Take all of ``claims`` in Redis, or none: the ticket, or the seconds to wait."""
        lease = f"{self._origin}:{next(self._numbers)}"
        keys: list[str] = []
        arguments: list[Any] = [lease, LEASE_S]
        for claim in claims:
            keys += [_key(claim.scope, what) for what in ("rpm", "tpm", "rpd", "tpd", "held")]
            arguments += [*_in_order(claim.limits), claim.limits.concurrency, claim.tokens]
        told = await client.eval(scripts.ADMIT, len(keys), *keys, *arguments)
        wait_ms, is_busy, shared_ms, *windows = (int(part) for part in told)
        is_taken = not (wait_ms or is_busy)
        for number, claim in enumerate(claims):
            self._remember(claim, windows[number * 8 : number * 8 + 8], now, is_taken=is_taken)
        if is_taken:
            self._leases[lease] = tuple(claim.scope for claim in claims if claim.limits.concurrency)
            return Ticket(claims=claims, taken_at=now, lease=lease, shared_at=shared_ms / 1000)
        wait = math.inf if is_busy else wait_ms / 1000
        for number, claim in enumerate(claims):
            used = windows[number * 8 : number * 8 + 8 : 2]
            limits = claim.limits
            if any(limit and limit <= there for limit, there in zip(_in_order(limits), used, strict=True)):
                self._full[claim.scope] = now + wait_ms / 1000, False
            elif is_busy and limits.concurrency:
                self._full[claim.scope] = now + BUSY_FOR_S, True
        return wait

    def end(self, ticket: Ticket, tokens: int) -> bool:
        """The request ended; True when Redis holds something of it that is to be settled."""
        for claim in ticket.claims:
            if self._full and self._full.get(claim.scope, (0.0, False))[1]:
                del self._full[claim.scope]
            for window in (MINUTE, DAY):
                key = claim.scope, TOKENS, window
                if key in self._seen:
                    used, until = self._seen[key]
                    self._seen[key] = max(used - claim.tokens, 0) + tokens, until
        return self._leases.pop(ticket.lease, None) is not None

    @staticmethod
    def settle(pipeline: Any, ticket: Ticket, tokens: int) -> None:
        """Put into ``pipeline`` what an ended request leaves to do."""
        keys: list[str] = []
        arguments: list[Any] = [ticket.shared_at, ticket.lease]
        for claim in ticket.claims:
            keys += [_key(claim.scope, what) for what in ("tpm", "tpd", "held")]
            arguments += [claim.tokens, tokens, claim.limits.tpm, claim.limits.tpd]
        pipeline.eval(scripts.SETTLE, len(keys), *keys, *arguments)

    async def renew(self, client: Any) -> None:
        """Keep what is held. Call it at least every third of LEASE_S."""
        held = [(_key(scope, "held"), lease) for lease, scopes in self._leases.items() for scope in scopes]
        if held:
            keys, leases = zip(*held, strict=True)
            await client.eval(scripts.RENEW, len(keys), *keys, LEASE_S, *leases)

    async def drop(self, client: Any) -> None:
        """Give back every place, at the process's end."""
        leases, self._leases = self._leases, {}
        held = [(_key(scope, "held"), lease) for lease, scopes in leases.items() for scope in scopes]
        if held:
            pipeline = client.pipeline(transaction=False)
            for key, lease in held:
                pipeline.zrem(key, lease)
            await pipeline.execute()

    def forget(self) -> None:
        """Redis is away: what it said holds no more. Places held stay, to be told again."""
        self._full.clear()
        self._seen.clear()

    def allowance(self, scope: str, limits: Limits, now: float) -> Allowance | None:
        """What ``scope`` has left by the last answer, None when there was none for all of ``limits``."""
        found = []
        for kind, limit, window in rules_of(limits):
            if (scope, kind, window) not in self._seen:
                return None
            used, until = self._seen[scope, kind, window]
            if until <= now:
                used = 0
            left = Left(limit=limit, remaining=max(limit - used, 0), reset_s=max(until - now, 0.0))
            found.append((kind, left))
        return tightest(found)

    def _remember(self, claim: Claim, windows: list[int], now: float, *, is_taken: bool) -> None:
        for place, (kind, window) in enumerate(WINDOWS):
            used, reset_ms = windows[place * 2], windows[place * 2 + 1]
            if used < 0:
                continue
            taken = (1 if kind is REQUESTS else claim.tokens) if is_taken else 0
            until = now + (window[0] + window[1] if taken else reset_ms / 1000)
            self._seen[claim.scope, kind, window] = used + taken, until


def _in_order(limits: Limits) -> tuple[int, int, int, int]:
    return limits.rpm, limits.tpm, limits.rpd, limits.tpd


def _key(scope: str, what: str) -> str:
    return f"{scripts.PREFIX}limit:{scope}:{what}"
