"""From the form for a new provider to the login pages, for kinds whose accounts are connected by a login.

Such a kind's provider and credential are made by the login itself, so the form has nothing to save for it.
"""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from oauth.flows.channel import Channel
from oauth.flows.registry import CHANNELS


def channels_by_kind() -> dict[str, Channel]:
    """The first login channel of each kind of provider that has one."""
    found: dict[str, Channel] = {}
    for channel in CHANNELS:
        if channel.methods:
            found.setdefault(channel.adapter, channel)
    return found


def login_kinds() -> list[str]:
    """Kinds that have no keys of their own: the provider is the login's, and somebody signs in."""
    return [
        kind
        for kind, channel in channels_by_kind().items()
        if channel.provider_key == kind and any(not method.is_import for method in channel.methods)
    ]


class ConnectLink(forms.Widget):
    """A link in place of an input; Alpine, which the form runs on, sets it to the chosen kind's page."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        pages = {
            kind: reverse("oauth:connect", args=[channel.key]) for kind, channel in channels_by_kind().items()
        }
        return format_html(
            '<a class="cpx-connect" id="id_{}" x-bind:href="({})[adapter] || \'#\'">Connect account</a>',
            name,
            json.dumps(pages),
        )


class ConnectField(forms.Field):
    """Holds nothing."""

    widget = ConnectLink

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False
