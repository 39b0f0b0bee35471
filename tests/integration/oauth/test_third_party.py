"""The generic device flow, and refreshes, against a real OAuth server: django-oauth-toolkit on loopback."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from oauth.driver import Driver, Listener
from oauth.flows.base import Grant, ShowCode, SlowedDown
from oauth.flows.channel import LoginAsk
from oauth.flows.errors import LoginDenied, OAuthError, RefreshRejected
from oauth.flows.qwen import Qwen
from providers.upstream.client import UpstreamClient
from tests.processes import REPOSITORY, free_port

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    module = "tests.integration.oauth.third_party_server"
    process = subprocess.Popen(
        [sys.executable, "-m", module, str(port), str(tmp_path_factory.mktemp("third-party"))],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def settings_at(server: str, **changes: str) -> dict[str, str]:
    return {
        **Qwen.defaults,
        "device_url": f"{server}/o/device-authorization/",
        "token_url": f"{server}/o/token/",
        "client_id": "third-party-client",
        "scope": "read",
        "poll_minimum_s": "0",
        **changes,
    }


class Person(Listener):
    """Enters the code on the server's own pages, and decides."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.seen: list[ShowCode] = []
        self.slowed = 0

    async def show_code(self, step: ShowCode) -> None:
        self.seen.append(step)
        if not self.action:
            return
        async with httpx.AsyncClient(follow_redirects=True) as browser:
            page = await browser.get(step.verification_url)
            page = await self._send(browser, page, user_code=step.user_code)
            page = await self._send(browser, page, action=self.action)
            assert page.status_code == 200

    async def slowed_down(self, step: SlowedDown) -> None:
        self.slowed += 1

    async def _send(self, browser: httpx.AsyncClient, page: httpx.Response, **fields: str) -> httpx.Response:
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert found is not None, page.text
        return await browser.post(page.url, data={"csrfmiddlewaretoken": found[1], **fields})


async def no_sleep(seconds: float) -> None:
    """The person is faster than any interval here."""


async def login(client: UpstreamClient, server: str, person: Listener, **changes: str) -> Grant:
    ask = LoginAsk(method="device", seed="ab" * 32, now=time.time(), values={"label": "alice"})
    driver = Driver(client, sleep=no_sleep)
    grant: Any = await driver.run(Qwen().login(ask, settings_at(server, **changes)), person)
    assert isinstance(grant, Grant)
    return grant


async def test_a_person_who_accepts_is_logged_in_and_stays_so(client: UpstreamClient, server: str):
    person = Person("accept")
    grant = await login(client, server, person)
    assert person.seen[0].user_code
    assert grant.access_token
    assert grant.refresh_token
    assert grant.expires_at is not None
    driver = Driver(client)
    renewed = await driver.run(Qwen().refresh(grant, settings_at(server), time.time()))
    assert renewed.access_token != grant.access_token
    assert renewed.refresh_token != grant.refresh_token
    # the server rotates: the old refresh token is spent
    with pytest.raises(RefreshRejected):
        await driver.run(Qwen().refresh(grant, settings_at(server), time.time()))


async def test_a_person_who_refuses(client: UpstreamClient, server: str):
    with pytest.raises(LoginDenied):
        await login(client, server, Person("deny"))


async def test_a_client_that_the_server_does_not_know(client: UpstreamClient, server: str):
    with pytest.raises(OAuthError):
        await login(client, server, Person(""), client_id="nobody")


async def test_nonsense_for_a_refresh_token_is_rejected(client: UpstreamClient, server: str):
    grant = msgspec.structs.replace(Grant(channel="qwen", access_token="a"), refresh_token="nonsense")
    with pytest.raises(RefreshRejected):
        await Driver(client).run(Qwen().refresh(grant, settings_at(server), time.time()))
