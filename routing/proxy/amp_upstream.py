"""A request passed to Amp as it came, but for whose key it carries; the answer streams back."""

from __future__ import annotations

import zlib
from urllib.parse import parse_qsl, urlencode

from providers.adapters.base import UpstreamRequest
from providers.errors import UpstreamError
from providers.upstream.client import UpstreamResponse
from routing.core.amp import key_for
from routing.core.amp_settings import AmpSettings
from routing.core.table import ClientEntry
from routing.proxy.access import presented_key
from routing.proxy.gateway import Gateway
from routing.proxy.wire import Scope, Send, client_headers, send_json

_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""RFC 9110, 7.6.1: of one connection only."""
_KEYS = frozenset({"authorization", "x-api-key", "x-goog-api-key"})
_NOT_SENT = _HOP | _KEYS | {"host", "content-length", "content-encoding", "accept-encoding"}
_NOT_RETURNED = _HOP | {"content-length", "content-encoding"}
_GZIP = b"\x1f\x8b"


async def forward(
    gateway: Gateway, settings: AmpSettings, scope: Scope, send: Send, body: bytes, client: ClientEntry | None
) -> None:
    """Send the request to Amp and its answer to the client. 502 when Amp cannot be reached.

    Without ``client`` (a page in a browser) no key is added: cookies say who it is.
    """
    headers = client_headers(scope)
    shown = presented_key(headers)
    outgoing = {name: value for name, value in headers.items() if name not in _NOT_SENT}
    outgoing["accept-encoding"] = "identity"
    key = key_for(settings, client, gateway.digest(shown)) if client is not None else ""
    if key:
        outgoing |= {"x-api-key": key, "authorization": f"Bearer {key}"}
    request = UpstreamRequest(
        method=scope["method"],
        url=f"{settings.upstream_url}{_raw_path(scope)}{_query(scope, shown)}",
        headers=tuple(outgoing.items()),
        body=body,
    )
    try:
        response = await gateway.client.open(request, proxy_url=settings.proxy_url)
    except UpstreamError:
        await send_json(
            send, 502, {"error": "amp_upstream_proxy_error", "message": "Failed to reach Amp upstream"}
        )
        return
    try:
        await _answer(response, send)
    finally:
        await response.close()


async def _answer(response: UpstreamResponse, send: Send) -> None:
    is_plain = "text/event-stream" not in response.headers.get("content-type", "")
    returned = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in response.all_headers()
        if name.lower() not in _NOT_RETURNED
    ]
    chunks = response.chunks()
    first = await anext(chunks, b"")
    inflate = None
    if is_plain and 200 <= response.status < 300 and first[:2] == _GZIP:
        # Compressed and not said so: Amp's servers do that (observed by CLIProxyAPI).
        inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        first = inflate.decompress(first)
    await send({"type": "http.response.start", "status": response.status, "headers": returned})
    await send({"type": "http.response.body", "body": first, "more_body": True})
    async for chunk in chunks:
        piece = inflate.decompress(chunk) if inflate is not None else chunk
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": inflate.flush() if inflate is not None else b""})


def _raw_path(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("latin-1").partition("?")[0]


def _query(scope: Scope, shown: str) -> str:
    """The client's query without its own key."""
    text: str = scope.get("query_string", b"").decode("latin-1")
    if not text:
        return ""
    pairs = parse_qsl(text, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if not (name in ("key", "auth_token") and value == shown)]
    return f"?{text}" if kept == pairs else f"?{urlencode(kept)}" if kept else ""
