"""The ASGI application: Channels' routers in front, the proxy and Django behind them.

``manage.py serve`` starts and stops the Runtime itself. ``uvicorn cliproxy_site.asgi:application`` does it
through lifespan events, and plain ``daphne cliproxy_site.asgi:application`` through the first request and the
end of Twisted's reactor.
"""

from __future__ import annotations

import logging
import os

import django
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.db import DatabaseError
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cliproxy_site.settings")
django.setup()

from cliproxy_site import cors  # noqa: E402  (Django must be set up first)
from cliproxy_site.runtime import Runtime  # noqa: E402
from oauth.consumers import AttemptConsumer  # noqa: E402
from providers.errors import GatewayError  # noqa: E402
from routing.proxy.app import NotFound, owns  # noqa: E402
from routing.proxy.endpoints import dialect_of  # noqa: E402
from routing.proxy.realtime import RealtimeConsumer  # noqa: E402
from routing.proxy.realtime import refuse as refuse_socket  # noqa: E402
from routing.proxy.relay_socket import RelayPageConsumer  # noqa: E402
from routing.proxy.responses_socket import ResponsesConsumer  # noqa: E402
from routing.proxy.wire import (  # noqa: E402
    Receive,
    Scope,
    Send,
    client_headers,
    error_body,
    error_headers,
    send_whole,
)
from routing.serving import SCOPE_KEY  # noqa: E402

logger = logging.getLogger("cliproxy_site")


class NotReady(GatewayError):
    """503: this process could not read its configuration yet."""

    client_status = 503
    code: str | None = "not_ready"
    retry_after_s = 5.0


runtime = Runtime()
django_application = get_asgi_application()


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    """The proxy's paths go to the proxy, without any middleware; all others are Django's."""
    if cors.is_api(scope["path"]):
        if scope["method"] == "OPTIONS":
            await cors.preflight(send)
            return
        send = cors.sharing(send)
    proxy = runtime.proxy
    if proxy is None:
        try:
            proxy = await runtime.on_demand()
        except DatabaseError as error:
            await refuse(scope, send, error)
            return
    if owns(scope["path"], scope["method"]):
        await proxy(scope, receive, send)
    else:
        scope[SCOPE_KEY] = runtime.live
        await django_application(scope, receive, send)  # type: ignore[arg-type]  # narrower than ASGI's own


async def refuse(scope: Scope, send: Send, error: DatabaseError) -> None:
    """503 while the database cannot be read; the next request looks again."""
    logger.error("%s", database_trouble(error))
    problem = NotReady("The gateway is not ready: its database cannot be read. Its log says why.")
    dialect = dialect_of(scope["path"], client_headers(scope))
    await send_whole(send, 503, error_headers(problem), error_body(problem, dialect))


def database_trouble(error: DatabaseError) -> str:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return (
        f"The database cannot be read: {reason}. If it is new, start `python manage.py serve` once, "
        "or run `python manage.py migrate`."
    )


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Start before the first request, stop after the last."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await runtime.start()
            except DatabaseError as error:
                await send({"type": "lifespan.startup.failed", "message": database_trouble(error)})
                return
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await runtime.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


async def no_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """There is no WebSocket at this path: said at once, so that a client soon tries plain HTTP."""
    await receive()
    await refuse_socket(scope, send, NotFound(f"There is no WebSocket at {scope['path']}; use HTTP."))


_BASE = "(?:openai/)?(?:v1/)*"
websockets = URLRouter(
    [
        # As for HTTP, a base URL with a doubled or a missing version still finds it.
        re_path(rf"^{_BASE}realtime/?$", RealtimeConsumer.as_asgi(gateway=runtime.parts)),
        re_path(r"^(?:v1/)*ws/?$", RelayPageConsumer.as_asgi(gateway=runtime.parts)),
        path("v0/oauth/ws/<uuid:attempt_id>", AuthMiddlewareStack(AttemptConsumer.as_asgi())),
        re_path(
            rf"^(?:{_BASE}|backend-api/codex/)responses(?:/ws)?/?$",
            ResponsesConsumer.as_asgi(gateway=runtime.parts),
        ),
        re_path("", no_socket),  # type: ignore[arg-type]  # an ASGI application, as Channels wants it
    ]
)
application = ProtocolTypeRouter({"http": http, "websocket": websockets, "lifespan": lifespan})
