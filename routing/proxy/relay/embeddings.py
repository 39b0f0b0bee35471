"""``/v1/embeddings``: passed to who speaks OpenAI's form, translated for Gemini, vectors as asked for."""

from __future__ import annotations

import msgspec

from providers.adapters.base import Adapter
from providers.adapters.gemini_embeddings import BATCH, can_embed, embeddings_request
from providers.adapters.registry import adapter_for
from providers.adapters.relay import can_relay
from providers.errors import ClientError
from providers.translation import embeddings
from providers.upstream.client import UpstreamClient
from routing.core.resolve import Candidate
from routing.proxy.relay.answer import PassingAnswer, WholeAnswer
from routing.proxy.relay.call import RelayCall
from routing.proxy.relay.payload import JsonPayload
from routing.proxy.relay.refused import refusal_of


def is_fit(adapter: Adapter) -> bool:
    return can_relay(adapter) or can_embed(adapter)


class EmbeddingCall:
    """One request for embeddings, whoever answers. ``dropped`` names what the last target cannot carry."""

    def __init__(self, call: RelayCall, payload: JsonPayload) -> None:
        """Raises ClientError."""
        self._call = call
        self._value = payload.value()
        self._is_base64 = embeddings.wants_base64(self._value)
        self.dropped: tuple[str, ...] = ()

    async def attempt(self, candidate: Candidate, now: float) -> WholeAnswer | PassingAnswer:
        """Raises UpstreamError; ClientError for an input that Gemini cannot take."""
        adapter = adapter_for(candidate.credential.adapter)
        self.dropped = ()
        if can_embed(adapter):
            return await self._translated(adapter, candidate, now)
        answer = await self._call.attempt(candidate, now)
        if isinstance(answer, WholeAnswer):
            body = embeddings.respelled(answer.body, is_base64=self._is_base64)
            return msgspec.structs.replace(answer, body=body)
        return answer

    async def _translated(self, adapter: Adapter, candidate: Candidate, now: float) -> WholeAnswer:
        request = embeddings.decode_request(self._value)
        if request.texts is None:
            raise ClientError(
                f"The provider of the model `{self._call.model}` embeds texts only; `input` holds tokens.",
                param="input",
            )
        self.dropped = request.dropped
        vectors: list[list[float]] = []
        counts: list[int | None] = []
        for start in range(0, len(request.texts), BATCH):
            texts = request.texts[start : start + BATCH]
            body = embeddings.encode_gemini_request(texts, candidate.model, request.dimensions)
            answer = await self._ask(self._call.client, adapter, candidate, body, now)
            found, tokens = embeddings.decode_gemini_answer(answer, len(texts))
            vectors += found
            counts.append(tokens)
        told = [count for count in counts if count is not None]
        total = sum(told) if told else None
        return WholeAnswer(
            status=200,
            content_type="application/json",
            body=embeddings.encode_answer(vectors, self._call.model, total, is_base64=self._is_base64),
            usage=embeddings.usage_of(total),
        )

    async def _ask(
        self, client: UpstreamClient, adapter: Adapter, candidate: Candidate, body: bytes, now: float
    ) -> bytes:
        credential = candidate.credential
        request = embeddings_request(adapter, credential, candidate.model, body, self._call.headers)
        response = await client.open(request, proxy_url=credential.proxy_url)
        try:
            if response.status >= 400:
                raise await refusal_of(response, adapter, credential, now, passes=False)
            return await response.read()
        finally:
            await response.close()
