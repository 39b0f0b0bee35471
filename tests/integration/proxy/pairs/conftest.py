"""Every pair: an SDK that speaks one format, an upstream that speaks another, the proxy between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from providers.translation.registry import CODECS
from providers.upstream.timeouts import Timeouts
from providers.values import Format
from tests.integration.proxy.conftest import Proxy
from tests.integration.proxy.pairs.clients import CLIENTS

ADAPTERS = {
    Format.OPENAI: ("openai-compatibility", "/v1"),
    Format.RESPONSES: ("codex", "/v1"),
    Format.CLAUDE: ("claude", ""),
    Format.GEMINI: ("gemini", ""),
}


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """Nothing here is about time, so a busy machine gets some."""
    running = Proxy(Timeouts(connect_s=5, first_byte_s=10, idle_s=10))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture(params=CLIENTS, ids=lambda kind: f"from-{kind.format}")
async def client(request, proxy) -> AsyncIterator[Any]:
    made = request.param(proxy.url)
    yield made
    await made.close()


@pytest.fixture(params=list(CODECS), ids=lambda format_: f"to-{format_}")
def spoken(request) -> Format:
    """The format of the upstream."""
    return Format(request.param)


@pytest.fixture
def offered(proxy, upstream) -> Callable[..., Any]:
    """Offers the model ``m`` (``up`` upstream) from the double, in a format."""

    def offer(format_: Format, model: str = "m", member: str = "up", **changes: Any) -> Any:
        adapter, path = ADAPTERS[format_]
        return proxy.offer(model, upstream.url + path, member, adapter=adapter, **changes)

    return offer
