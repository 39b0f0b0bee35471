"""Drives the logins of this process: one task per attempt, on an event loop in a thread of its own.

A thread of its own, because attempts are begun by views, commands and the management API, under any server or
none, and because a login must never hold up the loop that serves models. What happens is written to the
attempt's row, which pages of every process read; a callback arrives through the row as well, from whichever
process received it. The lease of the row is renewed here: it ends with this process, however that ends.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from django.db import DatabaseError, connections

from oauth import attempts
from oauth.driver import Driver, Listener, own_client
from oauth.flows.base import Callback, Flow, Grant, OpenPage, ShowCode, SlowedDown
from oauth.flows.channel import Channel
from oauth.flows.errors import LoginDenied, LoginExpired, NetworkTrouble, OAuthError
from oauth.local_port import LocalPorts, PortBusy
from oauth.models import AttemptStatus, AttemptStep
from providers.secrets import SecretsError
from providers.upstream.client import UpstreamClient

logger = logging.getLogger("oauth")

T = TypeVar("T")

MOST_AT_ONCE = 100
"""Attempts driven by one process; each is a task and, now and then, a request."""
HEARTBEAT_S = 4.0
STOP_WITHIN_S = 5.0
LOOKS_EVERY_S = 1.0
"""How often the row is looked at for a callback that another process received."""
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class TooMany(OAuthError):
    """This process drives as many logins as it may."""

    client_status = 429
    code: str | None = "too_many_logins"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the runner is asked to drive. ``forward`` is an address of this server to which the channel's
    local port sends the browser on; "" lets the port answer by itself."""

    attempt_id: uuid.UUID
    state: str
    channel: Channel
    flow: Flow[Grant]
    proxy_url: str = ""
    forward: str = ""
    listens: bool = True


