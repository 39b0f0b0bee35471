"""One upstream attempt: the request for one candidate built and sent, its answer read to the first byte.

Whatever goes wrong here is an UpstreamError and may be tried with another candidate.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from providers.adapters.base import Adapter, Call, Unwrapper, UpstreamRequest
from providers.adapters.registry import adapter_for
from providers.adapters.tool_groups import NO_GROUPS, Grouped
from providers.errors import UpstreamProtocolError, UpstreamRefused, UpstreamUnreachable
from providers.masking import masked
from providers.translation.accumulate import Accumulator
from providers.translation.codec import AnswerContext, Encoded, FrameReader
from providers.translation.losses import losses_of
from providers.translation.model import (
    End,
    Event,
    Response,
    StreamError,
    Usage,
)
from providers.translation.names import IDENTITY
from providers.translation.passthrough import Gatherer, begins_well, split_events
from providers.translation.registry import CODECS, FRAMINGS, GATHERERS, PASSTHROUGHS, UPSTREAM_CODECS
from providers.translation.sse import SseEvent, SseReader
from providers.upstream.client import MAX_ANSWER_BYTES, UpstreamClient, UpstreamResponse
from providers.upstream.read_answer import ReadAnswer, refusal_body
from providers.values import Format, Refusal
from routing.core.cooldown import STOPPING
from routing.core.error_rules import action_for
from routing.core.resolve import Candidate
from routing.outgoing import Ask, format_for, passes, prepare, streams
from routing.proxy.delivery import (
    Delivery,
    PassingStream,
    TranslatedStream,
    UnfoldedStream,
    as_events,
    understood,
)

STREAM = "text/event-stream"
SSE_BEGINNINGS = (b"data:", b"event:", b":")
EMPTY = (b"", b"{}")
ESTIMATE = (b"x-cliproxy-estimate", b"true")
"""On a whole answer whose token numbers are the gateway's own guess."""
UNTOLD = 502
"""What an error object under status 200 counts as when it tells no status."""
SHORTEST_SECRET = 6
"""Shorter values are placeholders of local servers; taking them out would mangle words."""


class WholeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A non-streamed answer in the client's format."""

    body: bytes
    usage: Usage | None
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Attempt:
    """One candidate's try. ``start`` once; ``dropped`` names what the target could not carry."""

    def __init__(self, client: UpstreamClient, ask: Ask, candidate: Candidate, now: float) -> None:
        self._client = client
        self._ask = ask
        self._candidate = candidate
        adapter: Adapter = adapter_for(candidate.credential.adapter)
        self._adapter = adapter
        self._speak(format_for(ask, candidate))
        self._streams = streams(ask, candidate)
        self._now = now
        self._encoded: Encoded | None = None
        self.dropped: tuple[str, ...] = ()
        self._grouped: Grouped = NO_GROUPS
        self._answered: UpstreamResponse | None = None
        self.has_opened = False
        """The upstream answered with a good status, whatever came then."""

    @property
    def answer_headers(self) -> dict[str, str]:
        """Of the upstream's answer; empty before there is one."""
        return self._answered.headers if self._answered is not None else {}

    def _speak(self, chosen: Format) -> None:
        self._format = chosen
        """Of what goes up and comes back."""
        self._passes = passes(self._ask, chosen)

    @property
    def calls_upstream(self) -> bool:
        """Whether it takes a place of the credential's limits: False for what is answered here."""
        return True

    async def start(self) -> WholeAnswer | Delivery:
        """Send, and wait for the first good byte. Raises UpstreamError; ClientError when the request cannot
        be put into the upstream's format."""
        response = await self._open()
        self._answered = response
        try:
            if response.status >= 400:
                raise await self._refusal(response)
            if response.status >= 300:
                raise UpstreamProtocolError(
                    f"the upstream answered with a redirect ({response.status}), which is not followed: its "
                    "base URL is perhaps not the right one"
                )
            self.has_opened = True
            if self._ask.parsed.stream:
                return await self._stream(response)
            if self._is_stream(response):
                answer = await self._collected(response)
            else:
                answer = await self._whole(response)
        except BaseException:
            await response.close()
            raise
        await response.close()
        return answer

    def _is_stream(self, response: UpstreamResponse) -> bool:
        """Whether the answer to a call that wants none comes as a stream all the same."""
        media_type = response.media_type.lower()
        framing = FRAMINGS.get(self._format)
        is_framed = framing is not None and framing.is_always
        return STREAM in media_type or (self._streams and (is_framed or "json" not in media_type))

    async def _open(self) -> UpstreamResponse:
        """The answer's head; in another format of the vendor where the first does not serve the model."""
        call = self._call()
        response = await self._sent(call)
        if response.status < 400 or type(self._adapter).other_format is Adapter.other_format:
            return response
        try:
            body = await refusal_body(response.chunks())
        finally:
            await response.close()
        refusal = self._classify(response.status, response.headers, body)
        other = self._adapter.other_format(call, refusal)
        if other is None or other is self._format:
            return ReadAnswer(response.status, response.headers, body)
        self._speak(other)
        return await self._sent(self._call())

    def _call(self) -> Call:
        outgoing = prepare(self._ask, self._candidate, self._now, self._format)
        self._encoded, self.dropped = outgoing.encoded, outgoing.dropped
        return outgoing.call

    async def _sent(self, call: Call) -> UpstreamResponse:
        """The vendor's first address that answers, where it has several. Raises UpstreamError."""
        adapter, proxy_url = self._adapter, call.credential.proxy_url
        request: UpstreamRequest | None = adapter.request(call)
        tries = 0
        while True:
            tries += 1
            assert request is not None  # noqa: S101  (None leaves the loop below)
            self.dropped = tuple(dict.fromkeys(self.dropped + request.dropped))
            self._grouped = request.grouped
            try:
                response = await self._client.open(request, proxy_url=proxy_url, adapter=adapter)
            except UpstreamUnreachable:
                if (request := adapter.elsewhere(call, tries, None, b"")) is None:
                    raise
                continue
            if response.status < 400 or not adapter.has_other_addresses:
                return response
            try:
                body = await refusal_body(response.chunks())
            finally:
                await response.close()
            if (request := adapter.elsewhere(call, tries, response.status, body)) is None:
                return ReadAnswer(response.status, response.headers, body)

    async def _refusal(self, response: UpstreamResponse) -> UpstreamRefused:
        body = await refusal_body(response.chunks())
        refusal = self._classify(response.status, response.headers, body)
        return self._refused(refusal, body, self._body_to_pass(refusal, body))

    def _refused(self, refusal: Refusal, said: bytes, body: bytes | None = None) -> UpstreamRefused:
        """The error, with what the operator's rules say of it; ``said`` is the upstream's own text."""
        error = UpstreamRefused(refusal, body=body)
        if rules := self._candidate.credential.error_rules:
            error.rule = action_for(rules, refusal.status, said)
        return error

    def _classify(self, status: int, headers: dict[str, str], body: bytes) -> Refusal:
        """The adapter's reading, with our credential taken out of the words: vendors like to quote it."""
        refusal = self._adapter.classify(status, headers, body, self._now)
        secrets = [value for _, value in self._candidate.credential.headers]
        secrets.append(self._candidate.credential.secret)
        message = refusal.message
        for secret in secrets:
            if len(secret) >= SHORTEST_SECRET:
                message = masked(message, secret)
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
            echo=ask.parsed.echo,
            now=ask.now,
            seed=ask.seed,
            names=self._encoded.names if self._encoded else IDENTITY,
            include_usage=ask.parsed.include_usage,
            stream=ask.parsed.stream,
            request=ask.request,
            upstream_model=self._candidate.model,
            is_array=ask.parsed.is_array,
        )

    # --- whole answers ---------------------------------------------------------------------

    async def _whole(self, response: UpstreamResponse) -> WholeAnswer:
        body = await response.read()
        if body.strip() in EMPTY:
            raise UpstreamProtocolError("the upstream sent an empty answer")
        body = self._adapter.unwrapped(body)
        if self._passes:
            return self._passed(body)
        return self._encoded_answer(self._decoded(body))

    def _decoded(self, body: bytes) -> Response:
        """A whole answer of the upstream. Raises UpstreamError: nonsense, or an error under status 200."""
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UpstreamProtocolError("the upstream's answer is not JSON") from error
        if isinstance(value, dict) and value.get("error") and not value.get("status"):
            raise self._reported(body)
        with understood():
            return UPSTREAM_CODECS[self._format].decode_response(value, self._context())

    def _encoded_answer(self, answer: Response) -> WholeAnswer:
        with understood():
            encoded = CODECS[self._ask.format].encode_response(answer, self._context())
        self._note_losses(answer)
        is_estimated = answer.usage is not None and answer.usage.is_estimated
        return WholeAnswer(
            body=msgspec.json.encode(encoded),
            usage=answer.usage,
            headers=(ESTIMATE,) if is_estimated else (),
        )

    def _note_losses(self, answer: Response) -> None:
        self.dropped += losses_of(answer, self._ask.format)

    async def _collected(self, response: UpstreamResponse) -> WholeAnswer:
        """A whole answer put together from a stream: the upstream does nothing else."""
        self._ask.neutral()  # the encoder looks at the request
        gatherer = GATHERERS[self._format]() if self._passes and self._format in GATHERERS else None
        answer = await self._gathered(response, gatherer)
        body = gatherer.body if gatherer is not None else None
        if body is None:
            return self._encoded_answer(answer)
        if self._candidate.force_mapping:
            body = PASSTHROUGHS[self._format].with_model(body, self._ask.parsed.model)
        return WholeAnswer(body=body, usage=answer.usage)

    async def _gathered(self, response: UpstreamResponse, gatherer: Gatherer | None = None) -> Response:
        decoder = UPSTREAM_CODECS[self._format].stream_decoder(self._context())
        reader, whole = self._reader(), Accumulator()
        size = 0
        has_ended = False

        def add(frames: list[SseEvent]) -> None:
            for frame in frames:
                if gatherer is not None:
                    gatherer.add(frame.data)
                hear(decoder.feed(frame))

        def hear(events: list[Event]) -> None:
            nonlocal has_ended
            for event in events:
                if isinstance(event, StreamError):
                    raise self._classified(event)
                has_ended = has_ended or isinstance(event, End)
                whole.add(event)

        async for chunk in self._chunks(response):
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                raise UpstreamProtocolError(f"the upstream sent more than {MAX_ANSWER_BYTES} bytes")
            with understood():
                add(reader.feed(chunk))
            if has_ended:
                break
        with understood():
            if not has_ended:
                add(reader.close())
            if not has_ended:
                hear(decoder.close())
        return whole.response(self._context())

    def _passed(self, body: bytes) -> WholeAnswer:
        passthrough = PASSTHROUGHS[self._format]
        usage, is_error = passthrough.read_answer(body)
        if is_error:
            raise self._reported(body)
        if self._candidate.force_mapping:
            body = passthrough.with_model(body, self._ask.parsed.model)
        return WholeAnswer(body=body, usage=usage)

    def _reported(self, body: bytes) -> UpstreamRefused:
        """An error object under status 200: its own status counts, or the one that its type stands for."""
        info = UPSTREAM_CODECS[self._format].decode_error(UNTOLD, body)
        status = 200 if info.status == UNTOLD else info.status
        return self._refused(self._classify(status, {}, body), body)

    # --- streams ---------------------------------------------------------------------------

    def _reader(self) -> FrameReader:
        """Of the framing in which streams of the upstream's format come."""
        framing = FRAMINGS.get(self._format)
        return framing.reader() if framing is not None and framing.is_always else SseReader()

    def _chunks(self, response: UpstreamResponse) -> AsyncIterator[bytes]:
        """The stream in the format that the adapter speaks."""
        return self._bare(response.chunks())

    def _bare(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        unwrapper = self._adapter.unwrapper(self._candidate.credential, self._grouped)
        return chunks if unwrapper is None else _unwrapped(chunks, unwrapper)

    async def _stream(self, response: UpstreamResponse) -> Delivery:
        framing = FRAMINGS.get(self._format)
        is_framed = framing is not None and framing.is_always
        if is_framed or STREAM not in (response.media_type or STREAM):
            return await self._unstreamed(response)
        chunks = self._chunks(response)
        first = await _first_of(chunks)
        if self._passes:
            return await self._passing(response, chunks, first)
        return await self._translated(response, chunks, first)

    async def _translated(
        self,
        response: UpstreamResponse,
        chunks: AsyncIterator[bytes],
        first: bytes,
        reader: FrameReader | None = None,
    ) -> TranslatedStream:
        context = self._context()
        stream = TranslatedStream(
            response,
            chunks,
            UPSTREAM_CODECS[self._format].stream_decoder(context),
            CODECS[self._ask.format].stream_encoder(context),
            reader,
            self._classified,
            self._ask.format,
        )
        await stream.begin(first)
        return stream

    async def _passing(
        self, response: UpstreamResponse, chunks: AsyncIterator[bytes], first: bytes
    ) -> PassingStream:
        """The stream from its first whole event on: one that is cut off or no JSON is still retryable."""
        passthrough, parsed = PASSTHROUGHS[self._format], self._ask.parsed
        while (is_good := begins_well(first)) is None:
            more = await anext(chunks, None)
            if more is None:
                is_good = begins_well(first, is_all=True)
                break
            first += more
        if b'"error"' in first[:400] and (body := passthrough.leading_error(first)):
            raise self._reported(body)
        if not is_good:
            raise UpstreamProtocolError("the upstream's stream begins with what is no event of its format")
        watch = passthrough.watch(parsed, parsed.model if self._candidate.force_mapping else None)
        return PassingStream(response, chunks, first, watch, self._failure_in)

    def _failure_in(self, events: bytes) -> UpstreamRefused | None:
        """The failure with which a passing stream ended, if the last of ``events`` tells of it."""
        for event in reversed(split_events(events)):
            if body := PASSTHROUGHS[self._format].leading_error(event):
                return self._reported(body)
        return None

    async def _unstreamed(self, response: UpstreamResponse) -> Delivery:
        """The upstream answered a stream request with something else: a stream in another framing, a whole
        answer, an error object, or nonsense. Raises UpstreamError for the last two."""
        chunks = response.chunks()
        first = await _first_of(chunks)
        if first.lstrip().startswith(SSE_BEGINNINGS):
            events = self._bare(_again(first, chunks))  # named wrongly, as some servers do
            first = await _first_of(events)
            if self._passes:
                return await self._passing(response, events, first)
            return await self._translated(response, events, first)
        framing = FRAMINGS.get(self._format)
        if framing is not None and first.lstrip()[:1] == framing.begins_with:
            reader = framing.reader()
            if not self._passes:
                return await self._translated(response, chunks, first, reader)
            events = as_events(_again(first, chunks), reader)
            return await self._passing(response, events, await _first_of(events))
        pieces = [first]
        size = len(first)
        async for chunk in chunks:
            pieces.append(chunk)
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                raise UpstreamProtocolError(f"the upstream sent more than {MAX_ANSWER_BYTES} bytes")
        body = b"".join(pieces)
        if not body.lstrip().startswith(b"{"):
            raise UpstreamProtocolError("the upstream answered a stream request with no stream")
        if self._passes:
            self._ask.neutral()  # the encoder looks at the request
        answer = self._decoded(self._adapter.unwrapped(body))
        self._note_losses(answer)
        return UnfoldedStream(response, answer, CODECS[self._ask.format].stream_encoder(self._context()))

    def _classified(self, reported: StreamError) -> UpstreamRefused:
        """An error that the upstream reported inside its stream."""
        failure = reported.info
        error = {
            "message": failure.message,
            "type": failure.type,
            "code": failure.code,
            "status": failure.status,
        }
        body = msgspec.json.encode({"error": {**(reported.raw or {}), **error}})
        return self._refused(self._classify(failure.status, {}, body), body)


async def _unwrapped(chunks: AsyncIterator[bytes], unwrapper: Unwrapper) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if piece := unwrapper.feed(chunk):
            yield piece
    if piece := unwrapper.close():
        yield piece


async def _again(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in chunks:
        yield chunk


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
