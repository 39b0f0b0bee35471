"""Watches ``auth-dir`` and the token files that the configuration names, and applies what changed.

``watchfiles`` tells of changes at once; file systems that report nothing are looked at every few seconds.
Every process watches, and the database decides who applies (``management_api/auth_dir/apply.py``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection
from watchfiles import Change, awatch

from management_api.auth_dir.apply import (
    Outcome,
    adopt_configured,
    apply_folder,
    credential_folders,
    token_file_path,
)
from providers.models import Credential
from providers.secrets import SecretsError

logger = logging.getLogger("oauth.files")

QUIET_MS = 100
BUSY_MS = 1000


class CredentialFileWatcher:
    """``run`` once, in a task that somebody owns. ``folder`` tells where ``auth-dir`` is now."""

    def __init__(self, folder: Callable[[], str], interval_s: float = 5.0) -> None:
        self._folder = folder
        self._interval_s = interval_s
        self._told: dict[str, str] = {}

    async def run(self) -> None:
        look = sync_to_async(self._look_in_thread, thread_sensitive=False)
        while True:
            folders = await look()
            if not folders:
                await asyncio.sleep(self._interval_s)
                continue
            try:
                async for _ in awatch(
                    *folders,
                    watch_filter=_is_json,
                    step=QUIET_MS,
                    debounce=BUSY_MS,
                    rust_timeout=int(self._interval_s * 1000),
                    yield_on_timeout=True,
                    recursive=False,  # a token file may lie in a home folder
                ):
                    if await look() != folders:
                        break
            except OSError as error:  # a folder vanished meanwhile, or inotify's limits are reached
                self._tell({"auth-dir": f"It is only looked at every {self._interval_s:g} s: {error}"})
                await asyncio.sleep(self._interval_s)

    def look(self) -> set[Path]:
        """Apply what is new. Returns the folders to watch. Synchronous; logs errors and raises none."""
        try:
            folder = Path(self._folder()).expanduser().absolute()
        except RuntimeError:
            self._tell({"auth-dir": "It begins with ~, and nobody knows the home folder."})
            folder = Path("/nonexistent")
        folders = set(credential_folders(folder))
        try:
            for outcome in (apply_folder(folder), adopt_configured()):
                self._report(outcome)
            for options in Credential.objects.filter(kind="oauth").values_list("options", flat=True):
                given = str(options.get("token-file", "")) if isinstance(options, dict) else ""
                path = token_file_path(given) if given else None
                if path is not None and path.parent.is_dir():
                    folders.add(path.parent)
        except (DatabaseError, SecretsError) as error:
            self._tell({"database": f"Credential files wait: {type(error).__name__}"})
        return folders

    def _look_in_thread(self) -> set[Path]:
        try:
            return self.look()
        finally:
            connection.close()

    def _report(self, outcome: Outcome) -> None:
        for what in ("added", "changed", "removed"):
            for name in getattr(outcome, what):
                logger.info("credential file %s", what, extra={"fields": {"file": name}})
        self._tell(outcome.skipped)

    def _tell(self, notes: dict[str, str]) -> None:
        """Each trouble once, as long as it is the same."""
        for name, why in notes.items():
            if self._told.get(name) != why:
                self._told[name] = why
                logger.warning("credential file", extra={"fields": {"file": name, "why": why}})


def _is_json(change: Change, path: str) -> bool:
    return path.lower().endswith((".json", ".txt"))
