"""The face of the Gemini ``generateContent`` format. Support and losses: ``docs/protocols/gemini.md``."""

from __future__ import annotations

from providers.translation.codec import AnswerContext, Capabilities, Encoded, StreamDecoder, StreamEncoder
from providers.translation.codecs.gemini import errors, request_decode, request_encode, response, stream
from providers.translation.model import ErrorInfo, Json, Request, Response


class GeminiCodec:
    """Holds nothing; every method hands over to the module of its direction."""

    def decode_request(self, body: Json) -> Request:
        return request_decode.decode_request(body)

    def encode_request(self, request: Request, model: str, capabilities: Capabilities) -> Encoded:
        return request_encode.encode_request(request, model, capabilities)

    def decode_response(self, body: Json, context: AnswerContext) -> Response:
        return response.decode_response(body, context)

    def encode_response(self, response_: Response, context: AnswerContext) -> dict[str, Json]:
        return response.encode_response(response_, context)

    def stream_decoder(self, context: AnswerContext) -> StreamDecoder:
        return stream.Decoder(context)

    def stream_encoder(self, context: AnswerContext) -> StreamEncoder:
        return stream.Encoder(context)

    def decode_error(self, status: int, body: bytes) -> ErrorInfo:
        return errors.decode_error(status, body)

    def encode_error(self, info: ErrorInfo) -> dict[str, Json]:
        return errors.encode_error(info)


CODEC = GeminiCodec()
