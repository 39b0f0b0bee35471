"""MiniMax: its portal's user-code login, or a key. Pure.

The portal login is documented by nobody and seen only in third-party clients, so all of it is a setting
(docs/protocols/minimax.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest

import msgspec

from oauth.flows import device, pkce, renewal, wire
from oauth.flows.base import Flow, Grant, HttpAnswer, ShowCode
from oauth.flows.channel import LoginAsk, LoginMethod, Terms
from oauth.flows.errors import LoginMismatch, OAuthError
from oauth.flows.standard import IMPORT, StandardChannel

USER_CODE_GRANT = "urn:ietf:params:oauth:grant-type:user_code"


class MiniMaxLogin(StandardChannel):
    key = "minimax"
    name = "MiniMax"
    provider_key = "minimax-oauth"
    adapter = "minimax"
    methods = (
        LoginMethod(key="device", name="Sign in at minimax.io"),
        LoginMethod(
            key="token", name="Paste a key", fields=(("token", "API key or token", True),), is_import=True
        ),
        IMPORT,
    )
    terms = Terms(
        text=(
            "A MiniMax coding plan is for the person who pays it, under MiniMax's terms; it may limit or "
            "close accounts that serve other people."
        ),
        url="https://www.minimax.io/platform/protocol/terms-of-service",
    )
    defaults = {
        "code_url": "https://api.minimax.io/oauth/code",
        "token_url": "https://api.minimax.io/oauth/token",
        "client_id": "78257093-7e40-4613-99e0-527b14b39113",
        "scope": "group_id profile model.completion",
        "poll_minimum_s": "2",
        "poll_limit_s": "900",
    }
    refresh_lead_s = 5 * 60.0
    account_keys = ("email", "resource_url")
    file_keys = ("access_token",)

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        if ask.method == "token":
            token = ask.values.get("token", "").strip()
            if not token:
                raise OAuthError("A key or token is needed.", code="token_missing", status=400)
            return Grant(channel=self.key, access_token=token, method="token", label="MiniMax")
        state, verifier = pkce.state(ask.seed), pkce.verifier(ask.seed)
        answer = yield from wire.call(
            wire.form_post(
                settings["code_url"],
                {
                    "response_type": "code",
                    "client_id": settings["client_id"],
                    "scope": settings["scope"],
                    "code_challenge": pkce.challenge(verifier),
                    "code_challenge_method": "S256",
                    "state": state,
                },
            )
        )
        fields = wire.object_of(answer)
        user_code, page = wire.text(fields, "user_code"), wire.text(fields, "verification_uri")
        if answer.status >= 400 or not user_code or not page:
            raise device.refused(answer, "MiniMax did not start a login")
        if not compare_digest(wire.text(fields, "state").encode(), state.encode()):
            raise LoginMismatch("MiniMax answered for another login (wrong state). Start again.")
        pace = device.Pace.of(settings)
        end = _end_of(fields, answer.at)
        life = end - answer.at if end is not None and end > answer.at else pace.default_life_s
        interval = wire.number(fields, "interval") or pace.minimum_s
        shown = ShowCode(
            user_code=user_code,
            verification_url=device.page(page),
            expires_in_s=min(life, pace.limit_s),
            interval_s=max(interval / 1000 if interval >= 500 else interval, pace.minimum_s),
        )
        yield shown
        granted = yield from device.poll(
            wire.form_post(
                settings["token_url"],
                {
                    "grant_type": USER_CODE_GRANT,
                    "client_id": settings["client_id"],
                    "user_code": user_code,
                    "code_verifier": verifier,
                },
            ),
            device.Started(device_code=user_code, shown=shown, at=answer.at),
            _reading,
        )
        if not wire.text(wire.object_of(granted), "access_token", "accessToken"):
            raise OAuthError("MiniMax confirmed the login but sent no token.")
        grant = Grant(channel=self.key, access_token="", method="device", label="MiniMax")
        return _renewed(grant, wire.object_of(granted), granted.at)

    def refresh(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[Grant]:
        answer = yield from renewal.send(self.refresh_call(grant, settings, now))
        return _renewed(grant, renewal.tokens_of(answer), answer.at)

    def from_file(self, content: Mapping[str, object]) -> Grant:
        return super().from_file(token_file(content))


def token_file(content: Mapping[str, object]) -> dict[str, object]:
    """A ``token-file``: ``access_token``, else ``api_key``."""
    token = wire.text(content, "access_token", "accessToken", "api_key", "api-key", "token")
    return {**{name: value for name, value in content.items() if name != "api_key"}, "access_token": token}


def _reading(answer: HttpAnswer) -> str:
    fields = wire.object_of(answer)
    status = wire.text(fields, "status")
    if status in ("pending", "error"):
        return "authorization_pending" if status == "pending" else "access_denied"
    return device.standard_reading(answer)


def _end_of(fields: Mapping[str, object], at: float) -> float | None:
    """``expired_in`` is seen as a moment in Unix milliseconds and as a number of seconds."""
    given = wire.number(fields, "expired_in", "expires_in")
    if given is None or given <= 0:
        return None
    return wire.moment_of(given) if given > 1e9 else wire.moment_of(at + given)


def _renewed(grant: Grant, fields: Mapping[str, object], at: float) -> Grant:
    grant = renewal.renewed(grant, fields, at)
    host = wire.host_of(fields, "resource_url")
    account = grant.account | ({"resource_url": host} if host else {})
    return msgspec.structs.replace(grant, expires_at=_end_of(fields, at), account=account)
