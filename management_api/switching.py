"""A provider switched on or off by whoever owns it: its row, or its place in ``config.yaml``; and one key of
the file.

In the file a provider of the ``providers`` map has ``enabled``, one of ``openai-compatibility`` has
``disabled``, and a vendor's own block has no switch of its own, so every key in it is switched. One key is
switched as CLIProxyAPI does it: its entry excludes every model.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

from django.conf import settings

from management_api.config import editing
from management_api.config.problems import ConfigRefused
from management_api.config.startup import load_and_apply
from management_api.errors import ManagementError
from management_api.resources.writing import one_writer
from providers import secrets
from providers.adapters.registry import UnknownAdapter, adapter_for
from providers.models import Credential, Origin, Provider
from routing.admin_actions import set_enabled

IN_LIST = re.compile(r"openai-compatibility\[(\d+)\]")
ENTRY = re.compile(r"([a-z0-9-]+)\[(\d+)\]")
"""The entry of a block that a key stands in, at the beginning of its place in the file."""
EVERY_MODEL = "*"


def switch_provider(provider: Provider, *, enabled: bool) -> None:
    """Make it so, in the database and, where the file owns the provider, in the file with its comments kept.

    Raises ManagementError: 409 where the file cannot say it, 500 where it cannot be written.
    """
    if not provider.is_from_file:
        set_enabled(Provider.objects.filter(pk=provider.pk), enabled)
        return

    def change(values: MutableMapping[str, Any]) -> None:
        _put(values, provider, enabled)

    _edit(change, provider.key)


def find_key(handle: str) -> Credential | None:
    """The key of ``config.yaml`` with this ``auth_index``, or at this place (``claude-api-key[0]``)."""
    rows = Credential.objects.filter(origin=Origin.FILE, kind="api_key").select_related("provider")
    return next((row for row in rows if handle == row.origin_key or handle in _handles(row)), None)


def _handles(credential: Credential) -> set[str]:
    """CLIProxyAPI's handle of a key: of the block, the address and the key; the address as the file gives it
    or as it is in force."""
    block = credential.origin_key.partition("[")[0]
    provider = credential.provider
    try:
        key = secrets.reveal(credential.secret_token)
        addresses = {credential.base_url, provider.base_url, adapter_for(provider.adapter).base_url, ""}
    except (secrets.SecretsError, UnknownAdapter):
        return set()
    return {hashlib.sha256(f"{block}:{base}+{key}".encode()).hexdigest()[:16] for base in addresses}


def exclude_key(credential: Credential, *, disabled: bool) -> None:
    """Let the key's entry in the file exclude every model, or no longer. Raises ManagementError: 409 where
    the file cannot say it, 500 where it cannot be written."""
    place = ENTRY.match(credential.origin_key)

    def change(values: MutableMapping[str, Any]) -> None:
        listed = values.get(place[1]) if place is not None else None
        entry = listed[int(place[2])] if place is not None and isinstance(listed, list) else None
        if not isinstance(entry, MutableMapping):
            raise ManagementError(409, f"{credential.origin_key} cannot be switched in config.yaml")
        kept = [pattern for pattern in entry.get("excluded-models") or [] if pattern != EVERY_MODEL]
        if disabled:
            kept.append(EVERY_MODEL)
        if kept:
            entry["excluded-models"] = kept
        else:
            entry.pop("excluded-models", None)

    _edit(change, credential.origin_key)


def _edit(change: Callable[[MutableMapping[str, Any]], None], what: str) -> None:
    if not settings.CONFIG_FILE:
        raise ManagementError(409, f"{what} belongs to config.yaml, and this server was started without one")
    path = Path(settings.CONFIG_FILE)
    try:
        with one_writer():
            editing.edit(path, change)
            load_and_apply(path)
    except (ConfigRefused, editing.CannotWrite) as error:
        raise ManagementError(500, f"failed to save config: {error}") from error


def _put(values: MutableMapping[str, Any], provider: Provider, enabled: bool) -> None:
    place = provider.origin_key
    if place.startswith("providers."):
        entry = values.get("providers", {}).get(place.removeprefix("providers."))
        if not isinstance(entry, MutableMapping):
            raise _elsewhere(provider)
        if enabled:
            entry.pop("enabled", None)
        else:
            entry["enabled"] = False
        return
    entries: Any = None
    if (found := IN_LIST.fullmatch(place)) is not None:
        listed = values.get("openai-compatibility", [])
        number = int(found[1])
        entries = listed[number : number + 1]
    elif isinstance(values.get(place), list):
        entries = [entry for entry in values[place] if isinstance(entry, MutableMapping)]
    if not entries:
        raise _elsewhere(provider)
    for entry in entries:
        if enabled:
            entry.pop("disabled", None)
        else:
            entry["disabled"] = True


def _elsewhere(provider: Provider) -> ManagementError:
    return ManagementError(
        409, f"{provider.key} comes from {provider.origin_key}, which config.yaml cannot switch"
    )
