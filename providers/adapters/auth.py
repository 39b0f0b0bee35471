"""How a secret is shown to a provider: data, which the adapters' sheets name."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Auth(Protocol):
    """Turns a secret into headers. An empty secret gives none: local servers need no key."""

    def headers(self, secret: str) -> dict[str, str]: ...


class BearerKey(msgspec.Struct, frozen=True):
    """``Authorization: Bearer <secret>`` (RFC 6750)."""

    def headers(self, secret: str) -> dict[str, str]:
        return {"authorization": f"Bearer {secret}"} if secret else {}


class HeaderKey(msgspec.Struct, frozen=True):
    """The bare secret in a header of the vendor's own, named in lower case."""

    name: str

    def headers(self, secret: str) -> dict[str, str]:
        return {self.name: secret} if secret else {}
