from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from oauth.driver import own_client
from providers.upstream.client import UpstreamClient
from tests.integration.oauth.vendor import FakeVendor


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    running = FakeVendor()
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def client() -> AsyncIterator[UpstreamClient]:
    made = own_client()
    yield made
    await made.close()
