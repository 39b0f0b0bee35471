from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

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
    await sync_to_async(connections.close_all)()  # of the thread that ran what tests read and wrote
