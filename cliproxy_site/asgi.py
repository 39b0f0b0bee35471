"""The ASGI application: Channels' routers in front, the proxy and Django behind them.

``manage.py serve`` starts and stops the Runtime itself. ``uvicorn cliproxy_site.asgi:application`` does it
through lifespan events, and plain ``daphne cliproxy_site.asgi:application`` through the first request.
"""

from __future__ import annotations

import os

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cliproxy_site.settings")
django.setup()

from cliproxy_site.runtime import Runtime  # noqa: E402  (Django must be set up first)
from routing.proxy.app import owns  # noqa: E402
from routing.proxy.wire import Receive, Scope, Send  # noqa: E402

runtime = Runtime()
django_application = get_asgi_application()


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    """The proxy's paths go to the proxy, without any middleware; all others are Django's."""
    if owns(scope["path"]):
        proxy = runtime.proxy or await runtime.start()
        await proxy(scope, receive, send)
    else:
        await django_application(scope, receive, send)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Start before the first request, stop after the last."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await runtime.start()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await runtime.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


application = ProtocolTypeRouter({"http": http, "websocket": URLRouter([]), "lifespan": lifespan})
