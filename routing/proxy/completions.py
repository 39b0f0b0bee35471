"""The legacy ``/v1/completions``: one chat exchange for each prompt, one answer in its own shape."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from providers.translation.codecs.openai.completions import (
    DONE,
    Completion,
    CompletionStream,
    read_completion,
    whole_answer,
)
from providers.translation.model import ErrorInfo, Usage
from providers.translation.registry import PASSTHROUGHS
from providers.values import Format
from routing.core.table import ClientEntry, RoutingTable
from routing.proxy.attempt import WholeAnswer
from routing.proxy.delivery import Delivery
from routing.proxy.exchange import Exchange


class CompletionsExchange(Exchange):
    async def _respond(self, table: RoutingTable, client: ClientEntry, body: bytes) -> None:
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
        self.usage = added([delivery.usage for delivery in self._deliveries])
        self.is_final = True
        yield DONE

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
