"""Cursor: its page with a PKCE challenge, polled for tokens; or the key of a bridge. Pure.

Cursor documents neither: the direct login is what third parties have observed, and every part of it is a
setting (docs/protocols/cursor.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from oauth.flows import device, jwt, pkce, renewal, wire
from oauth.flows.base import Flow, Grant, HttpAnswer, HttpCall, ShowCode
from oauth.flows.channel import LoginAsk, LoginMethod, Terms
from oauth.flows.errors import LoginDenied, OAuthError
from oauth.flows.standard import IMPORT, StandardChannel


class Cursor(StandardChannel):
    key = "cursor"
    name = "Cursor"
    provider_key = "cursor"
    adapter = "cursor"
    methods = (
        LoginMethod(key="page", name="Sign in at cursor.com"),
        LoginMethod(
            key="bridge-key",
            name="Paste the key of a bridge",
            fields=(("key", "Bridge key (sk-…)", True),),
            is_import=True,
        ),
        IMPORT,
    )
    terms = Terms(
        text=(
            "Cursor's terms give a subscription to one person, inside Cursor's own application. They do not "
            "foresee other programs; Cursor may limit or close such an account."
        ),
        url="https://cursor.com/terms-of-service",
    )
    defaults = {
        "login_url": "https://cursor.com/loginDeepControl",
        "poll_url": "https://api2.cursor.sh/auth/poll",
        "refresh_url": "https://api2.cursor.sh/auth/exchange_user_api_key",
        "poll_minimum_s": "1",
        "poll_limit_s": "900",
    }
    refresh_lead_s = 10 * 60.0
    account_keys = ("sub", "email")
    identity_keys = ("sub",)
    file_keys = ("access_token", "refresh_token")
    expiry_key = "expires_at"
    writes_last_refresh = False

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        if ask.method == "bridge-key":
            key = ask.values.get("key", "").strip()
            if not key:
                raise OAuthError("A bridge key is needed.", code="token_missing", status=400)
            return Grant(channel=self.key, access_token=key, method=ask.method, label="Cursor bridge")
        verifier, session = pkce.verifier(ask.seed)[:43], pkce.device_id(ask.seed)
        page = urlencode(
            {
                "challenge": pkce.challenge(verifier),
                "uuid": session,
                "mode": "login",
                "redirectTarget": "cli",
            }
        )
        pace = device.Pace.of(settings)
        shown = ShowCode(
            user_code="",
            verification_url=f"{settings['login_url']}?{page}",
            expires_in_s=pace.limit_s,
            interval_s=pace.minimum_s,
        )
        yield shown
        begun = device.Started(device_code=session, shown=shown, at=ask.now)
        asked = urlencode({"uuid": session, "verifier": verifier})
        answer = yield from device.poll(
            wire.get(f"{settings['poll_url']}?{asked}"), begun, _reading, factor=1.2, longest_s=10.0
        )
        return _with_claims(
            renewal.renewed(
                Grant(channel=self.key, access_token="", method="page"), wire.object_of(answer), answer.at
            )
        )

    def refresh_call(self, grant: Grant, settings: Mapping[str, str], now: float) -> HttpCall:
        return wire.json_post(settings["refresh_url"], {}, wire.bearer(renewal.refresh_token_of(grant)))

    def refresh(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[Grant]:
        answer = yield from renewal.send(self.refresh_call(grant, settings, now))
        fields = renewal.tokens_of(answer, "accessToken", "access_token")
        return _with_claims(renewal.renewed(grant, fields, answer.at))

    def from_file(self, content: Mapping[str, object]) -> Grant:
        return _with_claims(super().from_file(content))

    def to_file(self, grant: Grant) -> dict[str, object]:
        content = super().to_file(grant)
        if grant.refreshed_at is not None:
            content["timestamp"] = int(grant.refreshed_at * 1000)
        return content

    def file_name(self, grant: Grant) -> str:
        whose = grant.account.get("sub") or grant.access_token
        return f"cursor-{hashlib.sha256(whose.encode()).hexdigest()[:8]}.json"


def _reading(answer: HttpAnswer) -> str:
    if answer.status == 404:
        return "authorization_pending"
    if answer.status == 403:
        raise LoginDenied(f"Cursor refused the login: {' '.join(wire.error_of(answer)).strip() or 403}.")
    outcome = device.standard_reading(answer)
    if not outcome and not wire.text(wire.object_of(answer), "accessToken", "access_token"):
        return "authorization_pending"
    return outcome


def _with_claims(grant: Grant) -> Grant:
    """Account and end: claims of the access token."""
    claims = jwt.claims(grant.access_token)
    told = {"sub": wire.text(claims, "sub"), "email": wire.text(claims, "email")}
    account = grant.account | {name: value for name, value in told.items() if value}
    return msgspec.structs.replace(
        grant,
        account=account,
        label=grant.label or account.get("email") or account.get("sub", ""),
        expires_at=grant.expires_at if grant.expires_at is not None else jwt.end_of(grant.access_token),
    )
