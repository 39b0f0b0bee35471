"""A whole proxy in the test's own event loop: real ASGI application, real connections, no database."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from providers.upstream.client import UpstreamClient
from providers.upstream.timeouts import Timeouts
from providers.values import CredentialEntry
from routing.core.table import ClientEntry, Offer, RegisteredModel, RouteSettings, RoutingTable
from routing.proxy.app import ProxyApplication
from routing.proxy.gateway import Gateway
from routing.state.memory import MemoryState
from routing.usage import UsageLine
from tests.integration.proxy.upstream_double import FakeUpstream
from tests.loopback_server import LoopbackServer

KEY = "cpx-test-key-of-alice"


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@dataclass
class Lines:
    """A ledger that keeps its lines where the test can see them."""

    written: list[UsageLine] = field(default_factory=list)

    def append(self, line: UsageLine) -> None:
        self.written.append(line)


@dataclass
class Live:
    table: RoutingTable


class Proxy:
    """The proxy under test, its table made from ``offer`` calls, served by uvicorn on loopback."""

    def __init__(
        self, timeouts: Timeouts, body_limit: int = 64 * 1024, state: MemoryState | None = None
    ) -> None:
        self.state = state or MemoryState()
        self.ledger = Lines()
        self.clients = {digest(KEY): ClientEntry(id=1, label="alice")}
        self.offers: dict[str, list[Offer]] = {}
        self.settings = RouteSettings(request_retry=0)
        self.live = Live(RoutingTable(revision=1, clients=self.clients, models={}))
        self.upstream_client = UpstreamClient(timeouts)
        self.gateway = Gateway(
            live=self.live,
            state=self.state,
            client=self.upstream_client,
            ledger=self.ledger,
            digest=digest,
            clock=time.time,
            body_limit=body_limit,
        )
        self._server: LoopbackServer | None = None
        self.url = ""
        self.http = httpx.AsyncClient(timeout=30)  # on a busy machine a vocabulary takes seconds to load

    def offer(
        self,
        model: str,
        base_url: str,
        *members: str,
        adapter: str = "openai-compatibility",
        force_mapping: bool = False,
        **changes: Any,
    ) -> CredentialEntry:
        """Let ``model`` be served from ``base_url``; several calls make several credentials."""
        number = sum(len(offers) for offers in self.offers.values()) + 1
        values: dict[str, Any] = {
            "id": number,
            "provider_id": number,
            "provider_key": f"fake-{number}",
            "adapter": adapter,
            "base_url": base_url,
            "secret": f"upstream-secret-{number}",
        }
        credential = CredentialEntry(**(values | changes))
        offer = Offer(credential=credential, members=members or (model,), force_mapping=force_mapping)
        self.offers.setdefault(model, []).append(offer)
        self.publish()
        return credential

    def publish(self) -> None:
        """Swap the table, as a changed row would."""
        models = {
            name: RegisteredModel(id=name, offers=tuple(offers), owned_by="fake", created=1_800_000_000)
            for name, offers in self.offers.items()
        }
        self.live.table = RoutingTable(
            revision=self.live.table.revision + 1, clients=self.clients, models=models, settings=self.settings
        )

    async def start(self, app: Any = None, ws: str = "none") -> None:
        """Serve ``app``, or else the proxy's own application."""
        self._server = LoopbackServer(app or ProxyApplication(self.gateway), ws)
        await self._server.start()
        self.url = self._server.url

    async def stop(self) -> None:
        await self.http.aclose()
        if self._server is not None:
            await self._server.stop()
        await self.upstream_client.close()

    async def chat(self, model: str = "m", key: str | None = KEY, **fields: Any) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], **fields}
        return await self.post(body, key=key)

    async def post(self, body: Any, key: str | None = KEY, **headers: str) -> httpx.Response:
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        sent: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.http.post(f"{self.url}/v1/chat/completions", headers=headers, **sent)

    @property
    def line(self) -> UsageLine:
        """The only usage line so far."""
        (line,) = self.ledger.written
        return line


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    double = FakeUpstream()
    await double.start()
    yield double
    await double.stop()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    running = Proxy(Timeouts(connect_s=0.5, first_byte_s=0.6, idle_s=0.4))
    await running.start()
    yield running
    await running.stop()
