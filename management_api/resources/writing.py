"""How a change of the management API is saved: into ``config.yaml`` where the server was started with one,
else into the database. One change at a time, whole or not at all.

A change of the file is an edit of its text that keeps comments and order, checked as a whole before it takes
the old text's place, and applied here as the watcher would. What the database holds is changed in one
transaction. Either way it is in force when the answer leaves.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.db import transaction
from rest_framework.request import Request

from management_api.config import document, editing, schema
from management_api.config.problems import ConfigRefused
from management_api.config.startup import load_and_apply
from management_api.config.values import GatewayConfig
from management_api.errors import ManagementError
from management_api.resources import masking
from providers.models import Owned
from routing.models import ConfigRevision
from routing.serving import live_of

logger = logging.getLogger(__name__)

LOCK_NAME = "config.lock"
OTHERS_S = 0.1
"""What other processes need, besides the interval in which they look, to take a change over."""


def config_path() -> Path | None:
    """The file that owns the configuration, or None: the database does."""
    return Path(settings.CONFIG_FILE) if settings.CONFIG_FILE else None


def read_file(path: Path) -> document.Document:
    """What the file says now. Raises ManagementError 500 when it is not to be read."""
    try:
        return document.load(path)
    except ConfigRefused as error:
        raise ManagementError(500, f"failed to read config: {error}") from error


@contextmanager
def one_writer() -> Iterator[None]:
    """Alone among the writers of the API, from the edit to its application: of two edits, the older must not
    be applied last."""
    handle = os.open(settings.DATA_DIR / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def one_transaction() -> Iterator[None]:
    """A transaction that is alone among those which change the configuration, in every process."""
    with transaction.atomic():
        ConfigRevision.objects.get_or_create(pk=1)
        ConfigRevision.objects.select_for_update().get(pk=1)
        yield


def change_file(path: Path, plan: editing.Plan) -> None:
    """Edit the file and apply it. Raises ManagementError: 400 where what came of it is refused, 500 where it
    cannot be saved; then the file is as it was. DatabaseError where it is saved and cannot be applied yet."""
    save(path, lambda: editing.edit_seen(path, plan))


def save(path: Path, write: Callable[[], object]) -> None:
    """``write`` the file, then apply it. Raises as ``change_file``."""
    with one_writer():
        try:
            write()
        except ConfigRefused as error:
            raise _refusal(path, error) from error
        except editing.CannotWrite as error:
            raise ManagementError(500, f"failed to save config: {error}") from error
        try:
            load_and_apply(path)
        except ConfigRefused as error:  # somebody else's edit, a moment later
            raise ManagementError(500, f"failed to save config: {error}") from error


def _refusal(path: Path, error: ConfigRefused) -> ManagementError:
    """The caller's mistake, unless the file was not acceptable before either."""
    try:
        schema.accept(document.read_bytes(path), path.name, os.environ, lambda token: token)
    except ConfigRefused as before:
        return ManagementError(500, f"failed to save config: {before}")
    return ManagementError(400, "invalid body", message=str(error))


def read_block(name: str, content: Any) -> GatewayConfig:
    """``content`` as a file would have it under ``name``; what has no effect is logged, as with a file.

    Raises ManagementError 400.
    """
    said = msgspec.json.encode({name: masking.escaped(content)})
    try:
        config, problems = schema.accept(said, "a request", {})
    except ConfigRefused as error:
        raise ManagementError(400, "invalid body", message=str(error)) from error
    for problem in problems:
        logger.warning("%s", problem)
    return config


def refuse_rows_of_a_file(*rows: Owned | None) -> None:
    """Raises ManagementError 409 for a row that belongs to a file which this server was started without."""
    for row in rows:
        if row is not None and row.is_from_file:
            raise ManagementError(
                409,
                f"{row.origin_key or row} belongs to config.yaml, and this server was started without one",
            )


def announce(request: Request) -> None:
    """Let this process take the change over at once, and give the others the time that they need: who has the
    answer finds the change in force everywhere. A busy process may be a little later; it is saved."""
    live = live_of(request._request)
    if live is not None:
        with contextlib.suppress(TimeoutError):
            live.look_again()
    if settings.TOTALS_DIR is not None or settings.REDIS_URL:  # there are other processes
        threading.Event().wait(settings.REFRESH_INTERVAL_S + OTHERS_S)
