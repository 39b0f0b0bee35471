"""``/v1/ws``: the WebSocket of a page that carries calls (``relay_pages``). The server pings, and closes a
connection that does not answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer

from providers.errors import GatewayError
from routing.proxy.access import authenticate
from routing.proxy.exchange import own_query
from routing.proxy.gateway import Gateway
from routing.proxy.realtime import refuse
from routing.proxy.relay_pages import POLICY, Page, RelayPages
from routing.proxy.wire import Message, Scope, Send, client_headers

UNSUPPORTED = 1003


class RelayPageConsumer(AsyncConsumer):  # type: ignore[misc]  # Channels carries no types
    """Channels' side of one page. ``gateway`` gives the parts of this process once they are started."""

    def __init__(self, gateway: Callable[[], Awaitable[Gateway]]) -> None:
        self._gateway = gateway
        self._pages: RelayPages | None = None
        self._page: Page | None = None

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()

    async def dispatch(self, message: Message) -> None:
        """As Channels does it, without looking after database connections for each message: it has none."""
        match message["type"]:
            case "websocket.connect":
                await self._connect()
            case "websocket.receive" if self._page is not None:
                await self._receive(message)
            case "websocket.disconnect":
                self._leave()
                raise StopConsumer

    async def _connect(self) -> None:
        gateway = await self._gateway()
        table = gateway.live.table
        headers = client_headers(self.scope)
        query = dict(parse_qsl(own_query(self.scope, headers)))
        if token := query.get("token"):
            headers.setdefault("authorization", f"Bearer {token}")
        is_known = True
        try:
            authenticate(table, headers, gateway.digest, gateway.clock())
        except GatewayError as error:
            if table.settings.ws_auth:
                await refuse(self.scope, self.base_send, error)
                return
            is_known = False
        await self.base_send({"type": "websocket.accept"})
        self._pages = gateway.pages
        self._page = gateway.pages.add(self._send_text, self._close)
        self._page.is_known = is_known

    async def _receive(self, message: Message) -> None:
        page = self._page
        assert page is not None  # noqa: S101  (``dispatch`` looked)
        text = message.get("text")
        if text is None:
            await self._close(UNSUPPORTED)
            return
        try:
            await page.session.received(text)
        except ValueError:
            await self._close(POLICY)

    async def _send_text(self, text: str) -> None:
        await self.base_send({"type": "websocket.send", "text": text})

    async def _close(self, code: int) -> None:
        self._leave()
        await self.base_send({"type": "websocket.close", "code": code})

    def _leave(self) -> None:
        page, self._page = self._page, None
        if page is not None and self._pages is not None:
            self._pages.remove(page)