class LoginRunner:
    """Starts its thread with the first attempt. Every public method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._jobs: dict[uuid.UUID, _Job] = {}
        self._database = ThreadPoolExecutor(2, thread_name_prefix="logins")
        self._ports = LocalPorts(self._deliver)
        self._watchers: dict[uuid.UUID, set[Callable[[], None]]] = {}
        self._thread: threading.Thread | None = None
        self._client: UpstreamClient | None = None
        self._ended: deque[_Job] = deque(maxlen=MOST_AT_ONCE)
        """A job may end before anybody waits for it."""

    def start(self, order: Order) -> None:
        """Drive ``order``. Raises TooMany."""
        with self._lock:
            if len(self._jobs) >= MOST_AT_ONCE:
                raise TooMany("Too many logins are under way. Finish or cancel one of them first.")
            job = _Job(order, self)
            self._jobs[order.attempt_id] = job
            loop = self._running_loop()
        asyncio.run_coroutine_threadsafe(self._run(job), loop)

    def wait_until_shown(self, attempt_id: uuid.UUID, timeout_s: float) -> OAuthError | None:
        """Return when the attempt has something to show or has ended, or after ``timeout_s``; with what it
        failed of, if it did."""
        return self._wait(attempt_id, timeout_s, for_end=False)

    def wait_until_ended(self, attempt_id: uuid.UUID, timeout_s: float) -> OAuthError | None:
        return self._wait(attempt_id, timeout_s, for_end=True)

    def _wait(self, attempt_id: uuid.UUID, timeout_s: float, *, for_end: bool) -> OAuthError | None:
        with self._lock:
            job = self._jobs.get(attempt_id) or next((j for j in self._ended if j.id == attempt_id), None)
        if job is None:
            return None
        (job.has_ended if for_end else job.has_shown).wait(timeout_s)
        return job.error

    def wake(self) -> None:
        """Something was written to rows: look now and not in a second."""
        with self._lock:
            loop, jobs = self._loop, list(self._jobs.values())
        if loop is not None:
            for job in jobs:
                loop.call_soon_threadsafe(job.wake.set)

    def watch(self, attempt_id: uuid.UUID, tell: Callable[[], None]) -> Callable[[], None]:
        """Call ``tell``, from the runner's thread, whenever the attempt changes in this process. Returns
        what ends that."""
        with self._lock:
            self._watchers.setdefault(attempt_id, set()).add(tell)

        def end() -> None:
            with self._lock:
                told = self._watchers.get(attempt_id, set())
                told.discard(tell)
                if not told:
                    self._watchers.pop(attempt_id, None)

        return end

    def stop(self) -> None:
        """Interrupt what is under way and say so in its rows; for the end of the process."""
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is None or thread is None or self._pid != os.getpid():
            return
        asyncio.run_coroutine_threadsafe(self._end(), loop).add_done_callback(
            lambda _: loop.call_soon_threadsafe(loop.stop)
        )
        thread.join(STOP_WITHIN_S)

    async def _end(self) -> None:
        own = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not own]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    # --- on the runner's thread -------------------------------------------------------------------

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        """The loop, with its thread; after a fork a new one. Called with the lock held."""
        if self._loop is None or self._pid != os.getpid():
            self._loop = asyncio.new_event_loop()
            self._pid = os.getpid()
            self._client = None  # its connections belong to one loop
            self._thread = threading.Thread(
                target=_serve_loop, args=(self._loop,), name="logins-loop", daemon=True
            )
            self._thread.start()
            asyncio.run_coroutine_threadsafe(self._keep_alive(), self._loop)
        return self._loop

    async def _run(self, job: _Job) -> None:
        job.task = asyncio.current_task()
        try:
            if self._client is None:
                self._client = own_client()
            driver = Driver(self._client, proxy_url=job.order.proxy_url)
            grant = await driver.run(job.order.flow, job)
            order = job.order
            await self.in_database(lambda: attempts.complete(order.attempt_id, order.channel, grant))
        except asyncio.CancelledError:
            await asyncio.shield(self._failed(job, AttemptStatus.FAILED, attempts.INTERRUPTED, job.why_ended))
        except OAuthError as error:
            job.error = error
            await self._failed(job, _status_of(error), error.code or "failed", _words_of(error))
        except (DatabaseError, SecretsError):
            logger.exception("the tokens of a login could not be stored")
            await self._failed(
                job, AttemptStatus.FAILED, "not_stored", "The tokens could not be stored; the log says why."
            )
        except Exception:
            logger.exception("a login failed inside the gateway")
            await self._failed(
                job, AttemptStatus.FAILED, "failed", "The login failed inside the gateway; the log says why."
            )
        finally:
            with self._lock:
                self._jobs.pop(job.id, None)
                self._ended.append(job)
            job.has_shown.set()
            job.has_ended.set()
            self.tell(job.order.attempt_id)

    async def _failed(self, job: _Job, status: AttemptStatus, code: str, message: str) -> None:
        try:
            await self.in_database(lambda: attempts.fail(job.order.attempt_id, status, code, message))
        except DatabaseError:
            logger.exception("the end of a login could not be written")

    async def _keep_alive(self) -> None:
        """Renew the leases; end the tasks of attempts that somebody cancelled."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            with self._lock:
                jobs = dict(self._jobs)
            if not jobs:
                continue
            try:
                ended = await self.in_database(functools.partial(_renew, tuple(jobs)))
            except DatabaseError as error:
                logger.warning("the leases of logins could not be renewed: %s", error)
                continue
            for attempt_id in ended:
                jobs[attempt_id].interrupt()

    async def _deliver(self, callback: Callback) -> str:
        outcome = await self.in_database(lambda: attempts.deliver(callback))
        self.wake()
        return "" if outcome is attempts.Delivery.TAKEN else str(outcome)

    async def in_database(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._database, _with_connection, work)

    def tell(self, attempt_id: uuid.UUID) -> None:
        with self._lock:
            told = tuple(self._watchers.get(attempt_id, ()))
        for tell in told:
            tell()

    @property
    def ports(self) -> LocalPorts:
        return self._ports


