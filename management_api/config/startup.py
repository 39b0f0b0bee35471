"""From a file's path to an applied configuration: what ``serve`` does first and the watcher repeats."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from management_api.config import columns, document, editing, schema
from management_api.config.apply import Changes, apply
from management_api.config.problems import Problem, warnings
from management_api.config.values import GatewayConfig
from providers import secrets

logger = logging.getLogger(__name__)


def load_and_apply(path: Path, environ: Mapping[str, str] | None = None) -> GatewayConfig:
    """Read ``path``, apply it, log its warnings. ``environ`` defaults to the process's environment.

    Raises ConfigRefused, whose text is every error of the file, one a line, for printing; then nothing has
    been applied. Raises DatabaseError when the database cannot be written. Synchronous.
    """
    config, problems = settle(path, document.read_bytes(path), environ)
    report(path.name, apply(config), warnings(problems))
    return config


def check(
    content: bytes, source: str, environ: Mapping[str, str] | None = None
) -> tuple[GatewayConfig, list[Problem]]:
    """The configuration in ``content`` and its warnings, applied to nothing. Raises ConfigRefused."""
    return schema.accept(content, source, os.environ if environ is None else environ, unseal)


def unseal(token: str) -> str:
    """What an export has sealed. Raises ValueError when its key is not here."""
    try:
        return secrets.reveal(token)
    except secrets.SecretsError as error:
        raise ValueError(str(error)) from error


def settle(
    path: Path, content: bytes, environ: Mapping[str, str] | None = None
) -> tuple[GatewayConfig, list[Problem]]:
    """As ``check``, for the ``content`` read from ``path``: a management key in plain text is replaced in the
    file by its hash first, so that nobody finds it there. Raises ConfigRefused."""
    config, problems = check(content, path.name, environ)
    plain = _plain_management_key(content, path.name)
    if not plain:
        return config, problems
    token = columns.hashed(plain)

    def put_hash(values: MutableMapping[str, Any]) -> None:
        # Another process may have been here first.
        if values["remote-management"]["secret-key"].strip() == plain:
            values["remote-management"]["secret-key"] = DoubleQuotedScalarString(token)

    try:
        text = editing.edit(path, put_hash)
    except (editing.CannotWrite, KeyError, TypeError, AttributeError) as error:
        logger.warning("%s keeps its management key in plain text: %s", path.name, error)
        return config, problems
    return check(text.encode(), path.name, environ)


def _plain_management_key(content: bytes, source: str) -> str:
    """``remote-management.secret-key`` when it is written in plain text, neither hashed nor ``${NAME}``."""
    block = document.parse(content, source).root.entries.get("remote-management")
    entry = (
        block.value.entries.get("secret-key") if block and isinstance(block.value, document.Mapping) else None
    )
    if entry is None or not isinstance(entry.value, document.Scalar):
        return ""
    key = entry.value.text.strip()
    is_null = entry.value.kind is document.ScalarKind.NULL
    return "" if is_null or columns.is_hashed(key) or "${" in key else key


def report(source: str, changes: Changes, problems: list[Problem]) -> None:
    """Log what has no effect, then what an application changed."""
    for problem in problems:
        logger.warning("%s", problem)
    for note in changes.notes:
        logger.warning("%s, %s", source, note)
    logger.info(
        "configuration applied",
        extra={
            "fields": {
                "file": source,
                "created": changes.created,
                "updated": changes.updated,
                "deleted": changes.deleted,
            }
        },
    )
