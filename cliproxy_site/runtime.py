"""One process's working parts, built once and passed in: table, state, upstream client, ledger, proxy.

``start`` and ``stop`` belong to whoever owns the event loop: the ``serve`` command, an ASGI lifespan, or,
under a server that has neither (plain ``daphne``), the first request.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from collections.abc import Coroutine
from pathlib import Path

from django.conf import settings

from cliproxy_site.log_files import LogSwitch
from cliproxy_site.logins import Logins
from cliproxy_site.servers.plain_daphne import before_shutdown
from management_api.config.watch import ConfigWatcher
from oauth.runner import RUNNER
from providers.upstream.client import UpstreamClient
from providers.upstream.timeouts import Timeouts
from routing import client_keys
from routing.bindings import DatabaseBindings
from routing.core.table import RoutingTable
from routing.discovery import Discovery
from routing.kept_responses import DatabaseResponses, Retention
from routing.live import LiveTable
from routing.proxy.app import ProxyApplication
from routing.proxy.gateway import Gateway
from routing.proxy.metrics import Metrics
from routing.proxy.relay_pages import RelayPages
from routing.proxy.request_files import RequestFiles
from routing.proxy.shared_totals import SharedTotals
from routing.state.memory import MemoryState
from routing.usage import Spool, UsageWriter

logger = logging.getLogger("cliproxy_site")

GC_THRESHOLD = 20_000
SWITCH_S = 0.001
"""How long a thread may keep the interpreter while another wants it. Applying a configuration asks for it
behind each answer of the database, and would wait five times as long by default while the loop is busy."""


class Runtime:
    """Everything that ``start`` starts and ``stop`` stops. ``proxy`` is the hot path's application."""

    def __init__(self) -> None:
        self._state = _state()
        self._pages = RelayPages()
        self._live = LiveTable(self._state, settings.REFRESH_INTERVAL_S, self._pages.overlaid)
        self._pages.changed = self._live.refresh
        self._live.swapped = self._follow
        self._log_switch = LogSwitch(settings.DATA_DIR / "logs")
        self._request_files: RequestFiles | None = None
        self._spool: Spool | None = None
        self._writer: UsageWriter | None = None
        self._client: UpstreamClient | None = None
        self._bindings: DatabaseBindings | None = None
        self._logins: Logins | None = None
        self._responses: DatabaseResponses | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._starting: asyncio.Lock | None = None
        self._is_announced = False
        self.proxy: ProxyApplication | None = None

    @property
    def live(self) -> LiveTable:
        """The table in force, for pages that show or change what routing does."""
        return self._live

    async def start(self) -> ProxyApplication:
        """Start once; later calls return the same. Raises DatabaseError when the table cannot be read."""
        if self.proxy is not None:
            return self.proxy
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if self.proxy is None:
                self.proxy = await self._start()
        return self.proxy

    async def on_demand(self) -> ProxyApplication:
        """As ``start``, for the requests of a server that announces neither its start nor its stop."""
        proxy = await self.start()
        if not self._is_announced:
            self._is_announced = True
            before_shutdown(self.stop)
        return proxy

    async def parts(self) -> Gateway:
        """What the proxy is made of, started if need be. Raises as ``start``."""
        return (self.proxy or await self.on_demand()).gateway

    async def _start(self) -> ProxyApplication:
        proxy = await self._build()
        # Django and its models are here to stay: kept out of every later collection, they no longer
        # cost the hot path anything. The higher threshold suits requests that allocate much and keep nothing.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 20, 50)
        sys.setswitchinterval(SWITCH_S)
        return proxy

    async def _build(self) -> ProxyApplication:
        await self._state.start()
        await self._live.start()
        self._spool = Spool(settings.SPOOL_DIR)
        self._writer = UsageWriter(self._spool, settings.USAGE_FLUSH_INTERVAL_S)
        self._writer.start()
        self._client = UpstreamClient(
            Timeouts(
                connect_s=settings.CONNECT_TIMEOUT_S,
                first_byte_s=settings.FIRST_BYTE_TIMEOUT_S,
                idle_s=settings.IDLE_TIMEOUT_S,
            ),
            relays=self._pages.sessions,
        )
        self._keep(Discovery(self._client).run(), "discovery")
        if settings.CONFIG_FILE:
            self._keep(
                ConfigWatcher(Path(settings.CONFIG_FILE), committed=self._live.look_again).run(),
                "config-watcher",
            )
        self._keep(Retention().run(), "retention")
        self._logins = Logins(self._client, self._live)
        self._keep(self._logins.refresher.run(), "token-refresh")
        self._keep(self._logins.quotas.run(), "quota-readings")
        self._keep(self._logins.files.run(), "credential-files")
        self._bindings = DatabaseBindings()
        self._responses = DatabaseResponses()
        self._request_files = RequestFiles(settings.DATA_DIR / "logs")
        spool, metrics = self._spool, Metrics()
        shared = SharedTotals(
            lambda: metrics.totals(spool.backlog_bytes),
            lambda: (metrics.version, metrics.in_flight, spool.backlog_bytes),
            settings.TOTALS_DIR,
        )
        self._keep(shared.run(), "shared-totals")
        gateway = Gateway(
            metrics=metrics,
            summed=shared.all,
            version=settings.VERSION,
            live=self._live,
            state=self._state,
            client=self._client,
            ledger=self._spool,
            digest=client_keys.digest,
            clock=time.time,
            body_limit=settings.BODY_LIMIT_BYTES,
            bindings=self._bindings,
            pages=self._pages,
            responses=self._responses,
            tokens=self._logins,
            request_files=self._request_files,
        )
        return ProxyApplication(gateway)

    def _follow(self, table: RoutingTable) -> None:
        """A new table is in force."""
        self._pages.follow(table)
        if self._client is not None:
            self._client.keep_only({entry.proxy_url for entry in table.credentials.values()})
        self._log_switch.follow(table.settings.logging_to_file, table.settings.logs_max_total_size_mb)

    def _keep(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(_report)
        self._tasks.append(task)

    async def stop(self) -> None:
        """Stop the tasks, close the connections and write the ledger's rest."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._logins is not None:
            await self._logins.stop()
        await asyncio.get_running_loop().run_in_executor(None, RUNNER.stop)
        if self._client is not None:
            await self._client.close()
        await self._live.stop()
        await self._state.stop()
        if self._bindings is not None:
            self._bindings.close()
        if self._responses is not None:
            self._responses.close()
        if self._request_files is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._request_files.close)
        if self._writer is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._writer.stop)


def _state() -> MemoryState:
    if not settings.REDIS_URL:
        return MemoryState()
    from routing.state.redis import RedisState  # costs 0.2 s to import, and few need it

    return RedisState(settings.REDIS_URL)


def _report(task: asyncio.Task[None]) -> None:
    """A background task that ends by itself has failed; serving goes on without it, but not silently."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("the background task %s failed", task.get_name(), exc_info=error)
