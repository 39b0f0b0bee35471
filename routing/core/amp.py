"""Amp's clients: which model serves a request that names one of Amp's, and whose key pays at Amp. Pure.

Rules: docs/protocols/ampcode.md (the ``ampcode`` block of CLIProxyAPI).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from routing.core.amp_settings import AmpSettings
from routing.core.resolve import UnknownModel, find_offers, split_suffix
from routing.core.table import ClientEntry, RoutingTable


class Mapped(msgspec.Struct, frozen=True, kw_only=True):
    """Served here by another model; answers show the one that was asked for."""

    model: str
    params: dict[str, Any] = {}


def decide(table: RoutingTable, settings: AmpSettings | None, model: str) -> Mapped | bool:
    """True: served here as asked. Mapped: served here by another model. False: Amp itself serves it."""
    is_local = _is_served(table, model)
    if settings is None:
        return True
    mapped = _mapped(table, settings, model)
    if mapped is not None and (settings.forces_mappings or not is_local):
        return mapped
    return is_local or not settings.upstream_url


def key_for(settings: AmpSettings, client: ClientEntry | None, digest: str) -> str:
    """The key that pays at Amp for this client; "" when there is none."""
    if client is not None and digest in settings.key_by_client:
        return settings.key_by_client[digest]
    return settings.key


def _mapped(table: RoutingTable, settings: AmpSettings, model: str) -> Mapped | None:
    """The first mapping that fits and whose target somebody serves; exact ones before expressions."""
    base, suffix = split_suffix(model)
    exact = [one for one in settings.mappings if not one.is_regex and one.source.lower() == base.lower()]
    for mapping in exact + [one for one in settings.mappings if one.is_regex and _finds(one.source, base)]:
        own = split_suffix(mapping.target)[1]
        target = mapping.target if own or not suffix else f"{mapping.target}({suffix})"
        if _is_served(table, target):
            params = {name: value for name, value in mapping.params.items() if name != "model"}
            return Mapped(model=target, params=params)
    return None


def _is_served(table: RoutingTable, model: str) -> bool:
    try:
        find_offers(table, model)
    except UnknownModel:
        return False
    return True


def _finds(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text, re.IGNORECASE) is not None
    except re.error:
        return False
