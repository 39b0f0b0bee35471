"""Daphne with what a streaming gateway needs: back-pressure, body limit, prompt disconnects, drain.

Import only after ``cliproxy_site.servers.reactor.install()``: daphne.server installs a reactor when
imported. One server per process, because Twisted's reactor cannot be started twice.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any

from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory
from twisted.internet import reactor
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    STDLibLogObserver,
    globalLogBeginner,
)
from twisted.protocols.policies import ProtocolWrapper
from twisted.protocols.tls import TLSMemoryBIOFactory

from cliproxy_site.servers.channel import GatewayChannel, GatewayFactory
from cliproxy_site.servers.drain import StopSignals, run_stop_hook
from cliproxy_site.servers.options import Announce, Application, Headers, Hook, Message, ServerOptions
from cliproxy_site.servers.request import WIND_UP_S, GatewayRequest
from cliproxy_site.servers.sockets import address_of
from cliproxy_site.servers.tls import twisted_options
from cliproxy_site.servers.websocket import SERVICE_RESTART, GatewayWebSocket, Inbox

logger = logging.getLogger(__name__)

TICK_S = 1.0
CANCEL_S = 2.0
"""How long cancelled exchanges may take to end before their connections are cut."""
FLUSH_S = 0.2


class GatewayDaphneServer(Server):  # type: ignore[misc]  # Daphne carries no types
    """Daphne's server with its own request path; WebSockets stay Daphne's.

    ``run`` blocks until a signal stopped it. The hooks run on its event loop: ``on_start`` before
    the first connection is accepted, ``on_stop`` after the last exchange ended.
    """

    def __init__(
        self,
        application: Application,
        listener: socket.socket,
        options: ServerOptions,
        on_start: Hook,
        on_stop: Hook,
        announce: Announce,
    ) -> None:
        super().__init__(
            application,
            endpoints=[f"fd:{listener.fileno()}"],
            server_name="",
            websocket_max_message_size=options.body_limit,
            websocket_max_frame_size=options.body_limit,
        )
        self.listener = listener
        self.options = options
        self.scheme = "http" if options.tls is None else "https"
        self.on_start = on_start
        self.on_stop = on_stop
        self.announce = announce
        self.body_limit = options.body_limit
        self.connections: dict[Any, dict[str, Any]] = {}
        self.channels: set[GatewayChannel] = set()
        self.exchanges: set[asyncio.Task[None]] = set()
        self.draining = False
        self._quiet = asyncio.Event()

    def run(self) -> None:
        """Serve until stopped. Raises what ``on_start`` raises."""
        observer = FilteringLogObserver(
            STDLibLogObserver("twisted"), [LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)]
        )
        globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False, discardBuffer=True)
        with asyncio.Runner(loop_factory=lambda: reactor._asyncioEventloop) as runner:
            runner.run(self.serve())

    async def serve(self) -> None:
        """The life of the server, from the first hook to the last."""
        signals = StopSignals()
        with signals.listening():
            reactor.startRunning(installSignalHandlers=False)
            await self.on_start()
            try:
                await self._listen_until_stopped(signals)
            finally:
                await run_stop_hook(self.on_stop)

    async def _listen_until_stopped(self, signals: StopSignals) -> None:
        self._make_factories()
        port = reactor.adoptStreamPort(self.listener.fileno(), self.listener.family, self._outer_factory())
        host, number = address_of(self.listener)
        self.listener.close()  # the reactor keeps a duplicate of its own
        ticking = asyncio.ensure_future(self._tick())
        try:
            self.announce(host, number)
            await signals.asked.wait()
        finally:
            ticking.cancel()
            port.stopListening()
        await self._drain(signals)

    def _outer_factory(self) -> Any:
        """The HTTP factory, in TLS when there is a certificate."""
        if self.options.tls is None:
            return self.http_factory
        return TLSMemoryBIOFactory(twisted_options(*self.options.tls), False, self.http_factory)

    def _make_factories(self) -> None:
        self.http_factory = GatewayFactory(self)
        self.ws_factory = WebSocketFactory(self, server="")
        self.ws_factory.protocol = GatewayWebSocket
        self.ws_factory.setProtocolOptions(
            autoPingTimeout=self.ping_timeout,
            allowNullOrigin=True,
            openHandshakeTimeout=self.websocket_handshake_timeout,
            maxMessagePayloadSize=self.websocket_max_message_size,
            maxFramePayloadSize=self.websocket_max_frame_size,
        )

    async def _tick(self) -> None:
        """Close idle connections, ping and time out WebSockets."""
        while True:
            await asyncio.sleep(TICK_S)
            now = asyncio.get_running_loop().time()
            for channel in list(self.channels):
                channel.close_if_idle(now, self.options.keep_alive_s)
            for protocol in list(self.connections):
                protocol.check_timeouts()

    # -- HTTP exchanges --

    def too_large(self, path: str, headers: Headers) -> bytes:
        """The body of a 413 in the caller's dialect."""
        if self.options.too_large is None:
            return b'{"error": {"message": "The request body is too large.", "code": 413}}'
        return self.options.too_large(path, headers)

    def start_exchange(self, request: GatewayRequest, scope: MutableMapping[str, Any]) -> asyncio.Task[None]:
        """Run the application for one request."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(
            self.application(scope, request.receive, request.send)
        )
        self.exchanges.add(task)
        task.add_done_callback(self._exchange_done)
        task.add_done_callback(request.application_done)
        return task

    def channel_gone(self, channel: GatewayChannel) -> None:
        """A connection closed, or became a WebSocket."""
        self.channels.discard(channel)
        self._note_quiet()

    def _exchange_done(self, task: asyncio.Task[None]) -> None:
        self.exchanges.discard(task)
        if self.draining:
            self._note_quiet()

    # -- WebSockets: Daphne's, without its table-reaping timer --

    def upgrade(
        self, request: GatewayRequest, channel: GatewayChannel, handover: Callable[[], object]
    ) -> None:
        """Hand a connection to autobahn through Daphne's own code."""
        self.protocol_connected(request)
        handover()
        self.connections.pop(request, None)
        if request.transport is None:  # autobahn owns it now
            transport = channel.transport
            is_wrapped = isinstance(transport, ProtocolWrapper)  # in TLS
            protocol = transport.wrappedProtocol if is_wrapped else transport.protocol
            protocol.channel = channel
            self.channel_gone(channel)

    def create_application(self, protocol: Any, scope: MutableMapping[str, Any]) -> asyncio.Queue[Message]:
        """Run the application for one WebSocket; called by Daphne's protocol."""
        messages = Inbox(protocol)
        scope.setdefault("asgi", {"version": "3.0"})
        scope.setdefault("extensions", {"websocket.http.response": {}})
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(
            self.application(scope, messages.get, partial(self.handle_reply, protocol))
        )
        self.connections[protocol]["application_instance"] = task
        self.exchanges.add(task)
        task.add_done_callback(self._exchange_done)
        task.add_done_callback(partial(self._websocket_done, protocol))
        return messages

    async def handle_reply(self, protocol: Any, message: Message) -> None:
        """``send`` of a WebSocket: write, then wait while the client lags."""
        await super().handle_reply(protocol, message)
        channel: GatewayChannel = protocol.channel
        if channel.congested:
            await channel.drained()

    def protocol_disconnected(self, protocol: Any) -> None:
        """A WebSocket closed: its application has been told and gets a while to end."""
        details = self.connections.get(protocol)
        if details is None or "disconnected" in details:
            return
        details["disconnected"] = time.time()
        task = details.get("application_instance")
        if task is None or task.done():
            del self.connections[protocol]
            self._note_quiet()
        else:
            cancel = task.get_loop().call_later(WIND_UP_S, task.cancel)
            task.add_done_callback(lambda _: cancel.cancel())

    def _websocket_done(self, protocol: Any, task: asyncio.Task[None]) -> None:
        details = self.connections.get(protocol, {"disconnected": True})
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("Exception inside application: %s", error, exc_info=error)
        if "disconnected" in details:
            self.connections.pop(protocol, None)
            self._note_quiet()
        elif error is not None:
            protocol.handle_exception(error)
        else:
            protocol.serverClose()

    # -- the end --

    async def _drain(self, signals: StopSignals) -> None:
        self.draining = True
        for channel in list(self.channels):
            channel.wind_down()
        for protocol in list(self.connections):
            protocol.serverClose(SERVICE_RESTART)
        self._note_quiet()
        await signals.wait_unless_insisted(self._quiet.wait(), self.options.drain_timeout_s)
        if self._quiet.is_set():
            return
        logger.warning("Cancelling %d exchanges that did not finish in time", len(self.exchanges))
        for task in self.exchanges:
            task.cancel()
        if self.exchanges:
            await asyncio.wait(self.exchanges, timeout=CANCEL_S)
        for channel in list(self.channels):
            channel.loseConnection()
        await signals.wait_unless_insisted(self._quiet.wait(), FLUSH_S)
        for channel in list(self.channels):
            channel.transport.abortConnection()

    def _note_quiet(self) -> None:
        if self.draining and not (self.channels or self.exchanges or self.connections):
            self._quiet.set()
