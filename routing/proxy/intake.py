"""The client's request body, bounded: whole in memory or refused."""

from __future__ import annotations

from providers.errors import ClientError
from routing.proxy.wire import Receive


class BodyTooLarge(ClientError):
    client_status = 413
    code: str | None = "request_too_large"


class ClientGone(Exception):
    """The client closed the connection; nobody is left to answer."""


def too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than the limit of {limit} bytes.")


async def read_body(receive: Receive, headers: dict[str, str], limit: int) -> bytes:
    """The body. Raises BodyTooLarge as soon as that is known, ClientGone when the client left."""
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
