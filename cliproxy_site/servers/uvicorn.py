"""uvicorn, configured to keep the promises that the gateway makes on Daphne.

Back-pressure and prompt ``http.disconnect`` are uvicorn's own. Hooks, signals and the exit status
are ours: uvicorn raises the captured signal again after a clean stop, so the process would die of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from cliproxy_site.servers.drain import StopSignals, run_stop_hook
from cliproxy_site.servers.one_write import OneWriteProtocol
from cliproxy_site.servers.options import Announce, Application, Hook, ServerOptions
from cliproxy_site.servers.reactor import new_event_loop
from cliproxy_site.servers.sockets import BACKLOG, address_of

CANCEL_S = 2.0


class GatewayUvicornServer(uvicorn.Server):
    """uvicorn's server under foreign signal handling."""

    def __init__(self, config: uvicorn.Config, announce: Announce) -> None:
        super().__init__(config)
        self.announce = announce

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to StopSignals."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            self.announce(*address_of(listener))


def serve_uvicorn(
    app: Application,
    listener: socket.socket,
    options: ServerOptions,
    on_start: Hook,
    on_stop: Hook,
    announce: Announce,
) -> None:
    """Serve on ``listener`` until stopped by a signal. Raises what ``on_start`` raises."""
    config = uvicorn.Config(
        app,
        http=OneWriteProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=max(1, round(options.keep_alive_s)),
        timeout_graceful_shutdown=max(1, round(options.drain_timeout_s)),
        ws_max_size=options.body_limit,
        backlog=BACKLOG,
        ssl_certfile=options.tls[0] if options.tls else None,
        ssl_keyfile=options.tls[1] if options.tls else None,
    )
    server = GatewayUvicornServer(config, announce)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(server, listener, on_start, on_stop))


async def _serve(
    server: GatewayUvicornServer, listener: socket.socket, on_start: Hook, on_stop: Hook
) -> None:
    signals = StopSignals()

    def pass_on() -> None:
        server.should_exit = True
        server.force_exit = signals.insisted.is_set()

    signals.on_signal(pass_on)
    with signals.listening():
        await on_start()
        try:
            await server.serve(sockets=[listener])
            if server.server_state.tasks:
                for task in server.server_state.tasks:
                    task.cancel()
                await asyncio.wait(server.server_state.tasks, timeout=CANCEL_S)
        finally:
            await run_stop_hook(on_stop)
