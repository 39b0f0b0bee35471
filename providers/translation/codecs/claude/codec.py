"""The face of the ``claude`` format: Anthropic Messages, API version 2023-06-01.

Only delegates; what is supported and what each direction drops: docs/protocols/claude.md.
"""

from __future__ import annotations

from providers.translation.codec import AnswerContext, Capabilities, Encoded
from providers.translation.codecs.claude.decode_request import decode_request
from providers.translation.codecs.claude.encode_request import encode_request
from providers.translation.codecs.claude.errors import decode_error, encode_error
from providers.translation.codecs.claude.response import decode_response, encode_response
from providers.translation.codecs.claude.stream_decoder import Decoder
from providers.translation.codecs.claude.stream_encoder import Encoder
from providers.translation.model import ErrorInfo, Json, Request, Response


class ClaudeCodec:
    """See ``providers.translation.codec.Codec``."""

    def decode_request(self, body: Json) -> Request:
        return decode_request(body)

    def encode_request(self, request: Request, model: str, capabilities: Capabilities) -> Encoded:
        return encode_request(request, model, capabilities)

    def decode_response(self, body: Json, context: AnswerContext) -> Response:
        return decode_response(body, context)

    def encode_response(self, response: Response, context: AnswerContext) -> dict[str, Json]:
        return encode_response(response, context)

    def stream_decoder(self, context: AnswerContext) -> Decoder:
        return Decoder(context)

    def stream_encoder(self, context: AnswerContext) -> Encoder:
        return Encoder(context)

    def decode_error(self, status: int, body: bytes) -> ErrorInfo:
        return decode_error(status, body)

    def encode_error(self, info: ErrorInfo) -> dict[str, Json]:
        return encode_error(info)


CODEC = ClaudeCodec()
