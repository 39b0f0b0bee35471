"""iFlow: authorization code, then the account's API key; or the key alone, by a browser cookie. Pure.

Facts: CLIProxyAPI v6 (iFlow documents none of it; docs/protocols/iflow.md). Model calls are signed with the
API key, so that is the grant's access token; the OAuth token lies beside it and only fetches a new key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from oauth.flows import code, device, files, pkce, renewal, wire
from oauth.flows.base import Flow, Grant, HttpAnswer, HttpCall, Renewed
from oauth.flows.channel import LoginAsk, LoginMethod, Terms
from oauth.flows.errors import (
    NetworkTrouble,
    OAuthError,
    RefreshRejected,
    RefreshUnavailable,
)
from oauth.flows.standard import IMPORT, StandardChannel

COOKIE = re.compile(r"BXAuth=([^;\s]+)")
COOKIE_LEAD_S = 48 * 3600.0


class IFlow(StandardChannel):
    key = "iflow"
    name = "iFlow"
    provider_key = "iflow"
    adapter = "iflow"
    methods = (
        LoginMethod(key="code", name="Sign in at iflow.cn"),
        LoginMethod(
            key="cookie",
            name="Paste a browser cookie",
            fields=(("cookie", "Cookie of platform.iflow.cn (BXAuth=…)", True),),
            is_import=True,
        ),
        IMPORT,
    )
    terms = Terms(
        text=(
            "iFlow gives its allowance to the person who signed up, for its own tools. It may limit or close "
            "accounts that serve other programs or other people."
        ),
        url="https://platform.iflow.cn/",
    )
    defaults = {
        "authorize_url": "https://iflow.cn/oauth",
        "token_url": "https://iflow.cn/oauth/token",
        "userinfo_url": "https://iflow.cn/api/oauth/getUserInfo",
        "api_key_url": "https://platform.iflow.cn/api/openapi/apikey",
        "client_id": "10009311001",
        "callback_port": "11451",
        "callback_host": "localhost",
        "redirect_uri": "",
    }
    required_settings = (("client_secret", "shipped by the vendor inside the iFlow CLI package"),)
    callback_path = "/oauth2callback"
    refresh_lead_s = 24 * 3600.0
    account_keys = ("email",)
    private_keys = ("cookie", "token_type", "scope")
    own_keys = ("api_key",)

    def lead_s(self, grant: Grant) -> float | None:
        return COOKIE_LEAD_S if grant.private.get("cookie") else self.refresh_lead_s

    def can_refresh(self, grant: Grant) -> bool:
        return bool(grant.refresh_token or grant.private.get("cookie"))

    # --- login -----------------------------------------------------------------------------

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        if ask.method == "cookie":
            return (yield from self._by_cookie(ask.values.get("cookie", ""), settings))
        secret = wire.required(settings, "client_secret", "CLIPROXY_OAUTH_IFLOW_CLIENT_SECRET")
        state = pkce.state(ask.seed)
        redirect = code.redirect_uri(ask, settings, self.callback_path)
        # iFlow's own spelling: "redirect" and not "redirect_uri", and no response_type.
        url = wire.with_query(
            settings["authorize_url"],
            {
                "loginMethod": "phone",
                "type": "phone",
                "redirect": redirect,
                "state": state,
                "client_id": settings["client_id"],
            },
        )
        given = yield from code.ask_person(url, state, redirect)
        answer = yield from wire.call(
            wire.form_post(
                settings["token_url"],
                {
                    "grant_type": "authorization_code",
                    "code": given,
                    "redirect_uri": redirect,
                    "client_id": settings["client_id"],
                    "client_secret": secret,
                },
                wire.basic(settings["client_id"], secret),
            )
        )
        fields = code.tokens_of(answer)
        user = yield from wire.call(_user_call(wire.text(fields, "access_token"), settings))
        grant = Grant(channel=self.key, access_token="", method="code")
        return _with_key(_with_tokens(grant, fields, answer.at), user)

    def _by_cookie(self, pasted: str, settings: Mapping[str, str]) -> Flow[Grant]:
        found = COOKIE.search(pasted)
        if found is None:
            raise OAuthError("The cookie must contain BXAuth=….", code="bad_cookie", status=400)
        cookie = f"BXAuth={found[1]};"
        answer = yield from wire.call(wire.get(settings["api_key_url"], ("cookie", cookie)))
        name = wire.text(_data(answer), "name")
        if answer.status >= 400 or not name:
            raise device.refused(answer, "iFlow did not accept the cookie")
        grant = Grant(
            channel=self.key,
            access_token="",
            method="cookie",
            label=name,
            account={"email": name},
            private={"cookie": cookie},
        )
        try:
            return (yield from self.refresh(grant, settings, answer.at))
        except RefreshRejected as error:
            raise OAuthError(error.message, code="bad_cookie", status=400) from error

    # --- refresh ---------------------------------------------------------------------------

    def refresh(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[Grant]:
        if grant.private.get("cookie"):
            return (yield from self._new_key(grant, settings))
        secret = settings.get("client_secret", "")
        if not secret:
            raise RefreshUnavailable("The setting CLIPROXY_OAUTH_IFLOW_CLIENT_SECRET is not set.")
        answer = yield from renewal.send(
            wire.form_post(
                settings["token_url"],
                {
                    "grant_type": "refresh_token",
                    "refresh_token": renewal.refresh_token_of(grant),
                    "client_id": settings["client_id"],
                    "client_secret": secret,
                },
                wire.basic(settings["client_id"], secret),
            )
        )
        fields = renewal.tokens_of(answer)
        grant = _with_tokens(grant, fields, answer.at)
        # The rotated token is there already: a key that cannot be fetched now must not lose it.
        yield Renewed(grant=grant)
        try:
            user = yield from wire.call(_user_call(wire.text(fields, "access_token"), settings))
            return _with_key(grant, user)
        except (NetworkTrouble, OAuthError):
            return grant

    def _new_key(self, grant: Grant, settings: Mapping[str, str]) -> Flow[Grant]:
        answer = yield from renewal.send(
            wire.json_post(
                settings["api_key_url"],
                {"name": grant.account.get("email") or grant.label},
                ("cookie", grant.private["cookie"]),
            )
        )
        data = _data(answer)
        key = wire.text(data, "apiKey")
        if answer.status < 300 and key:
            return msgspec.structs.replace(
                grant,
                access_token=key,
                expires_at=wire.moment_of(wire.text(data, "expireTime")),
                refreshed_at=answer.at,
            )
        if answer.status in (429,) or answer.status >= 500:
            raise RefreshUnavailable(
                f"iFlow gives no key now ({answer.status}).", retry_after_s=wire.retry_after_of(answer)
            )
        raise RefreshRejected(f"iFlow no longer accepts the cookie ({answer.status}). Log in again.")

    # --- files -----------------------------------------------------------------------------

    def from_file(self, content: Mapping[str, object]) -> Grant:
        grant = super().from_file({**content, "access_token": wire.text(content, "api_key", "api-key")})
        oauth = wire.text(content, "access_token")
        private = grant.private | ({"oauth_access_token": oauth} if oauth else {})
        return msgspec.structs.replace(grant, private=private)

    def to_file(self, grant: Grant) -> dict[str, object]:
        oauth = grant.private.get("oauth_access_token", "")
        content = super().to_file(msgspec.structs.replace(grant, access_token=oauth))
        if grant.private.get("cookie") and grant.expires_at is not None:
            content["expired"] = wire.rfc3339(grant.expires_at)[:16].replace("T", " ")
        content.pop("id_token", None)
        return {**content, "api_key": grant.access_token}

    def file_name(self, grant: Grant) -> str:
        who = files.name_part(self.account_name(grant))
        stamp = f"-{int(grant.refreshed_at)}" if grant.private.get("cookie") and grant.refreshed_at else ""
        return f"iflow-{who}{stamp}.json"


def _user_call(token: str, settings: Mapping[str, str]) -> HttpCall:
    return wire.get(f"{settings['userinfo_url']}?{urlencode({'accessToken': token})}")


def _data(answer: HttpAnswer) -> dict[str, object]:
    return wire.inner(wire.object_of(answer), "data")


def _with_tokens(grant: Grant, fields: Mapping[str, object], at: float) -> Grant:
    private = grant.private | {"oauth_access_token": wire.text(fields, "access_token")}
    private |= {name: wire.text(fields, name) for name in ("token_type", "scope") if wire.text(fields, name)}
    return msgspec.structs.replace(
        grant,
        refresh_token=wire.text(fields, "refresh_token") or grant.refresh_token,
        expires_at=wire.end_of(fields, at),
        refreshed_at=at,
        private=private,
    )


def _with_key(grant: Grant, answer: HttpAnswer) -> Grant:
    """The account's API key. Raises OAuthError where iFlow names no key or nobody."""
    data = _data(answer)
    key, who = wire.text(data, "apiKey"), wire.text(data, "email", "phone")
    if answer.status >= 400 or not key or not who:
        raise device.refused(answer, "iFlow did not tell the account's API key")
    return msgspec.structs.replace(
        grant, access_token=key, account=grant.account | {"email": who}, label=grant.label or who
    )
