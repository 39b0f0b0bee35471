"""The ``ampcode`` block as frozen values. Pure."""

from __future__ import annotations

from typing import Any

import msgspec


class AmpMapping(msgspec.Struct, frozen=True, kw_only=True):
    """``source`` is a model id (case is ignored), or with ``is_regex`` an expression found anywhere in one.
    ``params`` are set at the root of the body."""

    source: str
    target: str
    is_regex: bool = False
    params: dict[str, Any] = {}


class AmpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The ``ampcode`` block. ``key`` and the values of ``key_by_client`` (by digest of the client key) are
    secrets; ``repr`` shows none."""

    upstream_url: str
    key: str = ""
    key_by_client: dict[str, str] = {}
    is_local_only: bool = True
    """The control plane answers this machine alone."""
    mappings: tuple[AmpMapping, ...] = ()
    forces_mappings: bool = False
    proxy_url: str = ""

    def __repr__(self) -> str:
        return f"AmpSettings({self.upstream_url})"
