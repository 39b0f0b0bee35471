"""The maps that hold for a whole kind of login: ``oauth-model-alias`` and its kin. Pure.

Channel names are kept as they are written: they must be a channel's own name (docs/routing.md). None of the
maps touches API keys.
"""

from __future__ import annotations

import re

from management_api.config import parts
from management_api.config.fields import Fields
from management_api.config.values import ChannelAliasConfig, ChannelExclusionConfig
from providers.values import ErrorRule

CHANNEL_LENGTH = 64
ALIASES = "oauth-model-alias"
OLD_ALIASES = "oauth-model-mappings"
"""What CLIProxyAPI called the aliases before 6.7; it counts where the newer key is not there."""


def aliases(fields: Fields) -> tuple[ChannelAliasConfig, ...]:
    """Lines with name and alias that differ; a second use of an alias in a channel is left out."""
    found: list[ChannelAliasConfig] = []
    for channel, outer in _alias_channels(fields):
        seen: set[str] = set()
        for entry in outer.mappings(channel):
            alias = ChannelAliasConfig(
                origin_key=entry.where,
                channel=channel.strip(),
                name=entry.text("name", limit=300),
                alias=entry.text("alias", limit=300),
                fork=bool(entry.flag("fork")),
                display_name=entry.text("display-name", limit=200),
                force_mapping=bool(entry.flag("force-mapping")),
            )
            entry.finish()
            if not alias.name or not alias.alias:
                entry.warn("", "needs a name and an alias and is left out")
            elif alias.name.lower() == alias.alias.lower():
                entry.warn("", "has its own name as alias and is left out")
            elif alias.alias.lower() in seen:
                entry.warn("", f"uses the alias `{alias.alias}` a second time and is left out")
            else:
                seen.add(alias.alias.lower())
                found.append(alias)
    return tuple(found)


def emptied_channels(fields: Fields) -> tuple[str, ...]:
    """Channels whose list of aliases is there and empty: not even the built-in aliases hold for them."""
    return tuple(
        channel.strip() for channel, outer in _alias_channels(fields) if outer.is_empty_list(channel)
    )


def _alias_channels(fields: Fields) -> list[tuple[str, Fields]]:
    newer, older = fields.has(ALIASES), fields.has(OLD_ALIASES)
    fields.skip(ALIASES, OLD_ALIASES)
    if newer and older:
        fields.warn(OLD_ALIASES, f"is the older name of {ALIASES}, which is there too, and is ignored")
    return _channels(fields, OLD_ALIASES if older and not newer else ALIASES)


def exclusions(fields: Fields) -> tuple[ChannelExclusionConfig, ...]:
    return tuple(
        ChannelExclusionConfig(
            origin_key=f"{outer.place(channel)}[{index}]", channel=channel.strip(), pattern=pattern
        )
        for channel, outer in _channels(fields, "oauth-excluded-models")
        for index, pattern in enumerate(parts.patterns(outer, channel))
    )


def error_rules(fields: Fields) -> dict[str, tuple[ErrorRule, ...]]:
    found = {
        channel.strip(): parts.error_rules(outer, channel)
        for channel, outer in _channels(fields, "oauth-request-scoped-errors")
    }
    return {channel: rules for channel, rules in found.items() if rules}


def base_urls(fields: Fields) -> dict[str, str]:
    """``oauth-upstream``; here a channel may be written with ``_``, ``.``, ``/`` or blanks for ``-``."""
    found = {
        re.sub(r"[_ ./]", "-", channel.strip().lower()): parts.address(outer, channel)
        for channel, outer in _channels(fields, "oauth-upstream")
    }
    return {channel: url for channel, url in found.items() if url}


def _channels(fields: Fields, key: str) -> list[tuple[str, Fields]]:
    """Each channel of the map ``key`` with the map itself, from which its value is read."""
    outer = fields.mapping(key)
    if outer is None:
        return []
    found = []
    for channel in outer.names():
        if not channel.strip() or len(channel) > CHANNEL_LENGTH:
            outer.error(channel, f"a channel's name has 1 to {CHANNEL_LENGTH} characters")
        else:
            found.append((channel, outer))
    return found
