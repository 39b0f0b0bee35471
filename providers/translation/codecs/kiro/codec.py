"""The face of the ``kiro`` format, which only upstreams speak: AWS's ``generateAssistantResponse``.

It always answers as a stream, so a whole answer does not exist; what is supported and what is dropped:
docs/protocols/kiro.md.
"""

from __future__ import annotations

from providers.errors import UpstreamProtocolError
from providers.translation.codec import AnswerContext, Capabilities, Encoded
from providers.translation.codecs.kiro import errors, request
from providers.translation.codecs.kiro.stream import Decoder
from providers.translation.model import ErrorInfo, Json, Request, Response


class KiroCodec:
    """See ``providers.translation.codec.UpstreamCodec``."""

    def encode_request(self, neutral: Request, model: str, capabilities: Capabilities) -> Encoded:
        return request.encode_request(neutral, model, capabilities)

    def decode_response(self, body: Json, context: AnswerContext) -> Response:
        raise UpstreamProtocolError("the upstream answered with no stream")

    def stream_decoder(self, context: AnswerContext) -> Decoder:
        return Decoder(context)

    def decode_error(self, status: int, body: bytes) -> ErrorInfo:
        return errors.decode_error(status, body)


CODEC = KiroCodec()
