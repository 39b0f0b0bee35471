"""Candidates tried in turn until one answers: rounds, waits, cooldowns, bindings, a note of every attempt.

Shared by generation and by the endpoints beside it; what an attempt is comes in as a function. Everything
here happens before the first byte. What a client gives up cancels the wait or the attempt at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from providers.errors import GatewayError, UpstreamError, UpstreamRefused
from routing.core import failures, rounds
from routing.core.cooldown import kind_of, stops
from routing.core.resolve import Resolution, note_turn, take_turn
from routing.core.table import Candidate, RouteSettings, Strategy
from routing.proxy.gateway import Gateway
from routing.proxy.limits import Holds
from routing.proxy.record import Record
from routing.proxy.tokens import signed

logger = logging.getLogger("routing.proxy")

T = TypeVar("T")
Look = Callable[[], Resolution]
"""Resolves anew, without taking a turn."""
Try = Callable[[Candidate], Awaitable[T]]

JITTER_SHARE = 0.25
JITTER_MAX_S = 2.0
PATIENCE_S = 600.0
"""How long a request without a deadline may be kept waiting for its first byte, by however many upstreams:
what the SDKs of OpenAI and Anthropic wait for. A single attempt that may take longer may do so."""


class DeadlineExceeded(GatewayError):
    """504: the time for the whole exchange, its retries and waits included, is over."""

    client_status = 504
    code: str | None = "deadline_exceeded"


class Trials:
    """The attempts of one exchange. ``end`` says that its answer is through, and may be called again."""

    def __init__(
        self, gateway: Gateway, record: Record, holds: Holds, rests: Callable[[UpstreamError], bool]
    ) -> None:
        self._gateway = gateway
        self._record = record
        self._holds = holds
        self._rests = rests
        """Which failures say something of the credential, and not only of the endpoint asked for."""
        self._busy: list[int] = []
        """The credentials whose answers are on their way."""
        self.waited = 0.0
        """Seconds spent waiting for upstreams and for cooldowns to end."""
        self.has_opened = False
        """The last attempt got a good status before it failed."""
        self.detour: dict[str, str] = {}
        """What the notes of attempts with a fallback's candidates say besides."""

    def end(self) -> None:
        busy, self._busy = self._busy, []
        for credential_id in busy:
            self._gateway.state.attempt_ended(credential_id)

    def bounded(self, settings: RouteSettings, answer: Awaitable[T]) -> Awaitable[T]:
        """``answer`` within the time that the whole exchange has. Raises DeadlineExceeded."""
        return self._in_time(settings, answer) if settings.deadline_s > 0 else answer

    async def _in_time(self, settings: RouteSettings, answer: Awaitable[T]) -> T:
        limit = asyncio.timeout(max(self._left(settings), 0.0))
        try:
            async with limit:
                return await answer
        except TimeoutError as error:
            if not limit.expired():
                raise
            failed = [note["reason"] for note in self._record.attempts if note.get("status") is not None]
            last = f" The last upstream said: {failed[-1]}" if failed and failed[-1] else ""
            raise DeadlineExceeded(
                f"No upstream answered within the {self._most(settings):g} s that a request may take.{last}"
            ) from error

    def _most(self, settings: RouteSettings) -> float:
        """Seconds for all attempts and waits together, so that the timeouts of several do not add up: the
        deadline, or where none is set PATIENCE_S."""
        return (
            settings.deadline_s
            if settings.deadline_s > 0
            else max(self._gateway.client.patience_s, PATIENCE_S)
        )

    def _left(self, settings: RouteSettings) -> float:
        """Seconds in which another attempt may begin."""
        return self._record.started_at + self._most(settings) - self._gateway.clock()

    async def until_answered(
        self,
        settings: RouteSettings,
        resolution: Resolution,
        look: Look,
        attempt: Try[T],
        needs_place: Callable[[Candidate], bool] = lambda candidate: True,
    ) -> T:
        """Rounds of attempts until one answers; ``resolution`` is for the first. ``needs_place`` tells which
        count towards the limits of their credential. Raises the last upstream error, or NoCandidate, and
        what ``look`` raises."""
        state, clock = self._gateway.state, self._gateway.clock
        self._record.decision = self._record.decision or resolution
        last: UpstreamError | None = None
        number = 0
        while True:
            take_turn(state, resolution, clock())
            before: Candidate | None = None
            failure: UpstreamError | None = None
            this_round = rounds.Round(resolution, number, settings)
            while (candidate := this_round.next(self._resting(before is not None))) is not None:
                if before is not None and self._left(settings) <= 0:
                    break
                if before is not None and before.credential is not candidate.credential:
                    note_turn(state, resolution, candidate)
                before = candidate
                try:
                    if needs_place(candidate):
                        self.waited += await self._holds.admit(candidate.credential)
                    is_late = bool(self._record.attempts) and settings.deadline_s <= 0
                    trial = self._tried(settings, resolution, candidate, attempt, number)
                    return await (self._in_time(settings, trial) if is_late else trial)
                except UpstreamError as error:
                    last = failure = error
                    if stops(error):
                        raise
                    this_round.failed(candidate, error)
            self._record.passed_over += this_round.passed_over
            if failure is not None and not rounds.may_repeat(failure):
                raise failure
            number += 1
            resolution = look()
            now = clock()
            tried = before is not None
            wait = rounds.wait_before_round(resolution, number, settings, now, has_tried=tried)
            if wait is None or wait >= self._left(settings):
                raise rounds.last_word(last, resolution, now)
            if wait:
                await self._rest(wait, settings)
                resolution = look()

    async def one_round(
        self,
        settings: RouteSettings,
        candidates: Sequence[Candidate],
        attempt: Try[T],
        resolution: Resolution | None = None,
    ) -> T:
        """Each of ``candidates`` once, in their order: what belongs to no model (without a ``resolution``) or
        is not worth a wait. Raises the last upstream error, or LookupError when there is none to be tried."""
        if resolution is None:
            resolution = Resolution(route_model="", suffix="", candidates=tuple(candidates))
        else:
            resolution = msgspec.structs.replace(resolution, candidates=tuple(candidates))
            take_turn(self._gateway.state, resolution, self._gateway.clock())
        last: UpstreamError | None = None
        for candidate in candidates:
            try:
                self.waited += await self._holds.admit(candidate.credential)
                return await self._tried(settings, resolution, candidate, attempt, 0)
            except UpstreamError as error:
                last = error
                if stops(error):
                    raise
        if last is None:
            raise LookupError
        raise last

    async def on_credit(
        self,
        settings: RouteSettings,
        resolution: Resolution,
        candidates: Sequence[Candidate],
        attempt: Try[T],
    ) -> T | None:
        """Each of ``candidates`` once with what its account bought beside its allowances; None when none of
        them answers so. That one does says nothing of the allowances: they go on resting."""
        self.detour = {**self.detour, "because": "credits"}
        resolution = msgspec.structs.replace(resolution, candidates=tuple(candidates), probe=None)
        for candidate in candidates:
            try:
                self.waited += await self._holds.admit(candidate.credential)
                return await self._tried(settings, resolution, candidate, attempt, 0, is_free=False)
            except UpstreamError as error:
                if stops(error):
                    raise
        return None

    def _resting(self, is_late: bool) -> Callable[[Candidate], bool]:
        """Who came to rest while others were tried. The first is as free as it was a moment ago."""
        if not is_late:
            return lambda candidate: False
        state, now = self._gateway.state, self._gateway.clock()
        return lambda candidate: state.cooldown(candidate.credential.id, candidate.model, now) is not None

    async def _rest(self, wait: float, settings: RouteSettings) -> None:
        jitter = self._gateway.random() * min(wait * JITTER_SHARE, JITTER_MAX_S)
        began = time.perf_counter()
        await self._gateway.sleep(min(wait + jitter, max(settings.max_retry_interval_s, wait)))
        self.waited += time.perf_counter() - began

    async def _tried(
        self,
        settings: RouteSettings,
        resolution: Resolution,
        candidate: Candidate,
        attempt: Try[T],
        round_number: int,
        *,
        is_free: bool = True,
    ) -> T:
        """One attempt with its note, its cooldown, its binding and its count. What is not ``is_free`` ends no
        cooldown by its success."""
        gateway, record, credential = self._gateway, self._record, candidate.credential
        state = gateway.state
        record.served_by = candidate
        self.has_opened = False
        failures.bind(state, resolution, candidate, settings, gateway.clock())
        note: dict[str, Any] = {
            "provider": credential.provider_key,
            "credential": credential.id,
            "model": candidate.model,
            "at": round((gateway.clock() - record.started_at) * 1000, 1),
            **self.detour,
        }
        if round_number:
            note["round"] = round_number
        record.attempts.append(note)
        state.attempt_began(credential.id)
        self._busy.append(credential.id)
        began = time.perf_counter()
        has_answered = False
        try:
            answer = await signed(gateway.tokens, candidate, attempt)
            has_answered = True
        except UpstreamError as error:
            self.note_failure(note, candidate, error, settings)
            raise
        except BaseException:
            note["reason"] = "cancelled"
            raise
        finally:
            spent = time.perf_counter() - began
            self.waited += spent
            note["ms"] = round(spent * 1000, 2)
            self._holds.settle(has_answered=has_answered)
            if not has_answered:
                self._busy.remove(credential.id)
                state.attempt_ended(credential.id)
        note["status"] = 200
        now = gateway.clock()
        if is_free:
            was_probe = candidate is resolution.probe
            state.record_success(credential.id, candidate.model, now, was_probe=was_probe)
        failures.renew(state, resolution, candidate, settings, now)
        if settings.strategy is Strategy.LOWEST_LATENCY:
            state.note_latency(credential.id, candidate.model, spent, now)
        gateway.metrics.count(credential.provider_key, is_success=True, latency_ms=spent * 1000)
        return answer

    def note_failure(
        self, note: dict[str, Any], candidate: Candidate, error: UpstreamError, settings: RouteSettings
    ) -> None:
        """Into the note, the counts and the state, also when a stream broke after its first byte."""
        gateway, credential = self._gateway, candidate.credential
        logger.debug(
            "attempt failed",
            extra={
                "fields": {
                    "id": self._record.request_id,
                    "provider": credential.provider_key,
                    "credential": credential.id,
                    "model": candidate.model,
                    "why": _why(error),
                }
            },
        )
        note["status"] = error.refusal.status if isinstance(error, UpstreamRefused) else None
        note["reason"] = f"{kind_of(error).value}: {error.message}"[:300]
        if error.rule is not None:
            note["rule"] = error.rule.value
        gateway.metrics.count(credential.provider_key, is_success=False, latency_ms=0.0)
        if error.rule is not None or self._rests(error):
            failures.note(gateway.state, candidate, error, settings, gateway.clock())


def _why(error: UpstreamError) -> str:
    """For the log: an upstream's own words may quote the request, so they stand in the record alone."""
    if isinstance(error, UpstreamRefused):
        return f"{kind_of(error).value} (status {error.refusal.status})"
    return error.message
