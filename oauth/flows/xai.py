"""xAI (Grok): the device flow of an OpenID provider, found by discovery. Pure.

OpenID Connect Discovery 1.0 and RFC 8628; client id and scopes as CLIProxyAPI v7 uses them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from oauth.flows import code, device, jwt, pkce, renewal, wire
from oauth.flows.base import Flow, Grant
from oauth.flows.channel import LoginAsk, LoginMethod, Terms
from oauth.flows.errors import NetworkTrouble, OAuthError, RefreshUnavailable
from oauth.flows.standard import IMPORT, StandardChannel


class XAILogin(StandardChannel):
    key = "xai"
    name = "xAI Grok"
    provider_key = "xai-oauth"
    adapter = "xai"
    names = ("x-ai", "x.ai", "grok")
    methods = (
        LoginMethod(key="device", name="Sign in with a code"),
        LoginMethod(key="code", name="Sign in in the browser"),
        IMPORT,
    )
    terms = Terms(
        text=(
            "A Grok subscription is for the person who pays it, under xAI's consumer terms; it may limit or "
            "close accounts that serve other programs or people. An API key is what xAI offers for that."
        ),
        url="https://x.ai/legal/terms-of-service",
    )
    defaults = {
        "discovery_url": "https://auth.x.ai/.well-known/openid-configuration",
        "device_url": "",
        "token_url": "",
        "authorize_url": "",
        "client_id": "b1a00492-073a-47ea-816f-4c329264a828",
        "scope": "openid profile email offline_access grok-cli:access api:access",
        "callback_port": "56121",
        "callback_host": "127.0.0.1",
        "redirect_uri": "",
        "poll_minimum_s": "5",
        "poll_limit_s": "1800",
    }
    callback_path = "/callback"
    refresh_lead_s = 5 * 60.0
    account_keys = ("email", "sub", "base_url", "token_endpoint", "auth_kind", "using_api", "token_type")
    identity_keys = ("sub", "email")

    # --- login -----------------------------------------------------------------------------

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        if ask.method == "code":
            found = yield from discovered(settings, "authorize_url", "token_url")
            return (yield from self._by_page(ask, found, settings))
        found = yield from discovered(settings, "device_url", "token_url")
        begun = yield from device.start(
            wire.form_post(
                found["device_url"], {"client_id": settings["client_id"], "scope": settings["scope"]}
            ),
            device.Pace.of(settings, 1800.0),
        )
        answer = yield from device.poll(
            wire.form_post(
                found["token_url"],
                {
                    "grant_type": device.DEVICE_GRANT,
                    "device_code": begun.device_code,
                    "client_id": settings["client_id"],
                },
            ),
            begun,
        )
        fields = code.tokens_of(answer)
        return self._grant(fields, answer.at, "device", found["token_url"])

    def _by_page(self, ask: LoginAsk, found: Mapping[str, str], settings: Mapping[str, str]) -> Flow[Grant]:
        state, verifier = pkce.state(ask.seed), pkce.verifier(ask.seed)
        redirect = code.redirect_uri(ask, settings, self.callback_path)
        url = code.authorize_url(
            found["authorize_url"],
            settings["client_id"],
            redirect,
            state,
            scope=settings["scope"],
            verifier=verifier,
            nonce=pkce.state(f"nonce:{ask.seed}"),
            plan="generic",
        )
        given = yield from code.ask_person(url, state, redirect)
        answer = yield from wire.call(
            wire.form_post(
                found["token_url"],
                {
                    "grant_type": "authorization_code",
                    "code": given,
                    "redirect_uri": redirect,
                    "client_id": settings["client_id"],
                    "code_verifier": verifier,
                },
            )
        )
        return self._grant(code.tokens_of(answer), answer.at, "code", found["token_url"])

    def _grant(self, fields: Mapping[str, object], at: float, method: str, token_url: str) -> Grant:
        account = {"token_endpoint": token_url, "auth_kind": "oauth", "base_url": "https://api.x.ai/v1"}
        if kind := wire.text(fields, "token_type"):
            account["token_type"] = kind
        grant = Grant(channel=self.key, access_token="", method=method, account=account)
        return _with_claims(renewal.renewed(grant, fields, at))

    # --- refresh ---------------------------------------------------------------------------

    def refresh(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[Grant]:
        url = settings["token_url"] or trusted(grant.account.get("token_endpoint", ""), settings)
        if not url:
            try:
                url = (yield from discovered(settings, "token_url"))["token_url"]
            except OAuthError as error:
                raise RefreshUnavailable(error.message) from error
        call = self.refresh_call(grant, {**settings, "token_url": url}, now)
        answer = yield from renewal.send(call)
        return _with_claims(renewal.renewed(grant, renewal.tokens_of(answer), answer.at))

    # --- files -----------------------------------------------------------------------------

    def from_file(self, content: Mapping[str, object]) -> Grant:
        using = content.get("using_api")
        return _with_claims(
            super().from_file({**content, **({"using_api": str(using).lower()} if using is not None else {})})
        )

    def to_file(self, grant: Grant) -> dict[str, object]:
        content = super().to_file(grant)
        if "using_api" in content:
            content["using_api"] = content["using_api"] == "true"
        if grant.expires_at is not None and grant.refreshed_at is not None:
            content["expires_in"] = int(grant.expires_at - grant.refreshed_at)
        return content

    def file_name(self, grant: Grant) -> str:
        name = re.sub(r"[^A-Za-z0-9@._-]", "-", self.account_name(grant))
        return f"xai-{name.strip('.')}.json"


ENDPOINTS = {
    "device_url": "device_authorization_endpoint",
    "token_url": "token_endpoint",
    "authorize_url": "authorization_endpoint",
}


def discovered(settings: Mapping[str, str], *needed: str) -> Flow[dict[str, str]]:
    """The endpoints ``needed``: settings where they are made, else what discovery names. Raises
    OAuthError."""
    found = {name: settings[name] for name in needed if settings[name]}
    if len(found) == len(needed):
        return found
    try:
        answer = yield from wire.call(wire.get(settings["discovery_url"]))
    except NetworkTrouble as error:
        raise OAuthError(f"The login service cannot be reached: {error.message}.") from error
    fields = wire.object_of(answer)
    if answer.status >= 300 or not fields:
        raise device.refused(answer, "The login service did not tell its endpoints")
    for name in needed:
        found.setdefault(name, trusted(wire.text(fields, ENDPOINTS[name]), settings))
    if missing := [ENDPOINTS[name] for name in needed if not found[name]]:
        raise OAuthError(f"The login service names no {missing[0]} within its own domain.")
    return found


def trusted(url: str, settings: Mapping[str, str]) -> str:
    """``url`` when it is https below x.ai, or on the host of an operator's own discovery address; else ""."""
    parts, own = wire.split(url), wire.split(settings["discovery_url"])
    host = (parts.hostname or "").lower()
    if settings["discovery_url"] != XAILogin.defaults["discovery_url"]:
        return url if host == (own.hostname or "").lower() and parts.scheme in ("http", "https") else ""
    return url if parts.scheme == "https" and (host == "x.ai" or host.endswith(".x.ai")) else ""


def _with_claims(grant: Grant) -> Grant:
    claims = jwt.claims(grant.id_token)
    told = {"email": wire.text(claims, "email"), "sub": wire.text(claims, "sub")}
    account = grant.account | {name: value for name, value in told.items() if value}
    return msgspec.structs.replace(
        grant, account=account, label=grant.label or account.get("email") or account.get("sub", "")
    )
