"""The client's request body, bounded: whole in memory or refused."""

from __future__ import annotations

import zlib

from providers.errors import ClientError
from routing.proxy.wire import Receive


class BodyTooLarge(ClientError):
    client_status = 413
    code: str | None = "request_too_large"


class UnknownEncoding(ClientError):
    client_status = 415
    code: str | None = "unsupported_content_encoding"


_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class ClientGone(Exception):
    """The client closed the connection; nobody is left to answer."""


def too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than the limit of {limit} bytes.")


async def read_body(receive: Receive, headers: dict[str, str], limit: int) -> bytes:
    """The body, uncompressed. Raises BodyTooLarge as soon as that is known, ClientGone when the client left,
    UnknownEncoding, and ClientError for what does not decompress."""
    body = await _read(receive, headers, limit)
    encoding = headers.get("content-encoding")
    return body if encoding is None else uncompressed(body, encoding, limit)


def uncompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """``body`` without its compression, no more than ``limit`` bytes of it. Raises as ``read_body``."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in _WINDOWS:
        raise UnknownEncoding(f"The content encoding `{name}` is not understood here; send the body plain.")
    inflate = zlib.decompressobj(_WINDOWS[name])
    try:
        plain = inflate.decompress(body, limit + 1)
    except zlib.error as error:
        raise ClientError(f"The request body is not {name}, which its content encoding says.") from error
    if len(plain) > limit:
        raise too_large(limit)
    if not inflate.eof:
        raise ClientError(f"The {name} of the request body ends too early.")
    return plain


async def _read(receive: Receive, headers: dict[str, str], limit: int) -> bytes:
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise too_large(limit)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        pieces = [body]
        size = len(body)
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            piece = message.get("body", b"")
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise too_large(limit)
        body = b"".join(pieces)
    if len(body) > limit:
        raise too_large(limit)
    return body
