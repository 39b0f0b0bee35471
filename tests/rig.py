"""The gateway's hot path with a clock that a test moves and an upstream that a test writes: no socket.

The application, the exchange, the adapters and the state are the real ones; doubles stand at the outer edge
alone (the transport under the upstream client, the clock, the sleep and the dice).
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from providers.upstream.client import UpstreamClient
from providers.upstream.pools import Pools
from providers.upstream.sockets import UpstreamSocket
from providers.upstream.timeouts import Timeouts
from providers.upstream.transport import DroppedWhileNew, WayOut
from providers.values import CredentialEntry
from routing.core.explain import Explanation, explain
from routing.core.query import RouteQuery
from routing.core.table import ClientEntry, Offer, RegisteredModel, RouteSettings, RoutingTable
from routing.proxy.app import ProxyApplication
from routing.proxy.gateway import Gateway
from routing.state.memory import MemoryState
from routing.usage import UsageLine

KEY = "cpx-test-key-of-alice"
NOW = 1_800_000_000.0
MESSAGES = [{"role": "user", "content": "Hi"}]


def chat(text: str = "Hello", model: str = "up") -> bytes:
    """A whole chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": model, "choices": [choice]}
    return json.dumps({**body, "usage": usage}).encode()


def chunk(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": [choice]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def error(message: str, kind: str = "server_error", code: str | None = None) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "code": code}}).encode()


@dataclass
class Says:
    """One scripted answer. ``pieces`` make it a stream; ``breaks`` cuts it off behind them."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    pieces: tuple[bytes, ...] = ()
    breaks: bool = False


class Drops:
    """The connection closes before an answer."""


class Refuses:
    """Nobody listens."""


class Hangs:
    """The connection stands, and nothing comes."""


Answer = int | Says | Drops | Refuses | Hangs
OK = 200


class _Said:
    """An answer under way, and its own body."""

    closed = False

    def __init__(self, answer: Says) -> None:
        is_stream = bool(answer.pieces or answer.breaks)
        headers = {
            "content-type": "text/event-stream" if is_stream else "application/json",
            **answer.headers,
        }
        self.status = answer.status
        self.raw_headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._pieces = list(answer.pieces) if is_stream else [answer.body]
        self._breaks = answer.breaks

    @property
    def content(self) -> _Said:
        return self

    def read_nowait(self) -> bytes:
        return b""

    async def readany(self) -> bytes:
        if self._pieces:
            return self._pieces.pop(0)
        if self._breaks:
            raise aiohttp.ClientPayloadError("the connection was reset")
        return b""

    def release(self) -> None:
        self.closed = True

    async def wait_for_close(self) -> None:
        return


class ScriptedUpstream:
    """Answers by the key that a call carries: its script in order, the last answer for ever, else 200."""

    def __init__(self) -> None:
        self.scripts: dict[str, list[Answer]] = defaultdict(list)
        self.calls: list[tuple[str, str]] = []
        """(key, model) of every call, in order."""
        self.bodies: list[dict[str, Any]] = []
        self.answers: list[_Said] = []

    async def send(
        self,
        method: str,
        url: URL,
        headers: tuple[tuple[str, str], ...],
        body: bytes | AsyncIterator[bytes] | None,
        connect_s: float,
    ) -> _Said:
        assert isinstance(body, bytes)
        value = json.loads(body)
        await asyncio.sleep(0)  # as on a network, others go on meanwhile
        signed = dict(headers)
        key = signed.get("authorization", "").removeprefix("Bearer ") or signed.get("x-api-key", "")
        model = value.get("model", "")
        self.calls.append((key, model))
        self.bodies.append(value)
        script = self.scripts.get(f"{key}:{model}") or self.scripts.get(key)
        answer: Answer = OK
        if script:
            answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Hangs):
            await asyncio.Event().wait()
            raise AssertionError("unreachable")
        return self._answered(answer, is_stream=bool(value.get("stream")))

    def _answered(self, answer: int | Says | Drops | Refuses, *, is_stream: bool) -> _Said:
        if isinstance(answer, Refuses):
            raise aiohttp.ClientOSError("connection refused")
        if isinstance(answer, Drops):
            raise DroppedWhileNew("closed")
        if isinstance(answer, int):
            answer = Says(answer, b"" if answer == OK else error(f"status {answer}"))
        if answer.status == OK and not answer.body and not answer.pieces and not answer.breaks:
            answer = Says(pieces=(chunk("Hello", "stop"), DONE)) if is_stream else Says(body=chat())
        self.answers.append(_Said(answer))
        return self.answers[-1]

    async def connect(
        self, url: URL, headers: tuple[tuple[str, str], ...], protocols: tuple[str, ...]
    ) -> UpstreamSocket:
        raise aiohttp.ClientOSError("no WebSocket here")

    def leave(self) -> None:
        return

    def retire(self, closed: Callable[[], None]) -> None:
        closed()

    async def close(self) -> None:
        return


class _ScriptedPools(Pools):
    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream

    def transport(self, proxy_url: str, scheme: str, host: str) -> WayOut:
        return self._upstream

    async def close(self) -> None:
        return


@dataclass
class Reply:
    """What the client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json["error"]
        return found


@dataclass
class _Live:
    table: RoutingTable


class _Lines:
    def __init__(self) -> None:
        self.written: list[UsageLine] = []

    def append(self, line: UsageLine) -> None:
        self.written.append(line)


class Rig:
    """``offer`` makes credentials named by a letter (which is their key); ``script`` says how they answer."""

    def __init__(self, *, first_byte_s: float = 600.0, **settings: Any) -> None:
        self.now = NOW
        self.waits: list[float] = []
        self.dice = 0.0
        self.settings = RouteSettings(**settings)
        self.state = MemoryState()
        self.upstream = ScriptedUpstream()
        self.client = ClientEntry(id=1, label="alice")
        self.lines = _Lines()
        self.offers: dict[str, list[Offer]] = {}
        self.names: dict[int, str] = {}
        self.extra: dict[str, Any] = {}
        """More members of the table."""
        self.live = _Live(self._table())
        self.gateway = Gateway(
            live=self.live,
            state=self.state,
            client=UpstreamClient(Timeouts(first_byte_s=first_byte_s), _ScriptedPools(self.upstream)),
            ledger=self.lines,
            digest=lambda key: key,
            clock=lambda: self.now,
            sleep=self._sleep,
            random=lambda: self.dice,
            body_limit=10_000_000,
        )
        self.application = ProxyApplication(self.gateway)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def _table(self) -> RoutingTable:
        models = {
            name: RegisteredModel(id=name, offers=tuple(offers), created=1)
            for name, offers in self.offers.items()
        }
        values: dict[str, Any] = {"revision": 1, "clients": {KEY: self.client}, "settings": self.settings}
        return RoutingTable(models=models, **(values | self.extra))

    def credential(self, name: str, provider: str = "acme", **changes: Any) -> CredentialEntry:
        number = next((id for id, known in self.names.items() if known == name), len(self.names) + 1)
        self.names[number] = name
        values: dict[str, Any] = {
            "id": number,
            "provider_id": 1,
            "provider_key": provider,
            "adapter": "openai-compatibility",
            "base_url": "http://upstream.test/v1",
            "secret": name,
        }
        return CredentialEntry(**(values | changes))

    def offer(
        self, name: str, *members: str, model: str = "m", provider: str = "acme", **changes: Any
    ) -> None:
        entry = self.credential(name, provider, **changes)
        self.add(model, Offer(credential=entry, members=members or ("up",)))

    def add(self, model: str, offer: Offer) -> None:
        self.names.setdefault(offer.credential.id, offer.credential.secret)
        self.offers.setdefault(model, []).append(offer)
        self.publish()

    def publish(self) -> None:
        """The table, anew from the offers and the settings."""
        self.live.table = self._table()

    def script(self, name: str, *answers: Answer) -> None:
        self.upstream.scripts[name] = list(answers)

    @property
    def calls(self) -> str:
        """The credentials that were called, in order."""
        return "".join(key for key, _ in self.upstream.calls)

    @property
    def models(self) -> list[str]:
        """The upstream models that were called, in order."""
        return [model for _, model in self.upstream.calls]

    def rests(self, name: str, model: str = "up") -> float | None:
        """How long the credential rests from now on, None when it does not."""
        number = next(id for id, known in self.names.items() if known == name)
        found = self.state.cooldown(number, model, self.now)
        return None if found is None else found.until - self.now

    def explain(self, model: str = "m", **needs: Any) -> Explanation:
        query = RouteQuery(model=model, **needs)
        return explain(self.live.table, self.state, self.client, query, self.now, lambda: self.dice)

    async def ask(
        self,
        model: str = "m",
        headers: dict[str, str] | None = None,
        path: str = "/v1/chat/completions",
        **body: Any,
    ) -> Reply:
        raw = json.dumps({"model": model, "messages": MESSAGES, **body}).encode()
        return await self._called("POST", path, raw, headers or {})

    async def _called(self, method: str, path: str, raw: bytes, headers: dict[str, str]) -> Reply:
        named = {"authorization": f"Bearer {KEY}", "content-type": "application/json", **headers}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }
        sent: list[dict[str, Any]] = []
        incoming = [{"type": "http.request", "body": raw, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if incoming:
                return incoming.pop()
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

        async def send(message: Any) -> None:
            sent.append(dict(message))

        await self.application(scope, receive, send)
        head = sent[0]
        return Reply(
            status=head["status"],
            headers={name.decode(): value.decode() for name, value in head["headers"]},
            body=b"".join(message.get("body", b"") for message in sent[1:]),
        )

    async def listed(self) -> Any:
        """``GET /v1/models``."""
        return (await self._called("GET", "/v1/models", b"", {})).json

    async def ask_often(self, times: int, **request: Any) -> list[int]:
        return [(await self.ask(**request)).status for _ in range(times)]
