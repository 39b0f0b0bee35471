"""Secrets at rest: Fernet tokens that carry the id of their key, so keys can be rotated while serving.

A token reads ``<key id>:<fernet token>``. Keys come from ``CLIPROXY_ENCRYPTION_KEYS`` or from the file in
the data folder, newest first; the newest encrypts, all decrypt. A token with an unknown key id makes the
file be read again, once, which is how a running process learns of a rotation.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings


class SecretsError(Exception):
    """A secret cannot be opened or sealed; the text says which key id is missing, never a secret."""


def key_id(key: str) -> str:
    """Eight hex digits that name a key without telling it."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


class Keyring:
    """The keys in force, newest first, by id. Thread-safe."""

    def __init__(self, path: Path, given: list[str]) -> None:
        self._path = path
        self._given = given
        self._lock = threading.Lock()
        self._ciphers: dict[str, Fernet] = {}
        self._newest = ""

    def load(self) -> None:
        """Read the keys again. Raises SecretsError on a key that is not a Fernet key."""
        keys = self._given or _read_keys(self._path)
        ciphers: dict[str, Fernet] = {}
        for key in keys:
            try:
                ciphers[key_id(key)] = Fernet(key)
            except ValueError as error:
                raise SecretsError("An encryption key is not 32 bytes of URL-safe base64.") from error
        with self._lock:
            self._ciphers = ciphers
            self._newest = key_id(keys[0]) if keys else ""

    def seal(self, plain: str) -> str:
        if not self._newest:
            self.load()
        if not self._newest:
            _create_key(self._path)
            self.load()
        return f"{self._newest}:{self._ciphers[self._newest].encrypt(plain.encode()).decode()}"

    def open(self, token: str) -> str:
        wanted, _, sealed = token.partition(":")
        cipher = self._ciphers.get(wanted)
        if cipher is None:
            self.load()
            cipher = self._ciphers.get(wanted)
        if cipher is None:
            raise SecretsError(
                f"The encryption key {wanted} is missing; put it back into {self._path.name} in the data "
                "folder or into CLIPROXY_ENCRYPTION_KEYS."
            )
        try:
            return cipher.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise SecretsError(f"A secret sealed with key {wanted} is damaged.") from error

    @property
    def newest(self) -> str:
        """The id of the key that seals; "" before the first one exists."""
        if not self._newest:
            self.load()
        return self._newest

    def rotate(self) -> str:
        """Put a new key in front of the file; old ones stay for opening. Returns the new id.

        Raises SecretsError when the keys are given by the environment: then the operator adds one there.
        """
        if self._given:
            raise SecretsError("The keys come from CLIPROXY_ENCRYPTION_KEYS: put a new one in front of it.")
        _create_key(self._path)
        self.load()
        return self._newest


def _read_keys(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SecretsError(f"The encryption keys in {path} cannot be read: {error.strerror}.") from error


def _create_key(path: Path) -> None:
    """Write a new key in front, atomically and with mode 0600."""
    keys = [Fernet.generate_key().decode(), *_read_keys(path)]
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(keys) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


KEYRING = Keyring(settings.ENCRYPTION_KEYS_FILE, settings.ENCRYPTION_KEYS)


def seal(plain: str) -> str:
    """``plain`` as a token for a ``*_token`` column; "" stays ""."""
    return KEYRING.seal(plain) if plain else ""


def reveal(token: str) -> str:
    """The plain text of a ``*_token`` column; "" stays "". Raises SecretsError."""
    return KEYRING.open(token) if token else ""


def seal_headers(headers: dict[str, str]) -> str:
    return seal(json.dumps(headers)) if headers else ""


def reveal_headers(token: str) -> dict[str, str]:
    return dict(json.loads(reveal(token))) if token else {}


def fingerprint(plain: str) -> str:
    """A short name for a secret that is safe to show: 8 hex digits of a keyed digest and the last four
    characters, which people recognise (only of secrets long enough to spare them)."""
    if not plain:
        return ""
    digest = hashlib.blake2b(plain.encode(), key=settings.CLIENT_KEY_PEPPER.encode()[:64], digest_size=4)
    tail = f"…{plain[-4:]}" if len(plain) >= 20 else ""
    return f"{digest.hexdigest()}{tail}"
