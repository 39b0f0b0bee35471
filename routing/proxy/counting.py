"""Token counting: by the upstream where it speaks the client's format and can count, else an estimate.

An estimate is marked with the header ``x-cliproxy-estimate: true``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from providers.translation.codec import MalformedRequest
from providers.translation.model import Json
from providers.translation.registry import CODECS
from providers.translation.token_estimate import estimate
from providers.values import Format
from routing.outgoing import Ask, bounded_depth
from routing.proxy.attempt import ESTIMATE, Attempt, WholeAnswer
from routing.proxy.delivery import Delivery
from routing.proxy.exchange import Exchange

CANNOT_COUNT = frozenset({404, 405, 501})
"""What look-alike servers answer that speak the format but have no counter."""

_ANSWERS: dict[Format, Callable[[int], dict[str, Any]]] = {
    Format.CLAUDE: lambda tokens: {"input_tokens": tokens},
    Format.GEMINI: lambda tokens: {"totalTokens": tokens},
    Format.RESPONSES: lambda tokens: {"object": "response.input_tokens", "input_tokens": tokens},
}


class CountingAttempt(Attempt):
    @property
    def calls_upstream(self) -> bool:
        return self._passes and self._ask.format in self._adapter.counts_tokens

    async def start(self) -> WholeAnswer | Delivery:
        if not self.calls_upstream:
            return await estimated(self._ask)
        response = await self._open()
        try:
            if response.status in CANNOT_COUNT:
                return await estimated(self._ask)
            if response.status >= 400:
                raise await self._refusal(response)
            return WholeAnswer(body=await response.read(), usage=None)
        finally:
            await response.close()


class CountingExchange(Exchange):
    attempt_kind = CountingAttempt


async def estimated(ask: Ask) -> WholeAnswer:
    """Counted here, beside the event loop: a long conversation takes a while."""
    with bounded_depth:
        request = CODECS[ask.parsed.format].decode_request(countable(ask.parsed.value(), ask.parsed.format))
    tokens = await asyncio.to_thread(estimate, request)
    body = msgspec.json.encode(_ANSWERS[ask.format](tokens))
    return WholeAnswer(body=body, usage=None, headers=(ESTIMATE,))


def countable(body: Json, format_: Format) -> Json:
    """A request to count as the request to generate that it stands for. Raises MalformedRequest."""
    if format_ is Format.CLAUDE:
        return {"max_tokens": 1, **body}
    if format_ is Format.GEMINI and (inner := body.get("generateContentRequest")) is not None:
        if not isinstance(inner, dict):
            raise MalformedRequest(
                "generateContentRequest must be an object.", param="generateContentRequest"
            )
        return {**inner, "model": body["model"], "stream": False}
    return body
