"""The driver against a vendor on loopback: real connections, no waiting."""

from __future__ import annotations

import asyncio

import pytest

from oauth.driver import Callbacks, Driver, Listener
from oauth.flows import wire
from oauth.flows.base import Callback, Flow, OpenPage, ShowCode, SlowedDown, Wait
from oauth.flows.channel import LoginAsk
from oauth.flows.errors import LoginExpired, NetworkTrouble
from oauth.flows.github_copilot import GitHubCopilot
from providers.upstream.client import UpstreamClient
from tests.integration.oauth.vendor import FakeVendor


class Seen(Listener):
    def __init__(self) -> None:
        self.codes: list[ShowCode] = []
        self.slower: list[SlowedDown] = []

    async def show_code(self, step: ShowCode) -> None:
        self.codes.append(step)

    async def slowed_down(self, step: SlowedDown) -> None:
        self.slower.append(step)


def settings_at(vendor: FakeVendor) -> dict[str, str]:
    return GitHubCopilot.defaults | {
        "device_url": f"{vendor.url}/device",
        "token_url": f"{vendor.url}/token",
        "user_url": f"{vendor.url}/user",
        "copilot_token_url": f"{vendor.url}/copilot",
    }


ASK = LoginAsk(method="device", seed="00" * 32, now=0.0)
STARTED = {
    "device_code": "dc",
    "user_code": "UC",
    "verification_uri": "https://v.example",
    "interval": 5,
    "expires_in": 900,
}


async def test_a_device_login_through_everything(vendor: FakeVendor, client: UpstreamClient):
    vendor.answers = {
        "/device": [(200, STARTED)],
        "/token": ["drop", (200, {"error": "slow_down"}), (200, {"access_token": "ghu"})],
        "/user": [(200, {"login": "octo"})],
        "/copilot": [(200, {"token": "tid", "expires_at": 2_000_000_000})],
    }
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    seen = Seen()
    driver = Driver(client, clock=lambda: 1_800_000_000.0, sleep=sleep)
    grant = await driver.run(GitHubCopilot().login(ASK, settings_at(vendor)), seen)
    assert grant.access_token == "tid"
    assert [code.user_code for code in seen.codes] == ["UC"]
    assert [step.interval_s for step in seen.slower] == [10]
    # aiohttp sends once more on a new connection when a kept one was dropped, hence 5 s and not 10 s
    assert slept[0] == 5
    assert slept[-1] == 10
    assert all(asked.headers["user-agent"].startswith("cliproxy/") for asked in vendor.asked)


async def test_a_vendor_that_hangs_is_network_trouble(vendor: FakeVendor, client: UpstreamClient):
    vendor.answers = {"/hang": ["hang"]}

    def flow() -> Flow[None]:
        yield from wire.call(wire.get(f"{vendor.url}/hang"))

    with pytest.raises(NetworkTrouble, match=r"within 0\.05 s"):
        await Driver(client, call_timeout_s=0.05).run(flow())


async def test_the_page_is_opened_and_its_callback_fed(client: UpstreamClient):
    def flow() -> Flow[str]:
        back = yield from wire.opened(OpenPage(url="https://v.example", state="s", redirect_uri="http://x"))
        return back.code

    callbacks = Callbacks()
    running = asyncio.get_running_loop().create_task(Driver(client).run(flow(), callbacks))
    await asyncio.sleep(0)
    callbacks.feed(Callback(code="c", state="s"))
    assert await running == "c"


async def test_nobody_who_comes_back_ends_the_login(client: UpstreamClient):
    def flow() -> Flow[str]:
        page = OpenPage(url="https://v.example", state="s", redirect_uri="http://x", expires_in_s=0.01)
        back = yield from wire.opened(page)
        return back.code

    with pytest.raises(LoginExpired):
        await Driver(client).run(flow(), Callbacks())


async def test_cancelling_closes_the_flow(client: UpstreamClient):
    closed = []

    def flow() -> Flow[None]:
        try:
            yield Wait(seconds=3600)
        finally:
            closed.append(True)

    running = asyncio.get_running_loop().create_task(Driver(client).run(flow()))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert closed == [True]
