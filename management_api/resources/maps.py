"""The maps that hold for a whole kind of login: what a request makes of one. Pure but for masks.

Channel names are kept and compared as they are written.
"""

from __future__ import annotations

from typing import Any

import msgspec

from management_api.errors import ManagementError

Values = dict[str, list[Any]]


class ChannelMap(msgspec.Struct, frozen=True, kw_only=True):
    """One map. Its name is the key in the file, the path and the key of the answer."""

    name: str
    member: str
    """Under which PATCH brings a channel's list."""
    selectors: tuple[str, ...]
    """Under which a request names the channel."""
    word: str
    """What errors call a channel."""
    item: type
    keeps_empty: bool = False
    """An empty list means something."""
    permissions: tuple[str, ...]
    """Of a signed-in person."""
    old_name: str = ""
    """An older key of the file, which counts where the other is not there."""


def _all(model: str) -> tuple[str, ...]:
    return tuple(f"routing.{action}_{model}" for action in ("add", "change", "delete"))


MAPS = (
    ChannelMap(
        name="oauth-excluded-models",
        member="models",
        selectors=("provider",),
        word="provider",
        item=str,
        permissions=_all("channelexclusion"),
    ),
    ChannelMap(
        name="oauth-model-alias",
        member="aliases",
        selectors=("channel", "provider"),
        word="channel",
        item=dict,
        keeps_empty=True,
        permissions=(*_all("channelalias"), "routing.change_gatewaysettings"),
        old_name="oauth-model-mappings",
    ),
    ChannelMap(
        name="oauth-request-scoped-errors",
        member="rules",
        selectors=("channel", "provider"),
        word="channel",
        item=dict,
        permissions=("routing.change_gatewaysettings",),
    ),
)


def replaced(kind: ChannelMap, held: Values, body: Any) -> Values:
    """PUT: the whole map. Raises ManagementError 400."""
    if not isinstance(body, dict):
        raise ManagementError(400, "invalid body")
    for wrapper in ("items", kind.name):
        if len(body) == 1 and isinstance(body.get(wrapper), dict):
            body = body[wrapper]
    found = {channel.strip(): _listed(kind, listed) for channel, listed in body.items()}
    if "" in found:
        raise ManagementError(400, f"invalid {kind.word}")
    return {channel: listed for channel, listed in found.items() if listed or kind.keeps_empty}


def patched(kind: ChannelMap, held: Values, body: Any) -> Values:
    """PATCH: the list of one channel; an empty one deletes it. Raises ManagementError 400 or 404."""
    if not isinstance(body, dict):
        raise ManagementError(400, "invalid body")
    named = [body[name] for name in kind.selectors if body.get(name) is not None]
    if not all(isinstance(name, str) for name in named):
        raise ManagementError(400, "invalid body")
    channel = next((name.strip() for name in named if name.strip()), "")
    listed = _listed(kind, body.get(kind.member))
    if not channel:
        raise ManagementError(400, f"invalid {kind.word}")
    return {**held, channel: listed} if listed else _without(kind, held, channel)


def deleted(kind: ChannelMap, held: Values, channel: str) -> Values:
    """DELETE. Raises ManagementError 400 or 404."""
    if not channel.strip():
        raise ManagementError(400, f"missing {kind.word}")
    return _without(kind, held, channel.strip())


def _without(kind: ChannelMap, held: Values, channel: str) -> Values:
    if channel not in held:
        raise ManagementError(404, f"{kind.word} not found")
    return {name: listed for name, listed in held.items() if name != channel}


def _listed(kind: ChannelMap, listed: Any) -> list[Any]:
    if listed is None:
        return []
    if not isinstance(listed, list) or not all(isinstance(item, kind.item) for item in listed):
        raise ManagementError(400, "invalid body")
    return listed
