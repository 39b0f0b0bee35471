"""One upstream attempt: the request for one candidate built and sent, its answer read to the first byte.

Whatever goes wrong here is an UpstreamError and may be tried with another candidate.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from providers.adapters.base import Adapter, Call
from providers.adapters.registry import adapter_for
from providers.errors import UpstreamProtocolError, UpstreamRefused
from providers.translation.codec import AnswerContext, Encoded
from providers.translation.codecs.openai import passthrough
from providers.translation.model import ReasoningConfig, Request, Usage
from providers.translation.names import IDENTITY
from providers.translation.passthrough import ParsedBody
from providers.translation.registry import CODECS
from providers.upstream.client import UpstreamClient, UpstreamResponse
from providers.values import Format, Refusal
from routing.core.cooldown import STOPPING
from routing.core.resolve import Candidate
from routing.proxy.delivery import Delivery, PassingStream, StreamFailed, TranslatedStream

MAX_ERROR_BYTES = 1024 * 1024
STREAM = "text/event-stream"
SHORTEST_SECRET = 6
"""Shorter values are placeholders of local servers; taking them out would mangle words."""


class WholeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A non-streamed answer in the client's format."""

    body: bytes
    usage: Usage | None


class Ask(msgspec.Struct, kw_only=True):
    """What the client wants, independent of who answers. ``request`` is decoded on first need and kept."""

    parsed: ParsedBody
    suffix: str
    headers: dict[str, str]
    format: Format
    now: int
    seed: str
    request: Request | None = None

    def neutral(self) -> Request:
        """The request in the neutral model, the model name's suffix applied. Raises MalformedRequest."""
        if self.request is None:
            request = CODECS[self.format].decode_request(self.parsed.value())
            if self.suffix:
                request = msgspec.structs.replace(request, reasoning=reasoning_of(self.suffix))
            self.request = request
        return self.request


