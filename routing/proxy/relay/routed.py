"""Candidates tried in turn for whatever is asked of them: rounds, cooldowns and notes as for generation.

A missing endpoint or a model of another kind says nothing about how well the credential serves chat, so
these refusals lead to the next candidate and rest nobody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from providers.adapters.base import Adapter, Operation
from providers.adapters.registry import adapter_for
from providers.errors import ClientError, UpstreamError
from providers.values import RefusalKind
from routing.core.cooldown import kind_of
from routing.core.query import RouteQuery
from routing.core.resolve import Candidate, Resolution, resolve
from routing.core.table import ClientEntry, RoutingTable
from routing.proxy.exchange import Exchange

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

        def look() -> Resolution:
            return self._fit_resolution(table, client, model, is_fit)

        tried = self._trials.until_answered(table.settings, look(), look, attempt)
        return await self._trials.bounded(table.settings, tried)

    @staticmethod
    def says_of_credential(operation: Operation) -> Callable[[UpstreamError], bool]:
        return _of_credential

    def _fit_resolution(
        self, table: RoutingTable, client: ClientEntry, model: str, is_fit: Callable[[Adapter], bool]
    ) -> Resolution:
        """The resolution without the candidates that cannot serve this endpoint at all."""
        gateway = self._gateway
        query = RouteQuery(model=model, is_chat=False)
        found = resolve(table, gateway.state, client, query, gateway.clock(), gateway.random, peek=True)

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


def _of_credential(error: UpstreamError) -> bool:
    return kind_of(error) not in OF_THE_ENDPOINT
