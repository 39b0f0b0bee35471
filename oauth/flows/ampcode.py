"""Amp: a key that its user copies from ampcode.com. Pure. The reverse proxy is the adapter's affair."""

from __future__ import annotations

from collections.abc import Mapping

from oauth.flows.base import Flow, Grant
from oauth.flows.channel import LoginAsk, LoginMethod, Terms
from oauth.flows.errors import OAuthError
from oauth.flows.minimax import token_file
from oauth.flows.standard import IMPORT, StandardChannel


class Ampcode(StandardChannel):
    key = "ampcode"
    name = "Amp"
    provider_key = "ampcode"
    adapter = "ampcode"
    names = ("amp", "amp-code")
    methods = (
        LoginMethod(
            key="key",
            name="Paste an access token",
            fields=(("key", "Access token from ampcode.com/settings", True),),
            is_import=True,
        ),
        IMPORT,
    )
    terms = Terms(
        text="An Amp account is for the person or workspace that holds it, under Amp's terms of service.",
        url="https://ampcode.com/terms",
    )
    file_keys = ("access_token",)
    is_refreshable = False

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        yield from ()
        key = ask.values.get("key", "").strip()
        if not key:
            raise OAuthError("An access token is needed.", code="token_missing", status=400)
        return Grant(channel=self.key, access_token=key, method="key", label="Amp")

    def from_file(self, content: Mapping[str, object]) -> Grant:
        return super().from_file(token_file(content))