class _Job(Listener):
    """One attempt under way, and what its flow shows and asks."""

    def __init__(self, order: Order, runner: LoginRunner) -> None:
        self.order = order
        self.id = order.attempt_id
        self.error: OAuthError | None = None
        self.task: asyncio.Task[None] | None = None
        self.wake = asyncio.Event()
        self.has_shown = threading.Event()
        self.has_ended = threading.Event()
        self.why_ended = "The gateway was stopped while this login was under way. Start it again."
        self._runner = runner
        self._shown = attempts.Shown(state=order.state)

    def interrupt(self) -> None:
        if self.task is not None:
            self.task.cancel()

    async def show_code(self, step: ShowCode) -> None:
        shown = msgspec.structs.replace(
            self._shown,
            user_code=step.user_code,
            verification_url=step.verification_url,
            verification_url_complete=step.verification_url_complete,
            interval_s=step.interval_s,
        )
        await self._show(shown, AttemptStep.CODE, time.time() + step.expires_in_s)

    async def slowed_down(self, step: SlowedDown) -> None:
        shown = msgspec.structs.replace(self._shown, interval_s=step.interval_s, is_slowed=True)
        await self._show(shown, AttemptStep.CODE)

    async def open_page(self, step: OpenPage) -> Callback:
        """Show the link, and return what came back by whichever way. Raises LoginExpired."""
        shown = msgspec.structs.replace(
            self._shown, state=step.state, page_url=step.url, redirect_uri=step.redirect_uri
        )
        deadline = time.time() + step.expires_in_s
        local = local_address(step.redirect_uri) if self.order.listens else None
        if local is None:
            await self._show(shown, AttemptStep.PAGE, deadline)
            return await self._callback(deadline)
        port, path = local
        try:
            async with self._runner.ports.listening(port, path, step.state, self.order.forward):
                await self._show(msgspec.structs.replace(shown, port=port), AttemptStep.PAGE, deadline)
                return await self._callback(deadline)
        except PortBusy as busy:
            shown = msgspec.structs.replace(shown, port=port, port_trouble=str(busy))
            await self._show(shown, AttemptStep.PAGE, deadline)
            return await self._callback(deadline)

    async def _callback(self, deadline: float) -> Callback:
        attempt_id = self.order.attempt_id
        while True:
            self.wake.clear()
            is_pending, callback = await self._runner.in_database(lambda: attempts.take_callback(attempt_id))
            if callback is not None:
                self._runner.tell(attempt_id)
                return callback
            left = deadline - time.time()
            if not is_pending or left <= 0:
                raise LoginExpired("Nobody came back from the vendor's page in time. Start again.")
            try:
                async with asyncio.timeout(min(LOOKS_EVERY_S, left)):
                    await self.wake.wait()
            except TimeoutError:
                continue

    async def _show(self, shown: attempts.Shown, step: AttemptStep, expires_at: float | None = None) -> None:
        self._shown = shown
        attempt_id = self.order.attempt_id
        shows = await self._runner.in_database(lambda: attempts.show(attempt_id, shown, step, expires_at))
        if not shows:
            raise LoginExpired("The login was cancelled.")
        self.has_shown.set()
        self._runner.tell(attempt_id)


def _renew(attempt_ids: tuple[uuid.UUID, ...]) -> list[uuid.UUID]:
    attempts.keep_alive(list(attempt_ids))
    return attempts.ended_among(attempt_ids)


def _status_of(error: OAuthError) -> AttemptStatus:
    if isinstance(error, LoginDenied):
        return AttemptStatus.DENIED
    return AttemptStatus.EXPIRED if isinstance(error, LoginExpired) else AttemptStatus.FAILED


def _words_of(error: OAuthError) -> str:
    """A sentence for the page."""
    if isinstance(error, NetworkTrouble):
        return f"The vendor could not be reached: {error.message.rstrip('.')}. Start again."
    return error.message


def local_address(redirect_uri: str) -> tuple[int, str] | None:
    """Port and path of a redirect to this machine; None for any other, which no local port can take."""
    try:
        parts = urlsplit(redirect_uri)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme != "http" or parts.hostname not in LOOPBACK_NAMES or port is None:
        return None
    return port, parts.path or "/"


def _with_connection(work: Callable[[], T]) -> T:
    """Work with a connection of its own: logins are rare, and an idle connection is not free."""
    try:
        return work()
    finally:
        connections.close_all()


def _serve_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    loop.close()


RUNNER = LoginRunner()
"""Of this process. ``cliproxy_site/runtime.py`` and the ``login`` command stop it."""
