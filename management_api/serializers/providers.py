"""The bodies of ``PUT /v1/providers/{name}/enabled``."""

from __future__ import annotations

import msgspec


class Enabled(msgspec.Struct, frozen=True, kw_only=True):
    enabled: bool


class EnabledProvider(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """The provider's key."""
    enabled: bool
