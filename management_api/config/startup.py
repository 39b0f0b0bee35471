"""From a file's path to an applied configuration: what ``serve`` does first and the watcher repeats."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from management_api.config import document, schema
from management_api.config.apply import Changes, apply
from management_api.config.problems import ConfigRefused, Problem, errors, warnings
from management_api.config.values import GatewayConfig

logger = logging.getLogger(__name__)


def load_and_apply(path: Path, environ: Mapping[str, str] | None = None) -> GatewayConfig:
    """Read ``path``, apply it, log its warnings. ``environ`` defaults to the process's environment.

    Raises ConfigRefused, whose text is every error of the file, one a line, for printing; then nothing has
    been applied. Raises DatabaseError when the database cannot be written. Synchronous.
    """
    config, problems = check(document.read_bytes(path), path.name, environ)
    report(path.name, apply(config), warnings(problems))
    return config


def check(
    content: bytes, source: str, environ: Mapping[str, str] | None = None
) -> tuple[GatewayConfig, list[Problem]]:
    """The configuration in ``content`` and its warnings, applied to nothing. Raises ConfigRefused."""
    config, problems = schema.read(
        document.parse(content, source), os.environ if environ is None else environ
    )
    if errors(problems):
        raise ConfigRefused(problems)
    return config, problems


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
