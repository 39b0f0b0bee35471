"""Settings from the environment, read by django-environ: a value that does not fit ends the start with one
sentence that names the setting, because a traceback out of the settings module helps no operator.
"""

from __future__ import annotations

import contextlib
import difflib
import ipaddress
import logging
import sys
import warnings
import zoneinfo
from collections.abc import Collection, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import environ

WORDS = {int: "a whole number", float: "a number"}
ENGINES = ("django.db.backends.sqlite3", "django.db.backends.postgresql")


PREFIX = "CLIPROXY_"
READ_ELSEWHERE = frozenset(
    PREFIX + name
    for name in (
        "ADMIN_PASSWORD",
        "ALLOW_REMOTE",
        "API_KEYS",
        "CONFIG_TEMPLATE",
        "DEBUG",
        "HOST",
        "PORT",
        "ROUTING_STRATEGY",
        "SECRET_KEY",
    )
)
"""Names that are not read in ``settings.py``, but at a first start and with ``config.yaml``."""
ALIKE = 0.85
"""difflib's ratio; Kubernetes makes names such as CLIPROXY_PORT_8317_TCP (0.74) of a service ``cliproxy``."""


def misspelt(given: Iterable[str], known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Of the names ``given`` each that is nearly, but not quite, one of ``known``, with that one."""
    for name in sorted(given):
        if name.startswith(PREFIX) and name not in known:
            for meant in difflib.get_close_matches(name, known, n=1, cutoff=ALIKE):
                yield name, meant


class Environment(environ.Env):  # type: ignore[misc]  # django-environ has no types
    """Exits the process where django-environ would raise. ``asked`` are the names that were read."""

    def __init__(self, **scheme: Any) -> None:
        super().__init__(**scheme)
        self.asked: set[str] = set()

    def get_value(self, var: str, cast: Any = None, *args: Any, **kwargs: Any) -> Any:
        self.asked.add(var)
        try:
            return super().get_value(var, cast, *args, **kwargs)
        except ValueError:
            sys.exit(f"{var} must be {WORDS.get(cast, 'valid')}, not {self.ENVIRON.get(var)!r}.")

    def positive(self, var: str, default: float) -> float:
        """A number greater than 0, whole when ``default`` is."""
        value: float = self.get_value(var, type(default), default=default)
        if not value > 0:
            sys.exit(f"{var} must be greater than 0, not {value:g}.")
        return value

    def database(self, var: str, default: str) -> dict[str, Any]:
        """Django's settings for the database that a URL names: SQLite or PostgreSQL."""
        found: dict[str, Any] = {}
        with warnings.catch_warnings(), contextlib.suppress(ValueError):
            warnings.simplefilter("ignore")  # of an unknown kind; said below, in our words
            found = self.db_url(var, default=default)
        if found.get("ENGINE") not in ENGINES:
            # The value itself is not shown: such a URL holds a password.
            sys.exit(f"{var} must be a URL that begins with sqlite:/// or postgres:// and names a database.")
        return found

    def redis(self, var: str) -> str:
        """The URL of a Redis, "" when none is named."""
        value: str = self.str(var, default="").strip()
        parts = urlsplit(value)
        if value and not ((parts.scheme in ("redis", "rediss") and parts.hostname) or parts.scheme == "unix"):
            # The value itself is not shown: such a URL holds a password.
            sys.exit(
                f"{var} must be a URL that begins with redis://, rediss:// or unix:// and names a server."
            )
        return value

    def networks(self, var: str, default: list[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        """Addresses and networks (``10.0.0.5, 192.168.0.0/16``)."""
        try:
            return [ipaddress.ip_network(text.strip()) for text in self.list(var, default=default)]
        except ValueError as error:
            sys.exit(f"{var} must be addresses or networks such as 10.0.0.0/8, with commas between: {error}.")

    def time_zone(self, var: str, default: str) -> str:
        value: str = self.str(var, default=default)
        if value not in zoneinfo.available_timezones():
            sys.exit(f"{var} must be a name such as UTC or Europe/Berlin, not {value!r}.")
        return value

    def log_level(self, var: str, default: str) -> str:
        value: str = self.str(var, default=default).upper()
        if value not in logging.getLevelNamesMapping():
            sys.exit(f"{var} must be DEBUG, INFO, WARNING, ERROR or CRITICAL, not {value!r}.")
        return value
