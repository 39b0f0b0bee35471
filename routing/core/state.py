"""The one interface to routing's mutable memory; ``routing/state/`` implements it, and it is passed in.

Reads are synchronous and local, so that resolving never waits; an implementation that shares state keeps
a local copy and sends what changed in the background.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from providers.values import Limits
from routing.core.cooldown import Cooldown, History


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One request's share of one scope: ``client:2``, ``provider:3``, ``credential:7``."""

    scope: str
    limits: Limits
    tokens: int = 0
    """Reserved until the request ends."""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """Claims that were taken, for the one who gives them back. ``lease`` and ``shared_at`` are of the state
    that made it."""

    claims: tuple[Claim, ...]
    taken_at: float
    lease: str = ""
    shared_at: float = 0.0


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """The tightest window of one kind: what may still come, and the seconds until it is empty again."""

    limit: int
    remaining: int
    reset_s: float


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What a scope has left; None where no limit of that kind holds."""

    requests: Left | None = None
    tokens: Left | None = None


class RoutingState(Protocol):
    # --- cooldowns -------------------------------------------------------------------------

    def cooldown(self, credential_id: int, model: str, now: float) -> Cooldown | None:
        """The running cooldown that covers this credential and upstream model, the later one of two."""

    def running(self, credential_id: int, now: float) -> list[Cooldown]:
        """The running cooldowns of one credential, for pages and figures."""

    def history(self, credential_id: int, model: str) -> History:
        """What is remembered of ``model`` of the credential; "" for the credential as a whole."""

    def record_failure(self, credential_id: int, model: str, history: History) -> None:
        """Keep ``history`` (from ``cooldown.history_after``) and its window; ``model`` is its scope."""

    def record_success(self, credential_id: int, model: str, now: float, *, was_probe: bool = False) -> None:
        """Forget the failures of this credential and model. A credential-wide window stays while it runs,
        unless the success is that of its probe."""

    def claim_probe(self, credential_id: int, model: str, now: float, *, peek: bool = False) -> bool:
        """Whether the caller may send the one request that tests a running cooldown; True once a window.
        ``peek`` claims nothing."""

    # --- rotation --------------------------------------------------------------------------

    def turn(self, key: str, *, peek: bool = False) -> int:
        """0, 1, 2, … : the next turn of the rotation named ``key``. With ``peek`` it stays the next."""

    def last_served(self, key: str) -> int | None:
        """The credential that was last noted for the ring named ``key``; the next in the ring is on."""

    def note_served(self, key: str, credential_id: int) -> None: ...

    def weighted_turn(self, key: str, weights: tuple[tuple[int, int], ...], *, peek: bool = False) -> int:
        """Smooth weighted round robin over (credential id, weight) pairs with positive weights: the id whose
        turn it is. The running values start anew when the pairs change. ``peek`` changes nothing."""

    # --- bindings of conversations ---------------------------------------------------------

    def binding(self, key: str, now: float) -> int | None:
        """The credential that the conversation ``key`` is bound to, if the binding has not run out."""

    def bind(self, key: str, credential_id: int, now: float, ttl_s: float) -> None: ...

    def unbind(self, credential_id: int) -> None:
        """Drop every binding to this credential."""

    # --- load and speed --------------------------------------------------------------------

    def attempt_began(self, credential_id: int) -> None: ...

    def attempt_ended(self, credential_id: int) -> None: ...

    def in_flight(self, credential_id: int) -> int:
        """Attempts begun and not ended."""

    def note_latency(self, credential_id: int, model: str, seconds: float, now: float) -> None:
        """A first byte took ``seconds``."""

    def latency_s(self, credential_id: int, model: str, now: float) -> float | None:
        """The peak-sensitive moving average of first bytes, None when nothing is known."""

    # --- limits ----------------------------------------------------------------------------

    def limit_wait_s(self, scope: str, limits: Limits, now: float) -> float:
        """0 when ``scope`` (``credential:7``, ``provider:3``, ``client:2``) may take one more request now,
        else the seconds until a window frees one; ``math.inf`` where only an ending request can."""

    async def admit(self, claims: tuple[Claim, ...], now: float) -> Ticket | float:
        """Take all of ``claims``, or none and return the seconds until all may be taken (``math.inf`` as
        above). Each taken claim counts one request, reserves its tokens, and holds one of the places at once
        until ``give_back``. Waits no longer than a fraction of a second."""

    def give_back(self, ticket: Ticket, tokens: int, now: float) -> None:
        """The request that took ``ticket`` ended; ``tokens`` are what it used, input and output, and count in
        place of the reserved ones."""

    def allowance(self, scope: str, limits: Limits, now: float) -> Allowance:
        """What ``scope`` has left."""
