"""Which of an upstream's response headers a client gets with ``passthrough-headers`` (docs/routing.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from routing.proxy.wire import Headers

_NEVER = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "set-cookie",
        "set-cookie2",
        "content-length",
        "content-encoding",
        "date",
        "traceparent",
        "tracestate",
        "trace-id",
        "x-trace-id",
        "x-cloud-trace-context",
        "x-amzn-trace-id",
    }
)
"""Of one connection (RFC 9110, 7.6.1), one body's transfer, one server, one visitor, one trace."""
_NEVER_BEGINS = (
    "access-control-",
    "x-litellm-",
    "helicone-",
    "x-portkey-",
    "cf-aig-",
    "x-kong-",
    "x-bt-",
    "x-cliproxy-",
)
"""CORS is ours to answer; the others tell of another gateway in between, or would pass for our own."""


def passed_headers(upstream: Mapping[str, str], own: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Those of ``upstream`` (lower-case names) that go on to the client, without what stands in ``own``."""
    taken = {name.decode("latin-1") for name, _ in own}
    named = {name.strip().lower() for name in upstream.get("connection", "").split(",")}
    return [
        (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in upstream.items()
        if name not in _NEVER | taken | named and not name.startswith(_NEVER_BEGINS)
    ]
