"""The face of the ``responses`` format (OpenAI Responses)."""

from __future__ import annotations

from providers.translation.codec import AnswerContext, Capabilities, Encoded
from providers.translation.codecs.responses import errors, request, response
from providers.translation.codecs.responses.stream_decoder import Decoder
from providers.translation.codecs.responses.stream_encoder import Encoder
from providers.translation.model import ErrorInfo, Json, Request, Response


class ResponsesCodec:
    def decode_request(self, body: Json) -> Request:
        return request.decode_request(body)

    def encode_request(self, neutral: Request, model: str, capabilities: Capabilities) -> Encoded:
        return request.encode_request(neutral, model, capabilities)

    def decode_response(self, body: Json, context: AnswerContext) -> Response:
        return response.decode_response(body, context)

    def encode_response(self, neutral: Response, context: AnswerContext) -> dict[str, Json]:
        return response.encode_response(neutral, context)

    def stream_decoder(self, context: AnswerContext) -> Decoder:
        return Decoder(context)

    def stream_encoder(self, context: AnswerContext) -> Encoder:
        return Encoder(context)

    def decode_error(self, status: int, body: bytes) -> ErrorInfo:
        return errors.decode_error(status, body)

    def encode_error(self, info: ErrorInfo) -> dict[str, Json]:
        return errors.encode_error(info)


CODEC = ResponsesCodec()
