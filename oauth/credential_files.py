"""Credential files on disk: read whole, replaced whole, and kept in step with the tokens they own.

The file that a login came from stays its owner: refreshed tokens are written back into it, in its own shape
and with every other key as it was, unless somebody wrote other tokens into it meanwhile (then those hold).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets as random
from collections.abc import Mapping
from pathlib import Path

import msgspec

from oauth.flows import files, wire
from oauth.flows.base import Grant
from oauth.flows.channel import Channel
from oauth.flows.errors import OAuthError
from oauth.models import OAuthToken

logger = logging.getLogger("oauth.files")

MAX_BYTES = 1024 * 1024
"""A credential file has a few KB; what is larger is something else."""
PART = "::"
"""Behind it in ``OAuthToken.file_path``: which of several logins of one file."""


class CredentialFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it was read. ``content`` is {} for what is no JSON object."""

    path: Path
    digest: str
    text: str
    content: dict[str, object]

    def __repr__(self) -> str:
        return f"CredentialFile({self.path.name})"


def read(path: Path) -> CredentialFile | None:
    """The file; None where there is none, or nothing that could be one. Raises OSError."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    if len(raw) > MAX_BYTES:
        return None
    text = raw.decode("utf-8", errors="replace").removeprefix("\ufeff")
    return CredentialFile(path=path, digest=digest_of(raw), text=text, content=wire.object_from(text))


def with_registration(file: CredentialFile) -> dict[str, object]:
    """The file's content; Kiro's IDE keeps the client registration in a file of its own beside it."""
    name = files.registration_name(file.content)
    if not name:
        return file.content
    beside = read(file.path.with_name(name))
    found = beside.content if beside is not None else {}
    registration = {key: found[key] for key in ("clientId", "clientSecret") if found.get(key)}
    return {**registration, **file.content}


def digest_of(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def write(path: Path, content: Mapping[str, object]) -> str:
    """Replace the file whole, readable by its owner alone; returns the new digest. Raises OSError."""
    raw = (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()
    target = path.resolve() if path.is_symlink() else path
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Not *.json: whoever watches the folder for credential files must not see the draft.
    draft = target.with_name(f".{target.name}.{random.token_hex(4)}.part")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)
    return digest_of(raw)


def path_of(file_path: str) -> Path:
    """Where a login's file is."""
    return Path(file_path.partition(PART)[0])


def write_back(credential_id: int, spent: Grant, channel: Channel) -> None:
    """Put the newest tokens of a login into the file that owns it. ``spent`` are those that the refresh
    replaced: when the file holds others, somebody logged in there, and the file is left alone.

    Never raises for a file that cannot be written: the tokens are safe in the database.
    """
    token = OAuthToken.objects.filter(credential_id=credential_id).exclude(file_path="").first()
    if token is None:
        return
    path = path_of(token.file_path)
    try:
        found = read(path)
        if found is None or not found.content:
            return
        if found.digest != token.file_digest and not _holds(found, spent, channel):
            logger.info("a credential file holds another login by now", extra=_fields(path))
            return
        grant = token.grant()
        content = channel.rewritten(found.content, grant)
        if content == found.content:
            return
        digest = write(path, content)
    except OSError as error:
        logger.error("a credential file cannot be written: %s", error.strerror, extra=_fields(path))
        return
    OAuthToken.objects.filter(pk=token.pk, version=token.version).update(file_digest=digest)


def _holds(found: CredentialFile, grant: Grant, channel: Channel) -> bool:
    """Whether the file's tokens are those of ``grant``."""
    try:
        held = channel.from_file(found.content)
    except OAuthError:
        return False
    return held.refresh_token == grant.refresh_token


def _fields(path: Path) -> dict[str, object]:
    return {"fields": {"file": path.name}}
