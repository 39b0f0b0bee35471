"""The whole configuration as JSON, under the names of ``config.yaml``, without a secret in it."""

from __future__ import annotations

from typing import Any

from management_api.config import export
from management_api.resources import (
    client_key_store,
    map_store,
    masking,
    nodes,
    object_list_store,
    provider_rows,
)
from management_api.resources.maps import MAPS
from management_api.resources.object_list_kinds import OBJECT_LISTS
from management_api.resources.scalars import settings_row
from management_api.resources.writing import config_path, read_file
from providers import secrets

Values = dict[str, Any]
LEFT_OUT = ("host", "port", "auth-dir", "remote-management")
"""As with CLIProxyAPI."""
_ICE = ("username", "credential")


def shown() -> Values:
    """Every setting as it is in force; then what the file says, or what the database holds in its place."""
    found = export.settings_in_full()
    found["proxy-url"] = secrets.reveal(settings_row().proxy_token)
    path = config_path()
    if path is None:
        found |= _of_database()
    else:
        _merge(found, nodes.plain(read_file(path).root))
    for name in LEFT_OUT:
        found.pop(name, None)
    masked: Values = masking.masked(_without_ice(found))
    if path is None:
        masked[client_key_store.KEY] = client_key_store.listed()
    return masked


def _of_database() -> Values:
    found: Values = {}
    for kind in OBJECT_LISTS:
        found[kind.name] = object_list_store.entries(kind)
    for map_ in MAPS:
        found[map_.name] = map_store.held(map_)
    found["providers"] = export.providers_without_secrets(but=provider_rows.listed())
    return {name: value for name, value in found.items() if value}


def _merge(into: Values, values: Values) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def _without_ice(value: Any, name: str = "") -> Any:
    """Names and passwords for relays never leave."""
    if isinstance(value, dict):
        return {
            key: _without_ice(inner, key)
            for key, inner in value.items()
            if not (name == "ice-servers" and key in _ICE)
        }
    return [_without_ice(item, name) for item in value] if isinstance(value, list) else value