class Attempt:
    """One candidate's try. ``start`` once; ``dropped`` names what the target could not carry."""

    def __init__(self, client: UpstreamClient, ask: Ask, candidate: Candidate, now: float) -> None:
        self._client = client
        self._ask = ask
        self._candidate = candidate
        self._adapter: Adapter = adapter_for(candidate.credential.adapter)
        self._passes = self._adapter.speaks is ask.format
        self._now = now
        self._encoded: Encoded | None = None
        self.dropped: tuple[str, ...] = ()

    async def start(self) -> WholeAnswer | Delivery:
        """Send, and wait for the first good byte. Raises UpstreamError; ClientError when the request cannot
        be put into the upstream's format."""
        response = await self._open()
        try:
            if response.status >= 400:
                raise await self._refusal(response)
            if self._ask.parsed.stream:
                return await self._stream(response)
            answer = await self._whole(response)
        except BaseException:
            await response.close()
            raise
        await response.close()
        return answer

    async def _open(self) -> UpstreamResponse:
        candidate, ask = self._candidate, self._ask
        credential = candidate.credential
        capabilities = self._adapter.capabilities(candidate.model)
        if self._passes:
            changes = effort_change(ask.suffix)
            body = passthrough.edited(ask.parsed, candidate.model, capabilities, changes)
            headers: tuple[tuple[str, str], ...] = ()
        else:
            encoded = CODECS[self._adapter.speaks].encode_request(
                ask.neutral(), candidate.model, capabilities
            )
            self._encoded, self.dropped = encoded, encoded.dropped
            body = msgspec.json.encode(encoded.body)
            headers = tuple(encoded.headers.items())
        call = Call(
            credential=credential,
            model=candidate.model,
            body=body,
            stream=ask.parsed.stream,
            headers=headers,
            client_headers=tuple(ask.headers.items()) if credential.headers else (),
        )
        return await self._client.open(
            self._adapter.request(call), proxy_url=credential.proxy_url, adapter=self._adapter
        )

    async def _refusal(self, response: UpstreamResponse) -> UpstreamRefused:
        body = await response.read(MAX_ERROR_BYTES)
        refusal = self._classify(response.status, response.headers, body)
        return UpstreamRefused(refusal, body=self._body_to_pass(refusal, body))

    def _classify(self, status: int, headers: dict[str, str], body: bytes) -> Refusal:
        """The adapter's reading, with our credential taken out of the words: vendors like to quote it."""
        refusal = self._adapter.classify(status, headers, body, self._now)
        secrets = [value for _, value in self._candidate.credential.headers]
        secrets.append(self._candidate.credential.secret)
        message = refusal.message
        for secret in secrets:
            if len(secret) >= SHORTEST_SECRET:
                message = message.replace(secret, "[redacted]")
        return refusal if message == refusal.message else msgspec.structs.replace(refusal, message=message)

    def _body_to_pass(self, refusal: Refusal, body: bytes) -> bytes | None:
        """On a passthrough a refusal of the request itself goes to the client as it came, since clients
        match on its wording; never one that could tell of our credential."""
        if not self._passes or refusal.kind not in STOPPING or not body.lstrip().startswith(b"{"):
            return None
        secret = self._candidate.credential.secret.encode()
        return None if secret and secret in body else body

    def _context(self) -> AnswerContext:
        ask = self._ask
        return AnswerContext(
            model=ask.parsed.model,
            now=ask.now,
            seed=ask.seed,
            names=self._encoded.names if self._encoded else IDENTITY,
            include_usage=ask.parsed.include_usage,
            stream=ask.parsed.stream,
            request=ask.request,
        )

    # --- whole answers ---------------------------------------------------------------------

    async def _whole(self, response: UpstreamResponse) -> WholeAnswer:
        body = await response.read()
        if not body.strip():
            raise UpstreamProtocolError("the upstream sent an empty answer")
        if self._passes:
            return self._passed(body)
        context = self._context()
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UpstreamProtocolError("the upstream's answer is not JSON") from error
        if isinstance(value, dict) and value.get("error"):
            raise self._reported(body)
        answer = CODECS[self._adapter.speaks].decode_response(value, context)
        encoded = CODECS[self._ask.format].encode_response(answer, context)
        return WholeAnswer(body=msgspec.json.encode(encoded), usage=answer.usage)

    def _passed(self, body: bytes) -> WholeAnswer:
        usage, is_error = passthrough.read_answer(body)
        if is_error:
            raise self._reported(body)
        if self._candidate.force_mapping:
            body = passthrough.with_model(body, self._ask.parsed.model)
        return WholeAnswer(body=body, usage=usage)

    def _reported(self, body: bytes) -> UpstreamRefused:
        """An error object under status 200: its own status counts, or 502."""
        info = CODECS[self._adapter.speaks].decode_error(502, body)
        return UpstreamRefused(self._classify(info.status, {}, body))

    # --- streams ---------------------------------------------------------------------------

    async def _stream(self, response: UpstreamResponse) -> Delivery:
        if STREAM not in response.headers.get("content-type", STREAM):
            raise await self._no_stream(response)
        chunks = response.chunks()
        first = await _first_of(chunks)
        if self._passes:
            return self._passing(response, chunks, first)
        context = self._context()
        stream = TranslatedStream(
            response,
            chunks,
            CODECS[self._adapter.speaks].stream_decoder(context),
            CODECS[self._ask.format].stream_encoder(context),
        )
        try:
            await stream.begin(first)
        except StreamFailed as failure:
            raise UpstreamRefused(self._classified(failure)) from failure
        return stream

    def _passing(
        self, response: UpstreamResponse, chunks: AsyncIterator[bytes], first: bytes
    ) -> PassingStream:
        if b'"error"' in first[:400] and (body := passthrough.leading_error(first)):
            raise self._reported(body)
        watch = passthrough.Watch(
            strips_usage=not self._ask.parsed.include_usage,
            model=self._ask.parsed.model if self._candidate.force_mapping else None,
        )
        encoder = CODECS[self._ask.format].stream_encoder(self._context())
        return PassingStream(response, chunks, first, watch, encoder)

    def _classified(self, failure: StreamFailed) -> Refusal:
        body = msgspec.json.encode(
            {
                "error": {
                    "message": failure.message,
                    "type": failure.error_type,
                    "code": failure.code,
                    "status": failure.client_status,
                }
            }
        )
        return self._classify(failure.client_status, {}, body)

    async def _no_stream(self, response: UpstreamResponse) -> UpstreamRefused | UpstreamProtocolError:
        """The upstream answered a stream request with something else: an error object, or nonsense."""
        body = await response.read(MAX_ERROR_BYTES)
        if b'"error"' in body:
            return self._reported(body)
        return UpstreamProtocolError("the upstream answered a stream request with no stream")


async def _first_of(chunks: AsyncIterator[bytes]) -> bytes:
    """The first bytes that are more than white space and keep-alive comments.

    Raises UpstreamProtocolError for a stream that ends before.
    """
    first = b""
    async for chunk in chunks:
        first += chunk
        if first[:1] not in b":\r\n " or any(
            line and not line.startswith(b":") for line in first.splitlines()
        ):
            return first
    raise UpstreamProtocolError("the upstream sent an empty stream")


LEVELS = frozenset({"minimal", "low", "medium", "high", "xhigh", "max"})


def reasoning_of(suffix: str) -> ReasoningConfig:
    """What ``model(suffix)`` asks for: a level, a number of tokens, ``none`` or ``auto``."""
    value = suffix.strip().lower()
    if value in LEVELS:
        return ReasoningConfig(mode="on", effort=value)
    if value == "none" or value == "0":
        return ReasoningConfig(mode="off")
    if value.isdigit():
        return ReasoningConfig(mode="on", budget=int(value))
    return ReasoningConfig(mode="auto")


def effort_change(suffix: str) -> dict[str, Any] | None:
    """The edit of a passed-through request for ``model(suffix)``; thresholds: docs/protocols/openai.md."""
    if not suffix:
        return None
    reasoning = reasoning_of(suffix)
    if reasoning.mode == "off":
        return {"reasoning_effort": "none"}
    if reasoning.budget is not None:
        for limit, level in ((512, "minimal"), (1024, "low"), (8192, "medium"), (24576, "high")):
            if reasoning.budget <= limit:
                return {"reasoning_effort": level}
        return {"reasoning_effort": "xhigh"}
    return {"reasoning_effort": reasoning.effort} if reasoning.effort else None
