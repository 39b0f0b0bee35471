"""A channel's settings in force: its own defaults, replaced where the operator says so.

``CLIPROXY_OAUTH_<CHANNEL>_<NAME>`` is looked for as a Django setting and then in the environment (where
``.env`` was read into); ``gemini-cli``'s ``token_url`` is ``CLIPROXY_OAUTH_GEMINI_CLI_TOKEN_URL``.
"""

from __future__ import annotations

import os

from django.conf import settings

from oauth.flows.channel import Channel
from oauth.flows.errors import OAuthError
from oauth.flows.registry import CHANNELS


def setting_name(channel: Channel, name: str) -> str:
    return f"CLIPROXY_OAUTH_{channel.key}_{name}".upper().replace("-", "_")


def setting_names() -> frozenset[str]:
    """The full names of every channel's settings."""
    return frozenset(
        setting_name(channel, name)
        for channel in CHANNELS
        for name in (*channel.defaults, *(name for name, _ in channel.required_settings))
    )


def settings_of(channel: Channel) -> dict[str, str]:
    """Every setting of ``channel``, also the required ones ("" when nobody set them)."""
    values = dict.fromkeys((name for name, _ in channel.required_settings), "") | channel.defaults
    for name in values:
        full = setting_name(channel, name)
        given = getattr(settings, full, None)
        if given is None:
            given = os.environ.get(full)
        if given is not None:
            values[name] = str(given).strip()
    return values


def missing_settings(channel: Channel) -> list[tuple[str, str]]:
    """The full names of required settings that nobody set, and where the vendor publishes each."""
    values = settings_of(channel)
    return [
        (setting_name(channel, name), where)
        for name, where in channel.required_settings
        if not values.get(name)
    ]


def require_settings(channel: Channel) -> dict[str, str]:
    """``settings_of``, when nothing is missing. Raises OAuthError before any vendor is called."""
    missing = missing_settings(channel)
    if missing:
        told = "; ".join(f"{name} ({where})" for name, where in missing)
        raise OAuthError(
            f"{channel.name} needs a setting that is not made: {told}.", code="setting_missing", status=400
        )
    return settings_of(channel)
