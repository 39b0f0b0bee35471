"""``/v1/images/generations`` where the upstream speaks the Responses API: at the images endpoint beside it,
and where that is missing through its ``image_generation`` tool (``gpt-image-2-base-model``).
"""

from __future__ import annotations

import msgspec

from providers.adapters.base import Adapter, Call
from providers.adapters.registry import adapter_for
from providers.adapters.relay import can_relay, search_request
from providers.errors import UpstreamRefused
from providers.translation import responses_images
from providers.translation.model import Usage
from providers.translation.responses_images import Asked, Made
from providers.translation.sse import SseReader
from providers.values import Format
from routing.core.resolve import Candidate
from routing.proxy.relay.answer import STREAM, PassingAnswer, WholeAnswer
from routing.proxy.relay.call import RelayCall
from routing.proxy.relay.payload import JsonPayload
from routing.proxy.relay.refused import refusal_of

PATH = "/images/generations"
MISSING = frozenset({404, 405, 501})
"""What a server says that has no such endpoint."""


def is_fit(adapter: Adapter) -> bool:
    return can_relay(adapter) or adapter.makes_images


class ImageCall:
    """One request for images, whoever answers. ``dropped`` names what the last target cannot carry."""

    def __init__(self, call: RelayCall, payload: JsonPayload, base_model: str) -> None:
        self._call = call
        self._payload = payload
        self._base_model = base_model
        self.dropped: tuple[str, ...] = ()

    async def attempt(self, candidate: Candidate, now: float) -> WholeAnswer | PassingAnswer:
        """Raises UpstreamError; ClientError for a request that names no prompt."""
        self.dropped = ()
        if can_relay(adapter_for(candidate.credential.adapter)):
            return await self._call.attempt(candidate, now)
        try:
            beside = msgspec.structs.replace(self._call, build=search_request)
            return await beside.attempt(candidate, now)
        except UpstreamRefused as refused:
            if refused.refusal.status not in MISSING:
                raise
        return await self._through_tool(candidate, now)

    async def _through_tool(self, candidate: Candidate, now: float) -> WholeAnswer:
        asked = responses_images.decode_request(self._payload.value())
        self.dropped = asked.dropped
        images: list[Made] = []
        usage: Usage | None = None
        for _ in range(asked.count):
            made, used = await self._one(candidate, asked, now)
            images.append(made)
            usage = used if usage is None else _added(usage, used)
        return WholeAnswer(
            status=200,
            content_type=STREAM if asked.is_stream else "application/json",
            body=responses_images.encode_answer(asked, images, usage, int(now)),
            usage=usage,
        )

    async def _one(self, candidate: Candidate, asked: Asked, now: float) -> tuple[Made, Usage | None]:
        adapter, credential = adapter_for(candidate.credential.adapter), candidate.credential
        body = responses_images.encode_request(asked, self._base_model, candidate.model)
        request = adapter.request(
            Call(
                credential=credential,
                model=self._base_model,
                body=body,
                stream=True,
                client_headers=tuple(self._call.headers.items()),
                format=Format.RESPONSES,
                now=now,
            )
        )
        response = await self._call.client.open(request, proxy_url=credential.proxy_url)
        self._call.heard(response.headers)
        try:
            if response.status >= 400:
                raise await refusal_of(response, adapter, credential, now, passes=False)
            answer = await response.read()
        finally:
            await response.close()
        if answer.lstrip().startswith(b"{"):
            return responses_images.decode_answer([answer])
        reader = SseReader()
        events = [*reader.feed(answer), *reader.close()]
        return responses_images.decode_answer(event.data for event in events)


def _added(one: Usage, other: Usage | None) -> Usage:
    if other is None:
        return one
    return Usage(
        input_total=(one.input_total or 0) + (other.input_total or 0),
        output_total=(one.output_total or 0) + (other.output_total or 0),
    )
