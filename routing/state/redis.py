"""Routing's memory shared by every process on one Redis (``REDIS_URL``).

Reads never leave the process: each keeps the whole state as ``memory.py`` does, sends what it changes at
once in the background, and takes over what others tell on one channel. Only a limit is asked of Redis itself,
since two processes must not both take the last place; that costs the request one short round trip, and no
other request anything. What each thing is worth across processes: docs/operations.md#redis.

Redis refusing, hanging or gone never fails a request: the state goes on as memory alone, says so once, and
once more when Redis is back and the two have been brought together.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import msgspec
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from providers.values import Limits
from routing.core.cooldown import History
from routing.core.state import Allowance, Claim, Ticket
from routing.state import scripts
from routing.state.memory import MemoryState
from routing.state.messages import (
    CHANGES,
    DECODER,
    HISTORY,
    Bound,
    Change,
    Failed,
    Message,
    Probed,
    Served,
    Unbound,
    Weighed,
    Weights,
    Worked,
)
from routing.state.outbox import Outbox
from routing.state.shared_limits import LEASE_S, SharedLimits

logger = logging.getLogger("routing.state")

ANSWER_WITHIN_S = 1.0
"""For background work. Redis answers in well under a millisecond on a local network."""
ADMIT_WITHIN_S = 0.5
"""For a request at a limit: after this it goes on by this process's own counts."""
RETRY_AFTER_S = (0.2, 0.5, 1.0, 2.0)
"""Between attempts to reach a Redis that is away; the last one repeats."""
ASK_EVERY_S = 1.0
"""How often an idle connection is tried, so that a Redis that hangs is noticed."""
PAUSE_PER_CHANGE_S = 0.0005
LONGEST_PAUSE_S = 0.01
"""A lone change is told at once; under load a batch leaves at most every 10 ms."""
REMEMBERED_S = 3600.0
"""How long a failure is kept behind its window, for the ladder."""
MOST_CHANGES = 10_000
"""Held back while one batch is under way; more than this means that Redis does not keep up."""
SCAN_BATCH = 500
CANCELLED_EVERY_S = 0.1
MOST_CONNECTIONS = 8
"""One listens, one speaks; the others ask for limits, some 7,000 a second each."""

TROUBLE = (RedisError, OSError, TimeoutError)


