"""Cross-origin answers for the API: any page may call it, with a key of its own and never with a cookie.

Every path but the admin's and the static files': ``OPTIONS`` is answered 204 at once, before anybody is
asked for a key, and every other answer says that any origin may read it. Browsers send no cookies to
``*``, so a session of the admin cannot be used from elsewhere. The lists are CLIProxyAPI's and our headers.
"""

from __future__ import annotations

from routing.proxy.wire import Headers, Message, Send

_PAGES = ("/admin", "/static/")
EXPOSED = (
    "X-CPA-VERSION, X-CPA-COMMIT, X-CPA-BUILD-DATE, X-CPA-SUPPORT-PLUGIN, X-CPA-HOME-VERSION, "
    "X-CPA-HOME-BUILD-DATE, X-SERVER-VERSION, X-SERVER-BUILD-DATE, Location, Retry-After, X-Request-Id, "
    "OpenAI-Request-Id, Request-Id, X-Cliproxy-Provider, X-Cliproxy-Attempts, X-Cliproxy-Dropped, "
    "X-Cliproxy-Overhead-Ms, X-Cliproxy-Estimate"
)
HEADERS: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"*, Authorization"),
    (b"access-control-expose-headers", EXPOSED.encode()),
]
"""``Authorization`` is named because the Fetch standard leaves it out of ``*``."""


def is_api(path: str) -> bool:
    return not path.startswith(_PAGES)


async def preflight(send: Send) -> None:
    """204 without a body."""
    await send({"type": "http.response.start", "status": 204, "headers": list(HEADERS)})
    await send({"type": "http.response.body", "body": b""})


def sharing(send: Send) -> Send:
    """``send`` with the headers put into the answer's head."""

    async def send_shared(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *HEADERS]
        await send(message)

    return send_shared
