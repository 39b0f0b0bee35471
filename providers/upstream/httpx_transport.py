"""The upstream client behind httpx's transport interface, for calls beside the path of a request: logins,
refreshes, allowances.

They read like any code that speaks httpx, and a test may swap the transport as httpx documents it;
connections, proxies, time-outs and refused addresses are the upstream client's. The hot path does without
httpx's request and response, which cost as much as the call itself (docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from providers.adapters.base import UpstreamRequest
from providers.upstream.client import UpstreamClient, UpstreamResponse

OWN_HEADERS = ("host", "content-length")
"""Whoever writes the request to the wire sets these itself."""


class UpstreamTransport(httpx.AsyncBaseTransport):
    """One way out through ``client``. Raises UpstreamError, not httpx's errors. Closing it closes nothing."""

    def __init__(self, client: UpstreamClient, proxy_url: str = "") -> None:
        self._client = client
        self._proxy_url = proxy_url

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = tuple(item for item in request.headers.multi_items() if item[0] not in OWN_HEADERS)
        sent = UpstreamRequest(
            method=request.method, url=str(request.url), headers=headers, body=await request.aread()
        )
        answer = await self._client.open(sent, proxy_url=self._proxy_url)
        return httpx.Response(
            answer.status,
            headers=[
                (name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.all_headers()
            ],
            stream=_Body(answer),
            request=request,
        )


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: UpstreamResponse) -> None:
        self._answer = answer

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._answer.chunks()

    async def aclose(self) -> None:
        await self._answer.close()
