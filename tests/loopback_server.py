"""uvicorn's HTTP and WebSocket protocols on a loopback port of the test's own event loop.

``uvicorn.Server`` looks for its end every tenth of a second and takes another tenth to leave, which more than
a thousand tests would wait for; this one is ready and gone at once.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.server import ServerState

GRACE_S = 0.1
"""What requests still running when the server stops have before they are cancelled."""


class LoopbackServer:
    """Serves ``app`` from ``start`` to ``stop``; ``url`` has no path."""

    def __init__(self, app: Any, ws: Any = "none") -> None:
        self._config = uvicorn.Config(app, lifespan="off", log_level="warning", ws=ws, loop="asyncio")
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        self.url = ""

    async def start(self) -> None:
        self._config.load()
        self._server = await asyncio.get_running_loop().create_server(self._protocol, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def _protocol(self) -> asyncio.Protocol:
        return self._config.http_protocol_class(  # type: ignore[call-arg]
            config=self._config, server_state=self._state, app_state={}
        )

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            _, late = await asyncio.wait(list(self._state.tasks), timeout=GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for connection in list(self._state.connections):
            if connection.transport is not None:
                connection.transport.close()
        await asyncio.sleep(0)  # the transports' last callbacks
