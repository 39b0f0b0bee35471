"""One attempt of a relayed call: built for a candidate, sent, and its answer read as far as it must be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

import msgspec

from providers.adapters.base import Adapter, UpstreamRequest
from providers.adapters.registry import adapter_for
from providers.adapters.relay import relay_request
from providers.errors import UpstreamError, UpstreamProtocolError, UpstreamRefused, UpstreamTimeout
from providers.translation.registry import CODECS
from providers.upstream.client import UpstreamClient, UpstreamResponse
from providers.values import CredentialEntry, Format
from routing.core.resolve import Candidate
from routing.proxy.relay.answer import NULL, PassingAnswer, WholeAnswer, usage_in
from routing.proxy.relay.payload import BAD_JSON, Payload, Prepared
from routing.proxy.relay.refused import classified, refusal_of
from routing.proxy.relay.upload import Upload, UploadStalled


class _Report(msgspec.Struct):
    """What tells an error under status 200 from an object that carries one (a failed video)."""

    error: msgspec.Raw = NULL
    id: str | None = None


_REPORT = msgspec.json.Decoder(_Report)


class Build(Protocol):
    """``providers.adapters.relay.relay_request``, or another function of its kind."""

    def __call__(
        self,
        adapter: Adapter,
        credential: CredentialEntry,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes = b"",
    ) -> UpstreamRequest: ...


class RelayCall(msgspec.Struct, frozen=True, kw_only=True):
    """What goes up, whoever is asked. ``path`` may carry a query; ``upload`` is the payload's source."""

    client: UpstreamClient
    method: str
    path: str
    headers: dict[str, str]
    payload: Payload
    upload: Upload | None = None
    model: str = ""
    """The model that the client named, "" for a call without one."""
    build: Build = relay_request
    """Addresses and signs the call for one credential."""
    heard: Callable[[dict[str, str]], None] = lambda headers: None
    """Is told the headers of every answer."""

    async def attempt(self, candidate: Candidate, now: float) -> WholeAnswer | PassingAnswer:
        """Send, and wait for the answer's head and first byte, or for all of a JSON answer.

        Raises UpstreamError; and the client's own failure when its upload broke off.
        """
        adapter = adapter_for(candidate.credential.adapter)
        response = await self._open(adapter, candidate)
        self.heard(response.headers)
        try:
            if response.status >= 400:
                raise await refusal_of(response, adapter, candidate.credential, now, passes=True)
            if not _is_json(response):
                return await _passing(response, is_read=self.method != "POST")
            answer = await self._whole(response, adapter, candidate, now)
        except BaseException:
            await response.close()
            raise
        await response.close()
        return answer

    async def _open(self, adapter: Adapter, candidate: Candidate) -> UpstreamResponse:
        prepared = self.payload.prepared(candidate.model if self.model else "")
        request = self._request(adapter, candidate, prepared)
        try:
            return await self.client.open(
                request, proxy_url=candidate.credential.proxy_url, body=prepared.stream
            )
        except UpstreamError as error:
            upload = self.upload
            if upload is not None and upload.failure is not None:
                raise upload.failure from error
            if upload is not None and upload.is_waiting and isinstance(error, UpstreamTimeout):
                raise UploadStalled("The client stopped sending its request.") from error
            raise

    def _request(self, adapter: Adapter, candidate: Candidate, prepared: Prepared) -> UpstreamRequest:
        request = self.build(
            adapter, candidate.credential, self.method, self.path, self.headers, prepared.body
        )
        if prepared.length is None:
            return request
        length = ("content-length", str(prepared.length))
        return msgspec.structs.replace(request, headers=(*request.headers, length))

    async def _whole(
        self, response: UpstreamResponse, adapter: Adapter, candidate: Candidate, now: float
    ) -> WholeAnswer:
        body = await response.read()
        if not body.strip():
            raise UpstreamProtocolError("the upstream sent an empty answer")
        if b'"error"' in body and _reports_error(body):
            info = CODECS[Format.OPENAI].decode_error(502, body)
            raise UpstreamRefused(classified(adapter, candidate.credential, info.status, {}, body, now))
        if candidate.force_mapping and self.model:
            body = _with_model(body, self.model)
        content_type = response.headers.get("content-type", "application/json")
        return WholeAnswer(status=response.status, content_type=content_type, body=body, usage=usage_in(body))


def _is_json(response: UpstreamResponse) -> bool:
    """Whether the answer is an object to be read: JSON, and not a file that happens to be."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" and "content-disposition" not in response.headers


async def _passing(response: UpstreamResponse, *, is_read: bool) -> PassingAnswer:
    chunks: AsyncIterator[bytes] = response.chunks()
    first = await anext(chunks, None)
    if first is None and not is_read and response.status == 200:
        raise UpstreamProtocolError("the upstream sent an empty answer")
    return PassingAnswer(response, chunks, first)


def _reports_error(body: bytes) -> bool:
    try:
        report = _REPORT.decode(body)
    except BAD_JSON:
        return False
    return bytes(report.error).strip() != b"null" and report.id is None


def _with_model(body: bytes, model: str) -> bytes:
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except BAD_JSON:
        return body
    if "model" not in fields:
        return body
    return msgspec.json.encode({**fields, "model": msgspec.Raw(msgspec.json.encode(model))})
