"""Watches the configuration file and applies it when its content changes.

What is watched are folders: an editor replaces the file, and Kubernetes swaps a symbolic link on the way
to it. Every folder in which such a swap can happen is watched, and the content decides whether anything
is new. Some network file systems report nothing, so the file is also looked at twice a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection
from watchfiles import Change, awatch

from management_api.config import document, startup
from management_api.config.apply import apply
from management_api.config.problems import ConfigRefused, Problem, errors, warnings
from management_api.config.values import GatewayConfig
from providers.secrets import SecretsError

logger = logging.getLogger(__name__)

QUIET_MS = 100
"""A change counts once nothing more has happened for so long: editors write in several steps."""
BUSY_MS = 300
"""In a folder that is never quiet, the file is looked at this often: a change is in force within a second."""
LOOK_INTERVAL_S = 0.5
"""The file is read this often in any case, so that neither a file system that reports nothing nor a change
made before the watch began is missed for long. Reading and hashing a usual file takes well under 1 ms."""
LINK_LIMIT = 40
"""As the kernel's own limit on symbolic links in one path."""


class WatchStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the file stands, for the status page. ``problems`` are of the content seen last."""

    applied_hash: str = ""
    """SHA-256 of the content in force."""
    applied_at: datetime | None = None
    problems: tuple[Problem, ...] = ()
    failure: str = ""
    """Why the content seen last is not in force; "" when it is."""


class ConfigWatcher:
    """Keeps the database at what the file says. Errors keep the configuration that is in force.

    ``applied`` is what ``load_and_apply`` returned; without it the file is applied when ``run`` begins.
    ``committed`` is called in the watcher's thread when a change stands in the database.
    """

    def __init__(
        self,
        path: Path,
        applied: GatewayConfig | None = None,
        environ: Mapping[str, str] | None = None,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self._path = path.absolute()
        self._environ = environ
        self._committed = committed
        self._config = applied
        self._warned = ""
        self._seen = applied.content_hash if applied else ""
        self.status = WatchStatus(applied_hash=self._seen, applied_at=datetime.now(UTC) if applied else None)

    async def run(self) -> None:
        """Watch until cancelled. Run it once, in a task that somebody owns."""
        look = sync_to_async(self._look_in_thread, thread_sensitive=False)
        while True:
            places = await asyncio.to_thread(places_of, self._path)
            folders = {place.parent for place in places if place.parent.is_dir()}
            await look()
            if not folders:
                await asyncio.sleep(LOOK_INTERVAL_S)
                continue
            try:
                async for _ in awatch(
                    *folders,
                    watch_filter=_OnlyPaths(places),
                    step=QUIET_MS,
                    debounce=BUSY_MS,
                    rust_timeout=int(LOOK_INTERVAL_S * 1000),
                    yield_on_timeout=True,
                    recursive=False,
                ):
                    await look()
                    if places != await asyncio.to_thread(places_of, self._path):
                        break
            except OSError as error:  # a folder vanished meanwhile, or inotify's limits are reached
                self._warn_once(f"{self._path.name} is only looked at twice a second: {error}")
                await asyncio.sleep(LOOK_INTERVAL_S)

    def look(self) -> None:
        """Apply the file if its content is new. Synchronous; logs errors once and raises none of them."""
        try:
            content = document.read_bytes(self._path)
        except ConfigRefused as refused:
            self._seen = ""  # whatever comes back counts as new
            self._fail(str(refused), refused.problems)
            return
        content_hash = hashlib.sha256(content).hexdigest()
        if content_hash == self._seen:
            return
        if not content.strip():
            return  # caught between truncation and writing, or emptied by mistake
        try:
            config, problems = startup.settle(self._path, content, self._environ)
        except ConfigRefused as refused:
            self._seen = content_hash
            self._fail(str(refused), refused.problems)
            return
        try:
            changes = apply(config)
        except (DatabaseError, SecretsError) as error:
            # Not marked as seen: the next look tries again.
            self._fail(f"{self._path.name} is not applied yet: {type(error).__name__}")
            return
        if changes:
            with contextlib.suppress(TimeoutError):  # a busy process takes the change over with its next poll
                self._committed()
        if changes or self._config:
            # Without either, this is the first look after ``serve`` applied and reported the same content.
            startup.report(self._path.name, changes, warnings(problems))
        self._warn_of_restart(config)
        self._seen, self._config = config.content_hash, config
        self._succeed(config.content_hash, tuple(problems))

    def _look_in_thread(self) -> None:
        try:
            self.look()
        except Exception:
            logger.exception("looking at %s failed", self._path.name)
        finally:
            connection.close()  # pool threads have no request whose end would return it

    def _warn_of_restart(self, config: GatewayConfig) -> None:
        held = self._config
        if held and (held.host, held.port, held.tls) != (config.host, config.port, config.tls):
            logger.warning("%s: host, port and tls take effect at the next start", self._path.name)

    def _warn_once(self, message: str) -> None:
        if message != self._warned:
            logger.warning("%s", message)
        self._warned = message

    def _succeed(self, content_hash: str, problems: tuple[Problem, ...]) -> None:
        self.status = WatchStatus(applied_hash=content_hash, applied_at=datetime.now(UTC), problems=problems)

    def _fail(self, failure: str, problems: tuple[Problem, ...] = ()) -> None:
        if failure != self.status.failure:
            lines = [str(problem) for problem in errors(problems)] or [failure]
            for line in lines:
                logger.error("%s", line)
            logger.error("the configuration in force stays as it is")
        self.status = msgspec.structs.replace(self.status, failure=failure, problems=problems)


class _OnlyPaths:
    """A filter for ``awatch``: the database or a log may lie in the same folder and change all the time.

    Then ``awatch`` never times out, so other files count too once LOOK_INTERVAL_S is over.
    """

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self._paths = frozenset(os.fspath(path) for path in paths)
        self._passed = time.monotonic()

    def __call__(self, change: Change, path: str) -> bool:
        now = time.monotonic()
        if path not in self._paths and now - self._passed < LOOK_INTERVAL_S:
            return False
        self._passed = now
        return True


def places_of(path: Path) -> tuple[Path, ...]:
    """The file at ``path`` and every symbolic link on the way to it: what a replacement replaces.

    Each is named by its real folder. The file itself need not exist.
    """
    places: dict[Path, None] = {}
    pending = list(path.absolute().parts)
    current = Path(pending.pop(0))
    links = 0
    while pending and links <= LINK_LIMIT:
        part = pending.pop(0)
        step = Path(os.path.normpath(current / part)) if part == ".." else current / part
        if step.is_symlink():
            links += 1
            places[step] = None
            target = step.readlink()
            pending = [*target.parts, *pending]
            if target.is_absolute():
                current = Path(pending.pop(0))
            continue
        if not pending:
            places[step] = None
        current = step
    return tuple(places)