class RedisState(MemoryState):
    """Implements ``routing.core.state.RoutingState``. ``start`` in the event loop that serves, ``stop`` at
    the end; before, between and without Redis it is a MemoryState."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._origin = os.urandom(8).hex()
        self._client: redis.asyncio.Redis | None = None
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._is_up = False
        self._collects = False
        """Whether changes are kept to be told: from the moment that Redis is read."""
        self._has_told = False
        self._is_stopping = False
        self._failed = asyncio.Event()
        self._outbox = Outbox()
        self._known_turns: dict[str, int] = {}
        """Where each rotation stands in Redis, as far as it was heard; answers and messages cross."""
        self._over: dict[tuple[int, str], float] = {}
        """Failures that were forgotten while Redis was away, and when: what it holds of before is over."""
        self._limits = SharedLimits(self._origin)

    @property
    def is_shared(self) -> bool:
        """Whether Redis takes part right now."""
        return self._is_up

    # --- life ------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to share. Returns once Redis has been read, or has failed to answer for the first time."""
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            self._url,
            max_connections=MOST_CONNECTIONS,
            timeout=ADMIT_WITHIN_S,
            socket_timeout=ANSWER_WITHIN_S,
            socket_connect_timeout=ANSWER_WITHIN_S,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # with 3 the library asks each connection for a service that only Redis's cloud has
        )
        self._client = redis.asyncio.Redis.from_pool(pool)
        began = asyncio.Event()
        self._is_stopping = False
        self._task = asyncio.get_running_loop().create_task(self._share(began), name="redis-state")
        await began.wait()

    async def stop(self) -> None:
        """Tell what is left, give all places back, and close."""
        task, self._task = self._task, None
        # The library now and then loses a cancellation that meets a call: so the tasks look for themselves.
        self._is_stopping = True
        while task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CANCELLED_EVERY_S)
        if self._client is None:
            return
        if self._is_up:
            self._is_up = self._collects = False
            with contextlib.suppress(*TROUBLE):
                await self._tell()
                await self._limits.drop(self._client)
        with contextlib.suppress(*TROUBLE):
            await self._client.aclose()
        self._client = None

    async def _share(self, began: asyncio.Event) -> None:
        tries = 0
        while not self._is_stopping:
            try:
                await self._session(began)
            except* TROUBLE as group:
                tries = 0 if self._is_up else tries + 1
                self._went_down(_first(group))
            except* Exception as group:
                tries = len(RETRY_AFTER_S)
                if not self._has_told:
                    logger.exception("sharing through Redis failed inside the gateway")
                self._went_down(_first(group))
            began.set()
            await asyncio.sleep(RETRY_AFTER_S[min(tries, len(RETRY_AFTER_S) - 1)])

    async def _session(self, began: asyncio.Event) -> None:
        """One connection's life. Raises what ends it."""
        client = self._redis()
        async with client.pubsub() as channel:
            await channel.subscribe(scripts.CHANNEL)
            await self._join()
            self._came_up()
            began.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._to_its_end(self._listen(channel)))
                tasks.create_task(self._to_its_end(self._speak()))

    async def _to_its_end(self, half: Coroutine[Any, Any, None]) -> None:
        """When one half of a session ends, so does the other, though it should miss its cancellation."""
        try:
            await half
        finally:
            self._failed.set()
            self._news.set()

    def _came_up(self) -> None:
        self._is_up = True
        self._failed.clear()
        if self._has_told:
            logger.warning("Redis is back: routing's state is shared again")
        self._has_told = False

    def _went_down(self, error: BaseException) -> None:
        self._is_up = self._collects = False
        self._limits.forget()
        if not self._has_told:
            reason = str(error).partition("\n")[0] or type(error).__name__
            logger.warning(
                "Redis cannot be used (%s): routing's state is this process's own until it is back", reason
            )
        self._has_told = True
        # What was to be told is in the state itself, and is brought together when Redis is back.
        self._outbox = Outbox()

    def _redis(self) -> redis.asyncio.Redis:
        assert self._client is not None  # noqa: S101  (``start`` made it)
        return self._client

    # --- join: bring two states together ------------------------------------------------------

    async def _join(self) -> None:
        """Take over what Redis knows, and tell it what it does not: it may be new, or have been away."""
        now = time.time()
        self._collects = True
        over, self._over = self._over, {}
        async for credential, model, history in self._stored_failures():
            if _began(history) <= over.get((credential, model), -math.inf):
                self._outbox.add(Worked(credential, model))
            elif _ends(history) > _ends(self.history(credential, model)):
                self._keep_failure(credential, model, history)
        async for key, credential, until in self._stored_bindings(now):
            if self.binding(key, now) is None:
                super().bind(key, credential, now, until - now)
        await self._raise_turns()
        for credential, known in self._histories.items():
            for model, history in known.items():
                self._outbox.add(Failed(credential, model, history))
        for key, (credential, until) in self._bindings.items():
            if until > now:
                self._outbox.add(Bound(key, credential, until))
        await self._tell()
        await self._limits.renew(self._redis())

    async def _stored_failures(self) -> AsyncIterator[tuple[int, str, History]]:
        prefix = f"{scripts.PREFIX}rest:"
        async for keys in self._keys(prefix):
            for key, value in zip(keys, await self._redis().mget(keys), strict=True):
                credential, _, model = key.removeprefix(prefix).partition(":")
                with contextlib.suppress(msgspec.MsgspecError, ValueError):
                    if value is not None:
                        yield int(credential), model, HISTORY.decode(value)

    async def _stored_bindings(self, now: float) -> AsyncIterator[tuple[str, int, float]]:
        prefix = f"{scripts.PREFIX}bind:"
        async for keys in self._keys(prefix):
            pipeline = self._redis().pipeline(transaction=False)
            for key in keys:
                pipeline.get(key)
                pipeline.pttl(key)
            found = await pipeline.execute()
            for key, value, left_ms in zip(keys, found[::2], found[1::2], strict=True):
                with contextlib.suppress(ValueError):
                    if value is not None and left_ms > 0:
                        yield key.removeprefix(prefix), int(value), now + left_ms / 1000

    async def _keys(self, prefix: str) -> AsyncIterator[list[str]]:
        batch: list[str] = []
        pattern = prefix + "*"
        async for key in self._redis().scan_iter(match=pattern, count=SCAN_BATCH):
            batch.append(_text(key))
            if len(batch) >= SCAN_BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _raise_turns(self) -> None:
        for name, value in (await self._redis().hgetall(scripts.RINGS)).items():
            self._served[_text(name)] = int(value)
        stored = await self._redis().hgetall(scripts.TURNS)
        for name, value in stored.items():
            self._turns.setdefault(_text(name), int(value))
        mine = list(self._turns.items())
        if not mine:
            return
        self._outbox.moved.clear()
        flat = [part for pair in mine for part in pair]
        found = await self._redis().eval(scripts.RAISE_TURNS, 1, scripts.TURNS, *flat)
        self._known_turns.clear()
        for (name, _), stands_at in zip(mine, found, strict=True):
            self._turns[name] = self._learn_turn(name, stands_at)

    def _learn_turn(self, name: str, stands_at: int) -> int:
        """The next turn here, where all processes together stand at ``stands_at`` or beyond."""
        known = self._known_turns[name] = max(self._known_turns.get(name, 0), stands_at)
        return known + self._outbox.moved[name]

    # --- speak: what changed here -------------------------------------------------------------

    async def _speak(self) -> None:
        renewed = time.monotonic()
        while not self._is_stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ASK_EVERY_S):
                    await self._news.wait()
            if self._failed.is_set():
                raise TimeoutError("it does not answer")
            if self._news.is_set():
                size = await self._tell()
                await asyncio.sleep(min(size * PAUSE_PER_CHANGE_S, LONGEST_PAUSE_S))
            else:
                await self._redis().ping()
            if time.monotonic() - renewed > LEASE_S / 3:
                renewed = time.monotonic()
                await self._limits.renew(self._redis())

    async def _tell(self) -> int:
        """Send one batch; returns how much happened in it. Raises what Redis raises."""
        self._news.clear()
        batch, self._outbox = self._outbox, Outbox()
        if not batch.size:
            return 0
        told = batch.told()
        pipeline = self._redis().pipeline(transaction=False)
        for change in told:
            self._store(pipeline, change)
        for ticket, tokens in batch.settled:
            SharedLimits.settle(pipeline, ticket, tokens)
        if told or batch.moved:
            flat = [part for pair in batch.moved.items() for part in pair]
            body = CHANGES.encode(told)
            pipeline.eval(scripts.TELL, 1, scripts.TURNS, scripts.CHANNEL, self._origin, body, *flat)
        try:
            answers = await pipeline.execute()
        except BaseException:
            now = time.time()
            over = (change for change in batch.changes if isinstance(change, Worked))
            self._over |= {(change.credential, change.model): now for change in over}
            raise
        for name, stands_at in zip(batch.moved, answers[-1] if batch.moved else (), strict=True):
            self._turns[name] = self._learn_turn(name, int(stands_at))
        return batch.size

    def _store(self, pipeline: Any, change: Change) -> None:
        """For who starts later; those who live hear it."""
        match change:
            case Failed(credential, model, history):
                left_s = max(_ends(history) - time.time(), 0.0) + REMEMBERED_S
                key = f"{scripts.PREFIX}rest:{credential}:{model}"
                pipeline.set(key, msgspec.json.encode(history), px=math.ceil(min(left_s, 10**9) * 1000))
            case Worked(credential, model):
                pipeline.delete(f"{scripts.PREFIX}rest:{credential}:{model}")
            case Bound(key, credential, until):
                left_ms = math.ceil((until - time.time()) * 1000)
                if left_ms > 0:
                    pipeline.set(f"{scripts.PREFIX}bind:{key}", credential, px=left_ms)
            case Unbound(_, keys) if keys:
                pipeline.delete(*(f"{scripts.PREFIX}bind:{key}" for key in keys))
            case Served(rings):
                pipeline.hset(scripts.RINGS, mapping={key: str(last) for key, last in rings.items()})
            case _:
                pass

    def _note(self, change: Change) -> None:
        if not self._collects:
            if isinstance(change, Worked):
                self._over[change.credential, change.model] = time.time()
        else:
            self._outbox.add(change)
            if len(self._outbox.changes) > MOST_CHANGES:
                self._give_up()
            self._news.set()

    def _give_up(self) -> None:
        """Redis does not keep up, or did not answer a request in time: the session ends and starts anew."""
        self._is_up = self._collects = False
        self._failed.set()
        self._news.set()

    # --- listen: what changed elsewhere -------------------------------------------------------

    async def _listen(self, channel: Any) -> None:
        while not (self._is_stopping or self._failed.is_set()):
            message = await channel.get_message(ignore_subscribe_messages=True, timeout=ASK_EVERY_S)
            if message is not None and message["type"] == "message":
                self._hear(message["data"])

    def _hear(self, data: bytes) -> None:
        try:
            message = DECODER.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            logger.debug("a message of another version was passed over: %s", error)
            return
        if message.origin == self._origin:
            return
        self._apply(message)

    def _apply(self, message: Message) -> None:
        for name, stands_at in message.turns.items():
            self._turns[name] = max(self._turns.get(name, 0), self._learn_turn(name, stands_at))
        now = time.time()
        for change in message.changes:
            match change:
                case Failed(credential, model, history):
                    if _ends(history) >= _ends(self.history(credential, model)):
                        self._keep_failure(credential, model, history)
                case Worked(credential, model):
                    super()._forget(credential, model)
                case Probed(credential, model, until):
                    self._probed[credential, model] = until
                case Bound(key, credential, until):
                    super().bind(key, credential, now, until - now)
                case Unbound(credential, _):
                    super().unbind(credential)
                case Weighed(key, weights, chosen):
                    self._add_weighted(key, weights, chosen)
                case Served(rings):
                    self._served |= rings

    # --- the state, each change told -------------------------------------------------------------

    def record_failure(self, credential_id: int, model: str, history: History) -> None:
        super().record_failure(credential_id, model, history)
        self._note(Failed(credential_id, model, history))

    def _forget(self, credential_id: int, model: str) -> None:
        super()._forget(credential_id, model)
        self._note(Worked(credential_id, model))

    def turn(self, key: str, *, peek: bool = False) -> int:
        turn = super().turn(key, peek=peek)
        if not peek and self._collects:
            self._outbox.add_turn(key)
            self._news.set()
        return turn

    def note_served(self, key: str, credential_id: int) -> None:
        super().note_served(key, credential_id)
        if self._collects:
            self._outbox.add_served(key, credential_id)
            self._news.set()

    def weighted_turn(self, key: str, weights: Weights, *, peek: bool = False) -> int:
        chosen = super().weighted_turn(key, weights, peek=peek)
        if not peek and self._collects:
            self._outbox.add_weighted(key, weights, chosen)
            self._news.set()
        return chosen

    def claim_probe(self, credential_id: int, model: str, now: float, *, peek: bool = False) -> bool:
        rest = self.cooldown(credential_id, model, now)
        is_claimed = super().claim_probe(credential_id, model, now, peek=peek)
        if is_claimed and rest is not None and not peek:
            self._note(Probed(credential_id, rest.model, rest.until))
        return is_claimed

    def bind(self, key: str, credential_id: int, now: float, ttl_s: float) -> None:
        held = self._bindings.get(key)
        super().bind(key, credential_id, now, ttl_s)
        if held is None or held[0] != credential_id or held[1] - now < ttl_s * 0.75:
            self._note(Bound(key, credential_id, now + ttl_s))
        else:
            # A conversation renews its hold with every request: telling that now and then is enough.
            self._bindings[key] = held

    def unbind(self, credential_id: int) -> None:
        keys = tuple(self._bound.get(credential_id, ()))
        super().unbind(credential_id)
        self._note(Unbound(credential_id, keys))

    # --- limits -----------------------------------------------------------------------------

    def limit_wait_s(self, scope: str, limits: Limits, now: float) -> float:
        return max(super().limit_wait_s(scope, limits, now), self._limits.wait_s(scope, now))

    async def admit(self, claims: tuple[Claim, ...], now: float) -> Ticket | float:
        if not claims or not self._is_up:
            return self.admit_here(claims, now)
        wait = max(self.limit_wait_s(claim.scope, claim.limits, now) for claim in claims)
        if wait > 0:
            return wait
        try:
            async with asyncio.timeout(ADMIT_WITHIN_S):
                found = await self._limits.ask(self._redis(), claims, now)
        except TROUBLE as error:
            if self._is_up:
                logger.debug("Redis did not answer for a limit: %r", error)
                self._give_up()
            return self.admit_here(claims, now)
        if isinstance(found, Ticket):
            for claim in claims:
                self._windows.take(claim.scope, claim.tokens, now)
        return found

    def give_back(self, ticket: Ticket, tokens: int, now: float) -> None:
        super().give_back(ticket, tokens, now)
        if self._limits.end(ticket, tokens) and self._is_up:
            self._outbox.add_settled(ticket, tokens)
            self._news.set()

    def allowance(self, scope: str, limits: Limits, now: float) -> Allowance:
        return self._limits.allowance(scope, limits, now) or super().allowance(scope, limits, now)


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _ends(history: History) -> float:
    return history.cooldown.until if history.cooldown is not None else 0.0


def _began(history: History) -> float:
    return history.cooldown.since if history.cooldown is not None else 0.0
