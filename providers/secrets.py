"""Secrets at rest: Fernet tokens that carry the id of their key, so keys can be rotated while serving.

A token reads ``<key id>:<fernet token>``. Keys come from ``CLIPROXY_ENCRYPTION_KEYS`` or from the file in
the data folder, newest first; the newest encrypts, all decrypt. A running process learns of a rotation by
itself: before it seals it looks whether the file changed, and a token with an unknown key id makes it read
the file again. Whoever writes the file holds a lock on the file beside it, so that several processes which
start at once agree on one first key and no rotation loses another's.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

SEALED = re.compile(r"[0-9a-f]{8}:gAAAA[A-Za-z0-9_\-=]+")
"""What a sealed column holds: a key id and a Fernet token, whose version byte and time start ``gAAAA``."""


MOST_OPENED = 20_000
"""Opened tokens that are remembered."""


class SecretsError(Exception):
    """A secret cannot be opened or sealed; the text says which key id is missing, never a secret."""


def key_id(key: str) -> str:
    """Eight hex digits that name a key without telling it."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


class Keyring:
    """The keys in force, newest first, by id. Thread-safe, and safe beside other processes."""

    def __init__(self, path: Path, given: list[str]) -> None:
        self._path = path
        self._given = given
        self._lock = threading.Lock()
        self._ciphers: dict[str, Fernet] = {}
        self._newest = ""
        self._read_from: tuple[int, int, int] | None = None
        self._opened: dict[str, str] = {}

    def load(self) -> None:
        """Read the keys again. Raises SecretsError on a key that is not a Fernet key."""
        read_from = _identity(self._path)  # before reading: a change in between is then seen next time
        keys = self._given or _read_keys(self._path)
        ciphers: dict[str, Fernet] = {}
        for key in keys:
            try:
                ciphers[key_id(key)] = Fernet(key)
            except ValueError as error:
                place = "CLIPROXY_ENCRYPTION_KEYS" if self._given else self._path
                raise SecretsError(
                    f"An encryption key in {place} is not 32 bytes of URL-safe base64."
                ) from error
        with self._lock:
            self._ciphers = ciphers
            self._newest = key_id(keys[0]) if keys else ""
            self._read_from = read_from
            self._opened = {}

    def ensure(self) -> None:
        """Make the first key when there is none yet."""
        if not self._current()[0]:
            _add_key(self._path, only_first=True)
            self.load()

    def seal(self, plain: str) -> str:
        self.ensure()
        newest, ciphers = self._current()
        return f"{newest}:{ciphers[newest].encrypt(plain.encode()).decode()}"

    def _current(self) -> tuple[str, dict[str, Fernet]]:
        """The id that seals and the ciphers, as one consistent pair, after a look at the file's identity."""
        if not self._newest or (not self._given and _identity(self._path) != self._read_from):
            self.load()
        with self._lock:
            return self._newest, self._ciphers

    def open(self, token: str) -> str:
        """The plain text. What was opened is kept until the keys change: a table is built from thousands of
        tokens, over and over, and the table holds the plain texts anyway."""
        opened = self._opened.get(token)
        if opened is None:
            opened = self._decrypted(token)
            if len(self._opened) >= MOST_OPENED:
                self._opened.clear()
            self._opened[token] = opened
        return opened

    def _decrypted(self, token: str) -> str:
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
        return self._current()[0]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys in force, newest first."""
        return tuple(self._current()[1])

    @property
    def is_given(self) -> bool:
        """The keys come from the environment and not from the file."""
        return bool(self._given)

    def place_of(self, wanted: str) -> str:
        """Where a person finds the key with this id: keys themselves are never shown."""
        where = "CLIPROXY_ENCRYPTION_KEYS" if self._given else self._path.name
        return f"key {self.ids.index(wanted) + 1} of {len(self.ids)} in {where}"

    def rotate(self) -> str:
        """Put a new key in front of the file; old ones stay for opening. Returns the new id.

        Raises SecretsError when the keys are given by the environment: then the operator adds one there.
        """
        if self._given:
            raise SecretsError("The keys come from CLIPROXY_ENCRYPTION_KEYS: put a new one in front of it.")
        _add_key(self._path)
        self.load()
        return self.newest


def _identity(path: Path) -> tuple[int, int, int] | None:
    """What changes when the file is replaced; None when it is not there (or cannot be seen)."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read_keys(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SecretsError(f"The encryption keys in {path} cannot be read: {error.strerror}.") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone among all threads and processes that change ``path``. The lock ends with its holder."""
    handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _add_key(path: Path, *, only_first: bool = False) -> None:
    """Write a new key in front, atomically and with mode 0600. ``only_first`` does so only when there is
    none: whoever waited for the lock while another process made the first key uses that one."""
    try:
        with _locked(path):
            keys = _read_keys(path)
            if not (keys and only_first):
                _replace(path, "\n".join([Fernet.generate_key().decode(), *keys]) + "\n")
    except OSError as error:
        raise SecretsError(f"The encryption keys in {path} cannot be written: {error.strerror}.") from error


def _replace(path: Path, text: str) -> None:
    """``text`` into ``path``, whole or not at all, on disk before it counts."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # a key that a crash could lose would take every secret with it
    finally:
        os.close(folder)


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
