"""The explicit list of channels. A new one is its module, one line here and its docs page."""

from __future__ import annotations

from oauth.flows.channel import Channel
from oauth.flows.github_copilot import GitHubCopilot
from oauth.flows.kiro import Kiro

CHANNELS: tuple[Channel, ...] = (
    Kiro(),
    GitHubCopilot(),
)

BY_KEY: dict[str, Channel] = {channel.key: channel for channel in CHANNELS}
BY_NAME: dict[str, Channel] = {
    name: channel for channel in CHANNELS for name in (channel.key, channel.file_type, *channel.names) if name
}


class UnknownChannel(LookupError):
    """No channel has this name; the text names it."""


def channel_for(name: str) -> Channel:
    """The channel with this key, file type or other name; case is ignored. Raises UnknownChannel."""
    try:
        return BY_NAME[name.strip().lower()]
    except KeyError:
        raise UnknownChannel(f"there is no channel {name!r}") from None
