"""Who may use the management API, as configured now: the one place that knows where that is kept.

The stored key is a bcrypt hash and ``remote-management.allow-remote`` a switch, both columns of the one row
of settings; ``MANAGEMENT_PASSWORD`` comes from the environment and opens remote access by itself.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import ipaddress

import bcrypt
import msgspec
from django.conf import settings
from django.http import HttpRequest

from routing.models import GatewaySettings

BCRYPT_BYTES = 72
"""bcrypt reads no more of a password; longer ones are compared by their first 72 bytes, as Go does."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    stored_hash: str
    password: str
    """MANAGEMENT_PASSWORD, in plain text."""
    allows_remote: bool
    local_password: str = ""
    """Of ``serve --password``, in plain text: counts for callers on this machine only."""

    @property
    def exists(self) -> bool:
        """Whether there is a management API at all: without any key its paths are unknown ones."""
        return bool(self.stored_hash or self.password or self.local_password)

    def __repr__(self) -> str:
        return f"Access(exists={self.exists}, allows_remote={self.allows_remote})"

    def accepts(self, key: str, *, is_local: bool = False) -> bool:
        """Whether ``key`` is the management key. Slow for a key not seen before: bcrypt means to be."""
        local = self.local_password if is_local else ""
        if local and hmac.compare_digest(key.encode(), local.encode()):
            return True
        if self.password and hmac.compare_digest(key.encode(), self.password.encode()):
            return True
        return bool(self.stored_hash) and _matches(key, self.stored_hash)


def current() -> Access:
    """One row read; nothing is kept, so that a new key or switch holds at once in every process."""
    columns = "management_key_hash", "allow_remote_management"
    row = GatewaySettings.objects.filter(pk=1).values_list(*columns).first()
    stored_hash, is_open = row or ("", False)
    password: str = settings.MANAGEMENT_PASSWORD
    return Access(
        stored_hash=stored_hash,
        password=password,
        allows_remote=bool(password) or is_open,
        local_password=settings.LOCAL_MANAGEMENT_PASSWORD,
    )


def hash_of(key: str) -> str:
    """``key`` as it is stored."""
    return bcrypt.hashpw(key.encode()[:BCRYPT_BYTES], bcrypt.gensalt(10)).decode()


def _matches(key: str, stored_hash: str) -> bool:
    digest = hmac.digest(settings.SECRET_KEY.encode(), key.encode(), hashlib.sha256)
    if digest in _accepted(stored_hash):
        return True
    try:
        matches = bcrypt.checkpw(key.encode()[:BCRYPT_BYTES], stored_hash.encode())
    except ValueError:
        return False  # the hash is damaged: nothing matches it
    if matches:
        _accepted(stored_hash).add(digest)
    return matches


@functools.lru_cache(maxsize=1)
def _accepted(stored_hash: str) -> set[bytes]:
    """Keyed digests of keys that matched this hash, so that a script's second call costs no bcrypt."""
    return set()


def client_address(request: HttpRequest) -> str:
    """The caller's address: the connection's far end, or, where that is one of
    ``CLIPROXY_TRUSTED_PROXIES``, the last address in ``X-Forwarded-For`` that is none of them."""
    address = _plain(request.META.get("REMOTE_ADDR") or "")
    if not _is_trusted(address):
        return address
    for hop in reversed(request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        if not hop.strip():
            continue
        address = _plain(hop.strip())
        if not _is_trusted(address):
            break
    return address


def is_loopback(address: str) -> bool:
    return address in ("127.0.0.1", "::1")


def _plain(address: str) -> str:
    """``::ffff:127.0.0.1`` is 127.0.0.1; what is no address stays as it is, cut to a bound."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def _is_trusted(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = settings.TRUSTED_PROXIES
    return any(parsed in network for network in networks)
