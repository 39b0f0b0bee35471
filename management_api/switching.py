"""A provider switched on or off by whoever owns it: its row, or its place in ``config.yaml``.

In the file a provider of the ``providers`` map has ``enabled``, one of ``openai-compatibility`` has
``disabled``, and a vendor's own block has no switch of its own, so every key in it is switched.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from django.conf import settings

from management_api.config import editing
from management_api.config.problems import ConfigRefused
from management_api.config.startup import load_and_apply
from management_api.errors import ManagementError
from providers.models import Provider
from routing.admin_actions import set_enabled

IN_LIST = re.compile(r"openai-compatibility\[(\d+)\]")


def switch_provider(provider: Provider, *, enabled: bool) -> None:
    """Make it so, in the database and, where the file owns the provider, in the file with its comments kept.

    Raises ManagementError: 409 where the file cannot say it, 500 where it cannot be written.
    """
    if not provider.is_from_file:
        set_enabled(Provider.objects.filter(pk=provider.pk), enabled)
        return
    if not settings.CONFIG_FILE:
        raise ManagementError(
            409, f"{provider.key} belongs to config.yaml, and this server was started without one"
        )
    path = Path(settings.CONFIG_FILE)

    def change(values: MutableMapping[str, Any]) -> None:
        _put(values, provider, enabled)

    try:
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
