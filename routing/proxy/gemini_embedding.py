"""``:embedContent`` and ``:batchEmbedContents``: passed to Gemini, translated for OpenAI's form."""

from __future__ import annotations

from providers.adapters.base import UpstreamRequest
from providers.adapters.gemini import resource_of
from providers.adapters.gemini_embeddings import can_embed, embeddings_request
from providers.adapters.registry import adapter_for
from providers.adapters.relay import relay_request
from providers.errors import UpstreamProtocolError
from providers.translation import gemini_embeddings as wire
from providers.translation.embeddings import usage_of
from providers.translation.model import Usage
from routing.core.resolve import Candidate
from routing.core.table import ClientEntry, RoutingTable
from routing.proxy.attempt import WholeAnswer
from routing.proxy.relay.embeddings import is_fit
from routing.proxy.relay.refused import refusal_of
from routing.proxy.relay.routed import Routed

EMBEDDINGS = "/embeddings"


class GeminiEmbeddingExchange(Routed):
    """Serves one request; the URL names the model and the action."""

    async def _respond(self, table: RoutingTable, client: ClientEntry, body: bytes) -> None:
        url = self._endpoint.url
        model = url.model if url is not None else ""
        is_batch = self._endpoint.embeds == wire.BATCH
        self._record.route_model = model
        wire.named(body, model, is_batch=is_batch)  # a malformed body is nobody's fault but the client's

        async def attempt(candidate: Candidate) -> WholeAnswer:
            if can_embed(adapter_for(candidate.credential.adapter)):
                return await self._passed(candidate, body, is_batch=is_batch)
            return await self._translated(candidate, body, is_batch=is_batch)

        await self._send_whole(await self._by_model(table, client, model, is_fit, attempt))

    async def _passed(self, candidate: Candidate, body: bytes, *, is_batch: bool) -> WholeAnswer:
        """Raises UpstreamError."""
        credential = candidate.credential
        adapter = adapter_for(credential.adapter)
        request = embeddings_request(
            adapter,
            credential,
            candidate.model,
            wire.named(body, resource_of(candidate.model), is_batch=is_batch),
            self._headers,
            action=self._endpoint.embeds,
        )
        self._record.dropped = ()
        answer = await self._asked(candidate, request, passes=True)
        if not answer.lstrip().startswith(b"{"):
            raise UpstreamProtocolError("the upstream's answer holds no embeddings")
        return WholeAnswer(body=answer, usage=wire.usage_in(answer))

    async def _translated(self, candidate: Candidate, body: bytes, *, is_batch: bool) -> WholeAnswer:
        """Raises UpstreamError, and ClientError for what is not text."""
        credential = candidate.credential
        adapter = adapter_for(credential.adapter)
        asked = wire.decode_request(body, is_batch=is_batch)
        vectors: list[list[float]] = [[]] * len(asked.wanted)
        total: int | None = None
        for dimensions, places in asked.groups():
            texts = [asked.wanted[place].text for place in places]
            sent = wire.encode_openai_request(texts, candidate.model, dimensions)
            headers = {**self._headers, "content-type": "application/json", "accept": "application/json"}
            request = relay_request(adapter, credential, "POST", EMBEDDINGS, headers, sent)
            found, tokens = wire.decode_openai_answer(
                await self._asked(candidate, request, passes=False), len(texts)
            )
            for place, vector in zip(places, found, strict=True):
                vectors[place] = vector
            total = total if tokens is None else (total or 0) + tokens
        self._record.dropped = asked.dropped
        usage: Usage | None = usage_of(total)
        return WholeAnswer(body=wire.encode_answer(vectors, total, is_batch=is_batch), usage=usage)

    async def _asked(self, candidate: Candidate, request: UpstreamRequest, *, passes: bool) -> bytes:
        gateway, credential = self._gateway, candidate.credential
        response = await gateway.client.open(request, proxy_url=credential.proxy_url)
        try:
            if response.status >= 400:
                adapter = adapter_for(credential.adapter)
                raise await refusal_of(response, adapter, credential, gateway.clock(), passes=passes)
            return await response.read()
        finally:
            await response.close()
