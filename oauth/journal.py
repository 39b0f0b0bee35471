"""What a vendor gave in a refresh, on disk before anything else is done with it. Synchronous, each call
short.

A rotated token exists once: between the vendor's answer and the database's commit a ``kill -9`` would lose
it, and the old one is spent. So the answer is written to one small file first (sealed with the same keys as
the database, 0600, then flushed to the disk), and the file goes when the commit is there. Whoever holds the
lease next, or starts next on this data folder, finds it and commits it instead of asking the vendor a second
time.

The folder belongs to one machine. Where several share a PostgreSQL, the machine that died brings its answer
in when it starts again: the version tells whether it is still wanted.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
from django.conf import settings

from oauth.flows.base import Grant
from providers import secrets

logger = logging.getLogger("oauth.refresh")

NAME = re.compile(r"(\d+)-(\d+)\.sealed")
"""The login's row, and the version of it that the answer replaces."""
WHOLE = "\n"
"""Ends a file that was written to its end."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that nobody is known to have committed."""

    token_id: int
    credential_id: int
    version: int
    grant: Grant
    replaces: str
    """``digest_of`` the grant that was refreshed: row and version alone would also fit a login of a database
    that was made anew beside this folder."""

    def is_of(self, token_id: int, version: int, grant: Grant) -> bool:
        """Whether it is the answer to the refresh of this login as it is now."""
        known = (self.token_id, self.version, self.replaces)
        return known == (token_id, version, digest_of(grant))


def digest_of(grant: Grant) -> str:
    return hashlib.sha256(msgspec.json.encode(grant)).hexdigest()


def keep(kept: Kept) -> None:
    """Write it down: at once, and in one piece, so that nothing but the machine's own end can lose it any
    more; against that, ``flush`` it. A disk that cannot take it is no reason to lose the answer: it is
    logged."""
    path = _path(kept.token_id, kept.version)
    try:
        sealed = secrets.seal(msgspec.json.encode(kept).decode())
        path.parent.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(handle, f"{sealed}{WHOLE}".encode())
        finally:
            os.close(handle)
    except (OSError, secrets.SecretsError) as error:
        logger.error("a renewed login could not be written down before it is stored: %s", error)


def flush(token_id: int, version: int) -> None:
    """To the disk, with its name, which is an entry of the folder. Takes the time that a disk takes."""
    path = _path(token_id, version)
    try:
        for target in (path, path.parent):
            handle = os.open(target, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    except OSError as error:
        logger.error("a renewed login could not be flushed to the disk: %s", error.strerror)


def find(token_id: int, version: int, grant: Grant) -> Kept | None:
    """The answer to a refresh of ``grant``, if one was written down. Raises SecretsError where its key is
    missing: then the vendor must not be asked either."""
    kept = _read(_path(token_id, version))
    return kept if kept is not None and kept.is_of(token_id, version, grant) else None


def every() -> Iterator[Kept]:
    """All that is there; what cannot be read now stays for later."""
    try:
        found = sorted(_folder().iterdir())
    except OSError:
        return
    for path in found:
        if NAME.fullmatch(path.name) is None:
            continue
        try:
            kept = _read(path)
        except secrets.SecretsError as error:
            logger.error("a renewed login that was written down cannot be read: %s", error)
            continue
        if kept is not None:
            yield kept


def forget(token_id: int, version: int) -> None:
    """It is committed, or nobody wants it any more."""
    try:
        _path(token_id, version).unlink(missing_ok=True)
    except OSError as error:
        logger.warning("a written-down login cannot be removed: %s", error.strerror)


def _read(path: Path) -> Kept | None:
    try:
        sealed = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        logger.error("a renewed login that was written down cannot be read: %s", error)
        return None
    if not sealed.endswith(WHOLE):
        return None  # the process ended while it wrote
    try:
        return msgspec.json.decode(secrets.reveal(sealed.removesuffix(WHOLE)), type=Kept)
    except msgspec.DecodeError:
        logger.error("%s in the data folder holds no login; it is left alone", path.name)
        return None


def _folder() -> Path:
    return Path(settings.DATA_DIR) / "refreshes"


def _path(token_id: int, version: int) -> Path:
    return _folder() / f"{token_id}-{version}.sealed"
