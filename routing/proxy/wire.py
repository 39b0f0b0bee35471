"""ASGI messages in and out: header lookup, whole answers, errors in the caller's format."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import msgspec

from providers.errors import GatewayError
from providers.translation.model import ErrorInfo
from providers.translation.registry import CODECS
from providers.values import Format

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")


def client_headers(scope: Scope) -> dict[str, str]:
    """The request's headers, lower-case names; the first value of a repeated one."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


_NO_HEADER_TEXT = re.compile(r"[^\x20-\x7e]")


def header_value(text: str) -> bytes:
    """``text`` as a header may hold it: a line break in it would begin another header."""
    return _NO_HEADER_TEXT.sub("?", text).encode("ascii")


async def send_whole(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """A whole answer in two messages, with its length."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, status: int, value: Any, headers: Headers | None = None) -> None:
    await send_whole(send, status, [JSON, *(headers or [])], msgspec.json.encode(value))


def identified(send: Send, identity: str, dialect: Format) -> Send:
    """``send`` with the request's id put into the answer's head, also under Anthropic's name for it."""
    own: Headers = [(b"x-request-id", identity.encode("latin-1"))]
    if dialect is Format.CLAUDE:
        own.append((b"request-id", own[0][1]))

    async def send_identified(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *own]
        await send(message)

    return send_identified


def error_info(error: GatewayError) -> ErrorInfo:
    return ErrorInfo(
        status=error.client_status,
        message=error.message,
        type=error.error_type,
        code=error.code,
        param=error.param,
        retry_after_s=error.retry_after_s,
    )


def error_body(error: GatewayError, dialect: Format) -> bytes:
    """``error`` in the form that clients of ``dialect`` expect."""
    body = CODECS[dialect].encode_error(error_info(error))
    if error.details and dialect in (Format.OPENAI, Format.RESPONSES):
        body["error"].update(error.details)
    return msgspec.json.encode(body)


def error_headers(error: GatewayError) -> Headers:
    if error.retry_after_s is None:
        return [JSON]
    return [JSON, (b"retry-after", str(max(1, round(error.retry_after_s + 0.499))).encode())]


def status_for(error: GatewayError, dialect: Format) -> int:
    """The HTTP status for a client; 529 is Anthropic's own, and unknown to others, and none there
    is goes beyond 599."""
    status = error.client_status if error.client_status < 600 else 500
    return 503 if status == 529 and dialect is not Format.CLAUDE else status
