"""Run the gateway's ASGI application under Daphne or uvicorn until a signal stops it.

Both keep the same promises (docs/operations.md, "Servers"). Each call takes over the process's main
thread and its SIGTERM and SIGINT, and returns after a clean stop.
"""

from __future__ import annotations

import socket

from cliproxy_site.servers import reactor
from cliproxy_site.servers.options import Announce, Application, Hook, ServerOptions
from cliproxy_site.servers.sockets import adopt, bind

__all__ = ["ServerOptions", "run_daphne", "run_uvicorn"]


def run_daphne(
    app: Application, options: ServerOptions, on_start: Hook, on_stop: Hook, announce: Announce
) -> None:
    """Serve with Daphne. ``announce(host, port)`` is called once, when connections are accepted.

    Raises PortTaken or CannotListen before anything starts, and what ``on_start`` raises.
    """
    listener = _listener(options)
    reactor.install()
    # Here and not above: importing daphne.server fixes Twisted's reactor for the whole process.
    from cliproxy_site.servers.daphne import GatewayDaphneServer

    GatewayDaphneServer(app, listener, options, on_start, on_stop, announce).run()


def run_uvicorn(
    app: Application, options: ServerOptions, on_start: Hook, on_stop: Hook, announce: Announce
) -> None:
    """Serve with uvicorn; otherwise as ``run_daphne``."""
    from cliproxy_site.servers.uvicorn import serve_uvicorn

    serve_uvicorn(app, _listener(options), options, on_start, on_stop, announce)


def _listener(options: ServerOptions) -> socket.socket:
    if options.fd is not None:
        return adopt(options.fd)
    return bind(options.host, options.port)
