"""What can be looked at without the database: the data folder, the secrets in it, the disk, the file."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from cliproxy_site.doctor.findings import Finding, note, ok, problem
from management_api.config import startup
from management_api.config.problems import ConfigRefused

SECRET_FILES = ("secret_key", "client_key_pepper", "encryption_keys")
LEAST_FREE_BYTES = 200 * 1024 * 1024
SPOOL_LATE_BYTES = 16 * 1024 * 1024


def data_folder(folder: Path) -> Iterator[Finding]:
    """Private to its owner, with room for the ledger."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        yield problem("data", f"{folder} can be read by others (mode {mode:04o}).", f"chmod 700 {folder}")
    else:
        yield ok("data", f"{folder} is private to its owner.")
    open_files = [name for name in SECRET_FILES if _mode(folder / name) & 0o077]
    for name in open_files:
        path = folder / name
        yield problem("data", f"{path} can be read by others.", f"chmod 600 {path}")
    if not open_files and any((folder / name).exists() for name in SECRET_FILES):
        yield ok("data", "The generated secrets are private.")
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        yield problem(
            "data",
            f"Only {free // 2**20} MiB are free in {folder}: usage records are lost on a full disk.",
            "Free space there, or set CLIPROXY_DATA_DIR to a larger disk.",
        )
    yield from _spool(folder / "spool")


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return 0


def _spool(folder: Path) -> Iterator[Finding]:
    waiting = sum(path.stat().st_size for path in folder.glob("usage-*.jsonl")) if folder.is_dir() else 0
    if waiting > SPOOL_LATE_BYTES:
        yield note(
            "ledger",
            f"{waiting // 2**20} MiB of usage records lie in the spool.",
            "Where no gateway runs, the next start writes them; where one does, its log says what stops it.",
        )


def environment(is_debug: bool, is_root: bool | None = None) -> Iterator[Finding]:
    if is_debug:
        yield problem(
            "settings",
            "DJANGO_DEBUG is on: error pages show settings to everybody.",
            "Leave DJANGO_DEBUG out, or set it to false.",
        )
    if os.geteuid() == 0 if is_root is None else is_root:
        yield note(
            "settings", "This runs as root.", "A user of its own, who owns the data folder, is enough."
        )


def configuration(path: str) -> Iterator[Finding]:
    """The file, checked as ``serve`` checks it and applied to nothing."""
    if not path:
        yield ok("config", "No configuration file: the database owns everything.")
        return
    file = Path(path)
    try:
        content = file.read_bytes()
        config, problems = startup.check(content, file.name)
    except OSError as error:
        yield problem(
            "config", f"{path} cannot be read: {error.strerror}.", "Name the right file in --config."
        )
        return
    except ConfigRefused as error:
        for line in str(error).splitlines():
            yield problem("config", line, "Correct this line of the file; nothing is applied until then.")
        return
    for warning in problems:
        yield note("config", str(warning))
    mode = _mode(file)
    if mode & 0o044 and _holds_secrets(content):
        yield note(
            "config", f"{path} holds keys and can be read by others (mode {mode:04o}).", f"chmod 600 {path}"
        )
    count = len(config.providers)
    yield ok("config", f"{path} is valid: {count} provider{'' if count == 1 else 's'}.")


def _holds_secrets(content: bytes) -> bool:
    return b"api-key:" in content or b"api_key:" in content or b"secret-key:" in content
