"""Secrets of a configuration as they are shown, and back again.

A secret leaves the gateway only as its fingerprint with ``…`` in it, a client key as its first and last
characters: what the admin shows of it too. Such a mask that comes back in the place of a secret means the
secret that it was made of. No header and no key that a provider gives out holds a ``…``, so the two cannot be
mixed up. A value that is nothing but ``${NAME}`` is no secret and shown as it is written.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from management_api.errors import ManagementError
from providers import secrets
from routing import client_keys

Path = tuple[str | int, ...]
"""Keys and indices that lead to a value."""

_SECRET_KEY = re.compile(
    r"(?:^|[-_])(?:api[-_]keys?|api[-_]key[-_]entries|client[-_]keys|secret(?:[-_]key)?|password|token|cookie|"
    r"credential)$"
)
"""The end of a key whose value, or whose list's items, are secrets."""
_USER_INFO = re.compile(r"(?<=://)[^/?#\s]+(?=@)")
_REFERENCE = re.compile(r"(?:(?:Bearer|Basic) )?\$\{[A-Za-z_][A-Za-z0-9_]*\}", re.IGNORECASE)
_SHORT_CLIENT_KEY = re.compile(r"#[0-9a-f]{8}")
ELLIPSIS = "…"


def of_secret(plain: str) -> str:
    """What is shown of a secret with which a provider is called: ``1a2b3c4d…wxyz``."""
    shown = secrets.fingerprint(plain)
    return shown if ELLIPSIS in shown or not shown else shown + ELLIPSIS


def masked_url(url: str) -> str:
    """``url`` without the user and password in it."""
    return _USER_INFO.sub(lambda found: of_secret(found[0]), url)


def is_mask(text: str, *, of_client_key: bool = False) -> bool:
    return ELLIPSIS in text or (of_client_key and bool(_SHORT_CLIENT_KEY.fullmatch(text)))


def is_reference(text: str) -> bool:
    """Whether ``text`` is nothing but ``${NAME}``, as a header perhaps with ``Bearer`` before it."""
    return bool(_REFERENCE.fullmatch(text.strip()))


def unknown_mask(mask: str) -> ManagementError:
    return ManagementError(
        400, "invalid body", message=f"no secret is shown as {mask[:40]} here; send the secret itself"
    )


def reference() -> ManagementError:
    """A caller of the API may not read the server's environment, but for what the file names already."""
    return ManagementError(
        400, "invalid body", message="${…} names the environment and can only be written into config.yaml"
    )


def escaped(value: Any) -> Any:
    """``value`` so that a reader of files takes every ``${`` for itself."""
    if isinstance(value, dict):
        return {name: escaped(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [escaped(inner) for inner in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


def shown(path: Path, text: str) -> str:
    """What may leave the gateway of the text at ``path``."""
    if not text or is_reference(text):
        return text
    if is_client_key(path):
        return client_keys.shown(text)
    return of_secret(text) if is_secret(path) else masked_url(text)


def is_client_key(path: Path) -> bool:
    names = _names(path)
    return bool(names) and (
        (names[0] == "api-keys" and names[-1] in ("api-keys", "api-key"))
        or (names[0] == "auth" and names[-1] in ("api-keys", "api-key"))
    )


def is_secret(path: Path) -> bool:
    """By its keys alone: whoever adds a key for a secret names it like the others."""
    names = _names(path)
    if not names or names[0] == "payload":
        return False
    return "headers" in names[:-1] or bool(_SECRET_KEY.search(names[-1].lower()))


def _names(path: Path) -> list[str]:
    return [part for part in path if isinstance(part, str)]


def texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in ``value`` with its path, in order."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from texts(inner, (*path, str(name)))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from texts(inner, (*path, index))
    elif isinstance(value, str):
        yield path, value


def changed(value: Any, change: Callable[[Path, str], str], path: Path = ()) -> Any:
    """``value`` with every text in it replaced."""
    if isinstance(value, dict):
        return {name: changed(inner, change, (*path, str(name))) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [changed(inner, change, (*path, index)) for index, inner in enumerate(value)]
    return change(path, value) if isinstance(value, str) else value


def masked(value: Any, path: Path = ()) -> Any:
    return changed(value, shown, path)


class Kept:
    """The secrets that masks may stand for: those of what is there now.

    Two secrets may look alike; then the first mask means the first of them, the second the second.
    """

    def __init__(self, held: Any, path: Path = ()) -> None:
        self._secrets: dict[str, list[str]] = defaultdict(list)
        self._references: set[tuple[bool, str]] = set()
        """A secret's variable may not move to where its value would be shown."""
        for place, text in texts(held, path):
            if "${" in text:
                self._references.add((is_secret(place), text))
            mask = shown(place, text)
            if mask != text and text not in self._secrets[mask]:
                self._secrets[mask].append(text)
        self._used: dict[str, int] = defaultdict(int)

    def secret(self, mask: str) -> str:
        """The secret behind ``mask``. Raises ManagementError 400."""
        found = self._secrets.get(mask)
        if not found:
            raise unknown_mask(mask)
        at = min(self._used[mask], len(found) - 1)
        self._used[mask] += 1
        return found[at]

    def restored(self, value: Any, path: Path = (), *, allows_references: bool = False) -> Any:
        """``value`` with its masks filled in. Raises ManagementError 400 for a mask that fits nothing, and
        for a ``${NAME}`` that was not there before unless ``allows_references``."""

        def restore(place: Path, text: str) -> str:
            is_there = bool(self._secrets.get(text))
            if is_there and shown(place, text) != text:
                return self.secret(text)
            if ELLIPSIS in text and (is_secret(place) or "://" in text):
                return self.secret(text)
            if "${" in text and not allows_references and (is_secret(place), text) not in self._references:
                raise reference()
            return text

        return changed(value, restore, path)
