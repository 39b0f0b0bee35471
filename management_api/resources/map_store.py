"""Where the maps of channels live: in ``config.yaml``, or in the database."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from management_api.config import columns, document, editing, export
from management_api.config.values import SettingsConfig
from management_api.resources import masking
from management_api.resources.amending import amended
from management_api.resources.maps import ChannelMap, Values
from management_api.resources.nodes import value_at
from management_api.resources.scalars import settings_row
from management_api.resources.writing import (
    change_file,
    config_path,
    one_transaction,
    read_block,
    read_file,
    refuse_rows_of_a_file,
)
from routing.models import ChannelAlias, ChannelExclusion, GatewaySettings

Edit = Callable[[Values], Values]
ALIASES, EXCLUSIONS, RULES = "oauth-model-alias", "oauth-excluded-models", "oauth-request-scoped-errors"


def held(kind: ChannelMap) -> Values:
    """The map as it stands."""
    path = config_path()
    return _of_rows(kind) if path is None else _of_file(read_file(path), kind)


def change(kind: ChannelMap, edit: Edit) -> None:
    """Make the map what ``edit`` makes of it. Raises what ``edit`` raises, and as ``change_file``."""
    path = config_path()
    if path is None:
        _change_rows(kind, edit)
    else:
        _change_file(path, kind, edit)


# --- in the file ------------------------------------------------------------------------------


def _of_file(file: document.Document, kind: ChannelMap) -> Values:
    found = value_at(file.root, kind.name)
    if found is None and kind.old_name:
        found = value_at(file.root, kind.old_name)
    if not isinstance(found, dict):
        return {}
    return {channel: listed for channel, listed in found.items() if isinstance(listed, list)}


def _change_file(path: Path, kind: ChannelMap, edit: Edit) -> None:
    def plan(content: bytes) -> editing.Change:
        before = _of_file(document.parse(content, path.name), kind)
        wanted = masking.Kept(before, (kind.name,)).restored(edit(before), (kind.name,))
        return lambda values: _put(values, kind, wanted)

    change_file(path, plan)


def _put(values: MutableMapping[str, Any], kind: ChannelMap, wanted: Values) -> None:
    if kind.old_name and values.get(kind.name) is None and values.get(kind.old_name) is not None:
        values[kind.name] = values.pop(kind.old_name)
    if wanted:
        values[kind.name] = amended(values.get(kind.name), wanted)
    else:
        values.pop(kind.name, None)


# --- in the database --------------------------------------------------------------------------


def _of_rows(kind: ChannelMap) -> Values:
    if kind.name == RULES:
        rules = settings_row().error_rules
        return {channel: [export.rule_of(rule) for rule in listed] for channel, listed in rules.items()}
    found: Values = export.channel_maps()[kind.name]
    return found


def _change_rows(kind: ChannelMap, edit: Edit) -> None:
    with one_transaction():
        config = read_block(kind.name, edit(_of_rows(kind)))
        settings = config.settings or SettingsConfig()
        if kind.name == RULES:
            _store_setting("error_rules", columns.settings_values(settings)["error_rules"])
        elif kind.name == EXCLUSIONS:
            existing = {
                (row.channel, row.pattern): row
                for row in ChannelExclusion.objects.filter(credential__isnull=True)
            }
            _reconcile(ChannelExclusion, existing, columns.channel_exclusion_values(config))
        else:
            _store_setting("channels_without_aliases", list(settings.channels_without_aliases))
            aliases = {
                (row.channel, row.alias.lower()): row
                for row in ChannelAlias.objects.filter(credential__isnull=True)
            }
            _reconcile(ChannelAlias, aliases, columns.channel_alias_values(config))


def _store_setting(column: str, value: Any) -> None:
    row = GatewaySettings.objects.get_or_create(pk=1)[0]
    if getattr(row, column) != value:
        refuse_rows_of_a_file(row)
        setattr(row, column, value)
        row.save(update_fields=[column, "updated_at"])


def _reconcile(
    model: type[ChannelAlias] | type[ChannelExclusion],
    existing: Mapping[Any, ChannelAlias | ChannelExclusion],
    wanted: Mapping[Hashable, columns.Values],
) -> None:
    """Delete, change and create rows until they are ``wanted``."""
    for identity, row in existing.items():
        if identity not in wanted:
            refuse_rows_of_a_file(row)
            row.delete()
    for identity, values in wanted.items():
        said = {name: value for name, value in values.items() if name != "origin_key"}
        found = existing.get(identity)
        if found is None:
            model._default_manager.create(**said)
            continue
        changes = {name: value for name, value in said.items() if getattr(found, name) != value}
        if changes:
            refuse_rows_of_a_file(found)
            for name, value in changes.items():
                setattr(found, name, value)
            found.save(update_fields=[*changes, "updated_at"])
