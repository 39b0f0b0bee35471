"""The legacy ``/v1/completions``: passed on where the upstream has it, else one chat exchange for each
prompt, and one answer in its own shape.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from providers.adapters.base import Operation
from providers.adapters.registry import adapter_for
from providers.errors import UpstreamError, UpstreamRefused
from providers.translation.codecs.openai.completions import (
    DONE,
    Completion,
    CompletionStream,
    is_beyond_chat,
    is_legacy_answer,
    read_completion,
    whole_answer,
)
from providers.translation.model import ErrorInfo, Usage
from providers.translation.passthrough import ParsedBody
from providers.translation.registry import PASSTHROUGHS
from providers.upstream.client import UpstreamResponse
from providers.values import Format, Refusal, RefusalKind
from routing.core.resolve import Candidate
from routing.core.table import ClientEntry, RoutingTable
from routing.outgoing import Ask
from routing.proxy.attempt import Attempt, WholeAnswer
from routing.proxy.delivery import Delivery, PassingStream
from routing.proxy.ids import next_seed
from routing.proxy.relay.routed import Routed

MISSING = frozenset({404, 405, 501})
"""How a server says that it has no such endpoint, or not for this model."""


class LegacyAttempt(Attempt):
    """One candidate asked at ``/completions``."""

    def _passed(self, body: bytes) -> WholeAnswer:
        _check_legacy(body)
        return super()._passed(body)

    async def _passing(
        self, response: UpstreamResponse, chunks: AsyncIterator[bytes], first: bytes
    ) -> PassingStream:
        if b'"error"' not in first[:400]:
            _check_legacy(first)
        return await super()._passing(response, chunks, first)


def _check_legacy(body: bytes) -> None:
    """Raises UpstreamRefused, as a missing endpoint does."""
    if not is_legacy_answer(body):
        refusal = Refusal(kind=RefusalKind.NOT_FOUND, status=404, message="The answer is no completion.")
        raise UpstreamRefused(refusal)


class CompletionsExchange(Routed):
    async def _respond(self, table: RoutingTable, client: ClientEntry, body: bytes) -> None:
        parsed = PASSTHROUGHS[Format.OPENAI].parse(body)
        passed = await self._passed_on(table, client, parsed)
        if isinstance(passed, WholeAnswer):
            await self._send_whole(passed)
        elif passed is not None:
            await self._send_stream(passed)
        else:
            await self._by_chat(table, client, body)

    async def _passed_on(
        self, table: RoutingTable, client: ClientEntry, parsed: ParsedBody
    ) -> WholeAnswer | Delivery | None:
        """The answer of a candidate that has the endpoint; None when the first one has not.

        The order of candidates stands: one that has the endpoint is not preferred for it.
        """
        is_needed = is_beyond_chat(parsed)
        resolution = self._resolve(table, client, parsed)

        def has_it(candidate: Candidate) -> bool:
            credential, model = candidate.credential, candidate.model
            if (credential.id, model) in self._gateway.without_completions:
                return False
            told = adapter_for(credential.adapter).completes(credential, model)
            return is_needed if told is None else told

        if not resolution.candidates or not has_it(resolution.candidates[0]):
            return None
        self._record.route_model, self._record.is_stream = parsed.model, parsed.stream
        ask = Ask(
            parsed=parsed,
            suffix=resolution.suffix,
            headers=self._headers,
            format=Format.OPENAI,
            now=int(self._gateway.clock()),
            seed=next_seed(),
            operation=Operation.COMPLETE,
        )

        async def attempt(candidate: Candidate) -> WholeAnswer | Delivery:
            clock, client = self._gateway.clock, self._gateway.client
            try:
                return await LegacyAttempt(client, ask, candidate, clock()).start()
            except UpstreamRefused as error:
                if error.refusal.status in MISSING:
                    self._gateway.without_completions.add((candidate.credential.id, candidate.model))
                raise

        candidates = [candidate for candidate in resolution.candidates if has_it(candidate)]
        try:
            return await self._trials.one_round(table.settings, candidates, attempt, resolution)
        except UpstreamRefused as error:
            if error.refusal.status not in MISSING:
                raise
            return None

    async def _by_chat(self, table: RoutingTable, client: ClientEntry, body: bytes) -> None:
        completion = read_completion(body)
        deliveries: list[Delivery] = []
        wholes: list[WholeAnswer] = []
        try:
            for chat in completion.chats:
                answer = await self._ask(table, client, PASSTHROUGHS[Format.OPENAI].parse(chat))
                self._record.dropped += completion.dropped
                if isinstance(answer, WholeAnswer):
                    wholes.append(answer)
                else:
                    deliveries.append(answer)
        except BaseException:
            for delivery in deliveries:
                await asyncio.shield(delivery.close())
            raise
        if deliveries:
            await self._send_stream(JoinedStreams(completion, deliveries))
        else:
            merged = whole_answer(completion, [whole.body for whole in wholes])
            await self._send_whole(WholeAnswer(body=merged, usage=added([one.usage for one in wholes])))


class JoinedStreams:
    """The chat streams of all prompts, one after the other, as one stream of completions."""

    def __init__(self, completion: Completion, deliveries: list[Delivery]) -> None:
        self.content_type = deliveries[0].content_type
        self.usage: Usage | None = None
        self.is_final = False
        self.has_failed = False
        self.failure: UpstreamError | None = None
        self._completion = completion
        self._deliveries = deliveries
        self._current = deliveries[0]

    async def pieces(self) -> AsyncIterator[bytes]:
        for place, delivery in enumerate(self._deliveries):
            self._current = delivery
            stream = CompletionStream(self._completion, place)
            async for piece in delivery.pieces():
                if written := stream.feed(piece):
                    yield written
            if rest := stream.close():
                yield rest
            self.has_failed = self.has_failed or delivery.has_failed
            self.failure = self.failure or delivery.failure
        self.usage = added([delivery.usage for delivery in self._deliveries])
        self.is_final = True
        yield DONE

    @property
    def dropped(self) -> tuple[str, ...]:
        return tuple(name for delivery in self._deliveries for name in delivery.dropped)

    def error(self, info: ErrorInfo) -> bytes:
        return self._current.error(info)

    async def close(self) -> None:
        for delivery in self._deliveries:
            await delivery.close()


def added(usages: list[Usage | None]) -> Usage | None:
    """The sum over several upstream requests; what none of them told stays unknown."""
    known = [usage for usage in usages if usage is not None]
    if len(known) < 2:
        return known[0] if known else None
    sums = {}
    for name in Usage.__struct_fields__:
        counts = [count for usage in known if (count := getattr(usage, name)) is not None]
        sums[name] = sum(counts) if counts else None
    return Usage(**sums)
