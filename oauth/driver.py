"""The one driver of flows: it turns their steps into HTTP calls, waits and questions to a person.

A flow (``oauth/flows/base.py``) is a generator that does nothing by itself. Here its calls go out through
``providers.upstream``; what fails there is thrown into the flow as NetworkTrouble. Clock and sleep are
passed in, so a test waits for nothing. Cancelling closes the flow.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx

from oauth.flows.base import (
    Answer,
    Callback,
    Flow,
    Grant,
    HttpAnswer,
    HttpCall,
    OpenPage,
    Renewed,
    ShowCode,
    SlowedDown,
    Step,
    Wait,
)
from oauth.flows.errors import LoginExpired, NetworkTrouble, OAuthError
from oauth.redaction import Secrets
from providers.adapters.headers import USER_AGENT
from providers.errors import UpstreamError
from providers.upstream.client import UpstreamClient
from providers.upstream.httpx_transport import UpstreamTransport
from providers.upstream.timeouts import Timeouts

T = TypeVar("T")

ANSWER_LIMIT = 4 * 1024 * 1024
CALL_TIMEOUT_S = 30.0
"""The time-out of CLIProxyAPI's own token calls."""

Sleep = Callable[[float], Awaitable[None]]


class Listener:
    """What a login shows and asks. The base shows nothing, for refreshes and imports."""

    async def show_code(self, step: ShowCode) -> None:
        """A device code is ready."""

    async def slowed_down(self, step: SlowedDown) -> None:
        """The vendor wants to be asked less often."""

    async def renewed(self, grant: Grant) -> None:
        """New tokens are there, and the flow goes on."""

    async def open_page(self, step: OpenPage) -> Callback:
        """Show ``step.url`` and wait for what comes back; the driver ends the wait."""
        raise LoginExpired("Nobody is there to open the vendor's page.")


class Callbacks(Listener):
    """A listener within one process, to which callbacks are fed: ``feed`` may come before the question."""

    def __init__(self) -> None:
        self._fed: asyncio.Queue[Callback] = asyncio.Queue(maxsize=16)

    def feed(self, callback: Callback) -> None:
        """Hand over what the vendor's page sent back; what comes too often is dropped."""
        if not self._fed.full():
            self._fed.put_nowait(callback)

    async def open_page(self, step: OpenPage) -> Callback:
        return await self._fed.get()


class Driver:
    """Runs flows with one way out. One driver may run many flows at once."""

    def __init__(
        self,
        client: UpstreamClient,
        *,
        proxy_url: str = "",
        clock: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
        call_timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        self._transport = UpstreamTransport(client, proxy_url)
        self._clock = clock
        self._sleep = sleep
        self._call_timeout_s = call_timeout_s

    async def run(self, flow: Flow[T], listener: Listener | None = None) -> T:
        """The flow's result. Raises what the flow raises (OAuthError); its message holds nothing secret that
        was sent or received."""
        secrets = Secrets()
        try:
            return await self._run(flow, listener or Listener(), secrets)
        except OAuthError as error:
            error.message = secrets.without(error.message)
            error.args = (error.message,)
            raise
        finally:
            flow.close()

    async def _run(self, flow: Flow[T], listener: Listener, secrets: Secrets) -> T:
        answer: Answer = None
        trouble: Exception | None = None
        while True:
            try:
                step = flow.send(answer) if trouble is None else flow.throw(trouble)
            except StopIteration as end:
                result: T = end.value
                return result
            answer, trouble = None, None
            if isinstance(step, HttpCall):
                secrets.add_call(step)
            try:
                answer = await self._do(step, listener)
            except (NetworkTrouble, LoginExpired) as error:
                trouble = error
            if isinstance(answer, HttpAnswer):
                secrets.add_answer(answer)
            elif isinstance(answer, Callback):
                secrets.add(answer.code)

    async def _do(self, step: Step, listener: Listener) -> Answer:
        match step:
            case HttpCall():
                return await self._call(step)
            case Wait():
                await self._sleep(step.seconds)
            case ShowCode():
                await listener.show_code(step)
            case SlowedDown():
                await listener.slowed_down(step)
            case Renewed():
                await listener.renewed(step.grant)
            case OpenPage():
                try:
                    async with asyncio.timeout(step.expires_in_s):
                        return await listener.open_page(step)
                except TimeoutError as error:
                    raise LoginExpired("Nobody came back from the vendor's page in time.") from error
        return None

    async def _call(self, step: HttpCall) -> HttpAnswer:
        headers = {"user-agent": USER_AGENT, "accept-encoding": "identity"}
        headers |= {name.lower(): value for name, value in step.headers}
        try:
            request = httpx.Request(step.method, step.url, headers=headers, content=step.body)
        except (httpx.InvalidURL, ValueError) as error:
            raise NetworkTrouble("the call has an address or a header that cannot be sent") from error
        try:
            async with asyncio.timeout(self._call_timeout_s):
                response = await self._transport.handle_async_request(request)
                try:
                    body = await _read(response)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise NetworkTrouble(f"no answer within {self._call_timeout_s:g} s") from error
        except UpstreamError as error:
            raise NetworkTrouble(error.message) from error
        received = dict(response.headers.multi_items())
        return HttpAnswer(status=response.status_code, headers=received, body=body, at=self._clock())


async def _read(response: httpx.Response) -> bytes:
    """The body as it was sent. Raises NetworkTrouble past ANSWER_LIMIT bytes."""
    pieces, size = [], 0
    async for piece in response.aiter_raw():
        pieces.append(piece)
        size += len(piece)
        if size > ANSWER_LIMIT:
            raise NetworkTrouble(f"the vendor sent more than {ANSWER_LIMIT} bytes")
    return b"".join(pieces)


def own_client() -> UpstreamClient:
    """An upstream client for a caller that has none, such as a command. Close it."""
    return UpstreamClient(Timeouts(connect_s=10.0, first_byte_s=CALL_TIMEOUT_S, idle_s=CALL_TIMEOUT_S))
