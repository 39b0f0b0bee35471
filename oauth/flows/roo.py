"""Roo Code: its CLI's sign-in page, which sends a token straight back; or a token file. Pure.

Source: RooCodeInc/Roo-Code, apps/cli (the vendor's own); docs/protocols/roo.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from oauth.flows import code, pkce, wire
from oauth.flows.base import Flow, Grant
from oauth.flows.channel import LoginAsk, LoginMethod, Terms
from oauth.flows.errors import OAuthError
from oauth.flows.minimax import token_file
from oauth.flows.standard import IMPORT, StandardChannel


class RooLogin(StandardChannel):
    key = "roo"
    name = "Roo Code"
    provider_key = "roo-oauth"
    adapter = "roo"
    names = ("roocode", "roo-code")
    methods = (
        LoginMethod(key="code", name="Sign in at roocode.com"),
        LoginMethod(
            key="token", name="Paste a token", fields=(("token", "Roo Code token", True),), is_import=True
        ),
        IMPORT,
    )
    terms = Terms(
        text=(
            "Credits belong to the Roo Code account that signs in, under Roo Code's terms; everything asked "
            "through the gateway is billed to it."
        ),
        url="https://roocode.com/terms",
    )
    defaults = {
        "authorize_url": "https://app.roocode.com/cli/sign-in",
        "callback_port": "49732",
        "callback_host": "127.0.0.1",
        "redirect_uri": "",
    }
    callback_path = "/callback"
    account_keys = ("email", "user_id", "org_id")
    identity_keys = ("user_id", "org_id", "email")
    file_keys = ("access_token",)
    is_refreshable = False

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        if ask.method == "token":
            token = ask.values.get("token", "").strip()
            if not token:
                raise OAuthError("A token is needed.", code="token_missing", status=400)
            return Grant(channel=self.key, access_token=token, method="token", label="Roo Code")
        state = pkce.state(ask.seed)
        redirect = code.redirect_uri(ask, settings, self.callback_path)
        url = wire.with_query(settings["authorize_url"], {"state": state, "callback": redirect})
        token = yield from code.ask_person(url, state, redirect)
        return Grant(channel=self.key, access_token=token, method="code", label="Roo Code")

    def from_file(self, content: Mapping[str, object]) -> Grant:
        """A token file, or the CLI's ``cli-credentials.json`` (``token``, ``userId``, ``orgId``)."""
        renamed = {"userId": "user_id", "orgId": "org_id"}
        more = {new: content[old] for old, new in renamed.items() if content.get(old)}
        return super().from_file({**token_file(content), **more})
