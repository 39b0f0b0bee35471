"""Whole Responses answers, decoded to the neutral answer and encoded from it.

A whole answer is encoded by the same machine that encodes a stream, so that both agree by construction.
"""

from __future__ import annotations

from collections.abc import Iterator

from providers.errors import UpstreamProtocolError
from providers.translation.codec import AnswerContext
from providers.translation.codecs.openai.fields import moment
from providers.translation.codecs.responses.errors import failure_of, stream_error
from providers.translation.codecs.responses.outcome import decode_stop, decode_usage
from providers.translation.codecs.responses.output_items import decode_item
from providers.translation.codecs.responses.stream_encoder import Encoder
from providers.translation.model import (
    Candidate,
    End,
    Event,
    Json,
    Part,
    PartStart,
    PartStop,
    RefusalText,
    Response,
    Start,
    Stop,
    StopKind,
    Stopped,
    Text,
    TextDelta,
    ToolCall,
    UsageUpdate,
)

_RUNNING = ("queued", "in_progress")


# --- decoding ----------------------------------------------------------------------------------


def decode_response(body: Json, context: AnswerContext) -> Response:
    """The neutral answer. Raises UpstreamProtocolError for an answer that failed, is not finished, or is
    no ``response`` at all."""
    if not isinstance(body, dict):
        raise UpstreamProtocolError("the upstream's answer is not a JSON object")
    if not isinstance(body.get("output"), list) or body.get("status") == "failed":
        if body.get("error"):
            info = failure_of(body) if isinstance(body["error"], dict) else stream_error(body)
            raise UpstreamProtocolError(
                f"the upstream answered 200 with an error: {info.message}", code=info.code
            )
        raise UpstreamProtocolError("the upstream's answer holds no output")
    if body.get("status") in _RUNNING:
        raise UpstreamProtocolError("the upstream's answer is not finished")
    parts: list[Part] = []
    for place, item in enumerate(body["output"]):
        if isinstance(item, dict):
            parts.extend(decode_item(item, place, context))
    stop = decode_stop(
        body,
        has_calls=any(isinstance(part, ToolCall) for part in parts),
        has_refusal=any(isinstance(part, RefusalText) for part in parts),
    )
    identity, model, created, tier = (body.get(key) for key in ("id", "model", "created_at", "service_tier"))
    candidate = Candidate(parts=tuple(parts), stop=stop, logprobs=_logprobs(body["output"]))
    return Response(
        id=identity if isinstance(identity, str) else "",
        model=model if isinstance(model, str) and model else context.model,
        candidates=(candidate,),
        usage=decode_usage(body.get("usage")),
        created=moment(created),
        service_tier=tier if isinstance(tier, str) and tier else None,
    )


def _logprobs(output: list[Json]) -> Json:
    """Of all texts, in order; None when there are none."""
    found: list[Json] = []
    for item in output:
        content = item.get("content") if isinstance(item, dict) and item.get("type") == "message" else None
        for part in content if isinstance(content, list) else []:
            logprobs = part.get("logprobs") if isinstance(part, dict) else None
            found.extend(logprobs if isinstance(logprobs, list) else [])
    return found or None


# --- encoding ----------------------------------------------------------------------------------


def encode_response(response: Response, context: AnswerContext) -> dict[str, Json]:
    """A ``response`` that the official SDK parses; of several alternatives the first.

    Raises UpstreamProtocolError when the answer ended in a failure and holds nothing.
    """
    encoder = Encoder(context, service_tier=response.service_tier)
    for event in _events(response):
        encoder.encode(event)
    if encoder.failure is not None:
        raise UpstreamProtocolError(encoder.failure.message, code=encoder.failure.code)
    return encoder.response


def _events(response: Response) -> Iterator[Event]:
    """The stream that would have made ``response``."""
    yield Start(id=response.id or None, model=response.model, created=response.created)
    candidate = min(response.candidates, key=lambda one: one.index, default=None)
    if candidate is not None:
        logprobs = candidate.logprobs
        for i, part in enumerate(candidate.parts):
            yield PartStart(i=i, part=part)
            if isinstance(part, Text) and part.text and logprobs is not None:
                yield TextDelta(i=i, text="", logprobs=logprobs)
                logprobs = None
            yield PartStop(i=i)
        if candidate.stop is not None:
            yield Stopped(stop=candidate.stop)
    else:
        yield Stopped(stop=Stop(StopKind.CONTENT_FILTER, detail=response.block_reason))
    if response.usage is not None:
        yield UsageUpdate(usage=response.usage)
    yield End()
