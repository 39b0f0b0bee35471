"""Candidates tried in turn for whatever is asked of them: rounds, cooldowns and notes as for generation.

A missing endpoint or a model of another kind says nothing about how well the credential serves chat, so
these refusals lead to the next candidate and rest nobody.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from providers.adapters.base import Adapter
from providers.adapters.registry import adapter_for
from providers.errors import ClientError, UpstreamError, UpstreamRefused
from providers.values import RefusalKind
from routing.core import rounds
from routing.core.cooldown import kind_of, stops
from routing.core.query import RouteQuery
from routing.core.resolve import Candidate, Resolution, resolve
from routing.core.table import ClientEntry, RouteSettings, RoutingTable
from routing.proxy.exchange import Exchange
from routing.proxy.tokens import signed

T = TypeVar("T")
Attempt = Callable[[Candidate], Awaitable[T]]
OF_THE_ENDPOINT = frozenset({RefusalKind.NOT_FOUND, RefusalKind.MODEL_UNSUPPORTED})


class NotServed(ClientError):
    """404: the model exists, but no provider behind it has this endpoint."""

    client_status = 404
    code: str | None = "endpoint_not_supported"


class Routed(Exchange):
    """An exchange that resolves and retries like generation. Subclasses say what an attempt is."""

    async def _by_model(
        self,
        table: RoutingTable,
        client: ClientEntry,
        model: str,
        is_fit: Callable[[Adapter], bool],
        attempt: Attempt[T],
    ) -> T:
        """Rounds of attempts until one answers. Raises the last upstream error, NoCandidate, NotServed and
        what ``resolve`` raises."""
        settings, gateway = table.settings, self._gateway
        resolution = self._fit_resolution(table, client, model, is_fit)
        last: UpstreamError | None = None
        round_number = 0
        while True:
            candidates = rounds.admitted(resolution.candidates, round_number, settings)
            if not candidates and round_number == 0 and (waking := rounds.first_to_wake(resolution)):
                candidates = [waking]
            try:
                return await self._first_answer(candidates, settings, attempt)
            except UpstreamError as error:
                if stops(error) or rounds.upstream_status(error) not in rounds.REPEATABLE:
                    raise
                last = error
            except LookupError:
                pass  # nobody was free in this round
            round_number += 1
            now = gateway.clock()
            resolution = self._fit_resolution(table, client, model, is_fit)
            wait = rounds.wait_before_round(resolution, round_number, settings, now)
            if wait is None:
                raise last or rounds.nobody_free(resolution, now)
            if wait:
                await self._rest(wait, settings)
                resolution = self._fit_resolution(table, client, model, is_fit)

    async def _first_answer(
        self, candidates: list[Candidate], settings: RouteSettings, attempt: Attempt[T]
    ) -> T:
        """One round. Raises the last UpstreamError, or LookupError when there is no candidate at all."""
        last: UpstreamError | None = None
        for candidate in candidates:
            try:
                return await self._tried(candidate, settings, attempt)
            except UpstreamError as error:
                last = error
                if stops(error):
                    raise
        if last is None:
            raise LookupError
        raise last

    async def _tried(self, candidate: Candidate, settings: RouteSettings, attempt: Attempt[T]) -> T:
        """One attempt with its note, its cooldown and its count."""
        gateway, record, credential = self._gateway, self._record, candidate.credential
        self._waited += await self._holds.admit(credential)
        record.served_by = candidate
        began = time.perf_counter()
        note: dict[str, Any] = {
            "provider": credential.provider_key,
            "credential": credential.id,
            "model": candidate.model,
        }
        record.attempts.append(note)
        has_answered = False
        try:
            answer = await signed(gateway.tokens, candidate, attempt)
            has_answered = True
        except UpstreamError as error:
            self._note_failure(note, candidate, error, settings)
            raise
        except BaseException:
            note["reason"] = "cancelled"
            raise
        finally:
            spent = time.perf_counter() - began
            self._waited += spent
            note["ms"] = round(spent * 1000, 2)
            self._holds.settle(has_answered=has_answered)
        note["status"] = 200
        gateway.state.record_success(credential.id, candidate.model, gateway.clock())
        gateway.metrics.count(credential.provider_key, is_success=True, latency_ms=spent * 1000)
        return answer

    def _note_failure(
        self, note: dict[str, Any], candidate: Candidate, error: UpstreamError, settings: RouteSettings
    ) -> None:
        if kind_of(error) not in OF_THE_ENDPOINT:
            super()._note_failure(note, candidate, error, settings)
            return
        note["status"] = error.refusal.status if isinstance(error, UpstreamRefused) else None
        note["reason"] = f"{kind_of(error).value}: {error.message}"[:300]
        key = candidate.credential.provider_key
        self._gateway.metrics.count(key, is_success=False, latency_ms=0.0)

    def _fit_resolution(
        self, table: RoutingTable, client: ClientEntry, model: str, is_fit: Callable[[Adapter], bool]
    ) -> Resolution:
        """The resolution without the candidates that cannot serve this endpoint at all."""
        query = RouteQuery(model=model)
        found = resolve(table, self._gateway.state, client, query, self._gateway.clock(), random.random)

        def fits(candidate: Candidate) -> bool:
            return is_fit(adapter_for(candidate.credential.adapter))

        fit = msgspec.structs.replace(
            found,
            candidates=tuple(candidate for candidate in found.candidates if fits(candidate)),
            cooling=tuple(pair for pair in found.cooling if fits(pair[0])),
            limited=tuple(pair for pair in found.limited if fits(pair[0])),
        )
        if not any((fit.candidates, fit.cooling, fit.limited)) and any(
            (found.candidates, found.cooling, found.limited)
        ):
            raise NotServed(f"No provider that serves the model `{model}` has this endpoint.", param="model")
        self._holds.show(fit)
        return fit
