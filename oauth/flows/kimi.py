"""Kimi: RFC 8628 at auth.kimi.com. Pure. Source: MoonshotAI/kimi-cli, src/kimi_cli/auth/."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from oauth.flows import device, jwt, pkce, renewal, wire
from oauth.flows.base import Flow, Grant, HttpAnswer, HttpCall, Quota
from oauth.flows.channel import LoginAsk, LoginMethod, Terms
from oauth.flows.errors import NetworkTrouble, OAuthError, RefreshUnavailable
from oauth.flows.standard import IMPORT, StandardChannel

Headers = tuple[tuple[str, str], ...]


class Kimi(StandardChannel):
    key = "kimi"
    name = "Kimi"
    provider_key = "kimi"
    adapter = "kimi"
    names = ("moonshot",)
    methods = (LoginMethod(key="device", name="Sign in at kimi.com"), IMPORT)
    terms = Terms(
        text=(
            "Kimi's coding plan is for the person who pays it and for the tools that Moonshot AI names. It "
            "may limit or close accounts that serve other programs or other people."
        ),
        url="https://www.kimi.com/user/agreement/modelUse",
    )
    defaults = {
        "device_url": "https://auth.kimi.com/api/oauth/device_authorization",
        "token_url": "https://auth.kimi.com/api/oauth/token",
        "usage_url": "https://api.kimi.com/coding/v1/usages",
        "client_id": "17e5f671-d194-4dfb-9706-5516cb48c098",
        "platform": "cliproxy",
        "version": "0.1.0",
        "device_name": "gateway",
        "device_model": "gateway",
        "poll_minimum_s": "5",
        "poll_limit_s": "900",
    }
    refresh_lead_s = 5 * 60.0
    quota_every_s = 10 * 60.0
    account_keys = ("email", "device_id", "user_id", "token_type", "scope")
    identity_keys = ("user_id", "email")
    file_keys = ("access_token", "refresh_token")
    writes_last_refresh = False

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        device_id = pkce.device_id(ask.seed)
        headers = _headers(device_id, settings)
        begun = yield from device.start(
            wire.form_post(settings["device_url"], {"client_id": settings["client_id"]}, *headers),
            device.Pace.of(settings),
        )
        answer = yield from device.poll(
            wire.form_post(
                settings["token_url"],
                {
                    "client_id": settings["client_id"],
                    "device_code": begun.device_code,
                    "grant_type": device.DEVICE_GRANT,
                },
                *headers,
            ),
            begun,
        )
        fields = _tokens(answer)
        grant = Grant(channel=self.key, access_token="", method="device", account={"device_id": device_id})
        return _with_user(renewal.renewed(grant, fields, answer.at), fields)

    def refresh_call(self, grant: Grant, settings: Mapping[str, str], now: float) -> HttpCall:
        call = super().refresh_call(grant, settings, now)
        headers = call.headers + _headers(grant.account.get("device_id", ""), settings)
        return msgspec.structs.replace(call, headers=headers)

    def read_quota(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[tuple[Quota, ...]]:
        try:
            answer = yield from wire.call(wire.get(settings["usage_url"], wire.bearer(grant.access_token)))
        except NetworkTrouble as error:
            raise RefreshUnavailable(error.message) from error
        return quotas(wire.object_of(answer)) if answer.status < 300 else ()

    def from_file(self, content: Mapping[str, object]) -> Grant:
        grant = super().from_file(content)
        return _with_user(grant, content)

    def to_file(self, grant: Grant) -> dict[str, object]:
        content = super().to_file(grant)
        content.pop("user_id", None)
        if grant.refreshed_at is not None:
            content["timestamp"] = int(grant.refreshed_at * 1000)
        return content

    def file_name(self, grant: Grant) -> str:
        return f"kimi-{int((grant.refreshed_at or 0) * 1000)}.json"


def _tokens(answer: HttpAnswer) -> dict[str, object]:
    fields = wire.object_of(answer)
    if not wire.text(fields, "access_token"):
        raise OAuthError("Kimi confirmed the login but sent no token.")
    return fields


def _headers(device_id: str, settings: Mapping[str, str]) -> Headers:
    """What Kimi's authorization server asks of a client; the values say honestly who we are."""
    headers = [
        ("x-msh-platform", settings["platform"]),
        ("x-msh-version", settings["version"]),
        ("x-msh-device-name", settings["device_name"]),
        ("x-msh-device-model", settings["device_model"]),
    ]
    return (*headers, ("x-msh-device-id", device_id)) if device_id else tuple(headers)


def _with_user(grant: Grant, fields: Mapping[str, object]) -> Grant:
    """Whose login: Kimi's access tokens are JWTs with a ``sub``."""
    from_token = jwt.claims(grant.access_token)
    told = {
        "user_id": wire.text(from_token, "sub", "user_id"),
        "email": wire.text(from_token, "email"),
        "token_type": wire.text(fields, "token_type"),
        "scope": wire.text(fields, "scope"),
    }
    account = grant.account | {name: value for name, value in told.items() if value}
    return msgspec.structs.replace(
        grant, account=account, label=grant.label or account.get("email") or "Kimi"
    )


def quotas(fields: Mapping[str, object]) -> tuple[Quota, ...]:
    """``usage`` (the whole plan) and ``limits[]`` (windows), as third-party clients read them."""
    found = []
    windows: list[tuple[str, dict[str, object]]] = [("plan", wire.inner(fields, "usage"))]
    for entry in wire.objects(fields, "limits"):
        window = wire.inner(entry, "window")
        unit = wire.text(window, "timeUnit").lower().removeprefix("time_unit_").rstrip("s")
        name = f"{wire.text(window, 'duration')} {unit}".strip() or "window"
        windows.append((name, wire.inner(entry, "detail") or entry))
    for name, detail in windows:
        limit, used = wire.number(detail, "limit"), wire.number(detail, "used")
        left = wire.number(detail, "remaining")
        if limit is None and left is None:
            continue
        if left is None and limit is not None and used is not None:
            left = limit - used
        if used is None and limit is not None and left is not None:
            used = limit - left
        found.append(
            Quota(
                name=name,
                limit=limit,
                used=used,
                remaining=left,
                used_percent=min(used / limit * 100, 100.0) if limit and used is not None else None,
                resets_at=wire.moment_of(wire.text(detail, "resetTime", "reset_time", "resetAt")),
                unit="requests",
                is_exhausted=left is not None and left <= 0 and limit != 0,
            )
        )
    return tuple(found)
