"""Qwen: RFC 8628 with PKCE at chat.qwen.ai. Pure. Source: QwenLM/qwen-code, packages/core/src/qwen/."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from oauth.flows import device, files, pkce, renewal, wire
from oauth.flows.base import Flow, Grant, HttpAnswer
from oauth.flows.channel import LoginAsk, LoginMethod, Terms
from oauth.flows.standard import IMPORT, StandardChannel


class Qwen(StandardChannel):
    key = "qwen"
    name = "Qwen"
    provider_key = "qwen"
    adapter = "qwen"
    names = ("qwen-code",)
    methods = (
        LoginMethod(
            key="device",
            name="Sign in at chat.qwen.ai",
            fields=(("label", "E-mail or a name for this account", False),),
        ),
        IMPORT,
    )
    terms = Terms(
        text=(
            "The free allowance of Qwen's accounts is meant for Qwen Code and one person. Alibaba may limit "
            "or close accounts that serve other programs or other people."
        ),
        url="https://chat.qwen.ai/legal-agreement/terms-of-service",
    )
    defaults = {
        "device_url": "https://chat.qwen.ai/api/v1/oauth2/device/code",
        "token_url": "https://chat.qwen.ai/api/v1/oauth2/token",
        "client_id": "f0304373b74a44d2b584a3fb70ca9e56",
        "scope": "openid profile email model.completion",
        "poll_minimum_s": "5",
        "poll_limit_s": "900",
    }
    refresh_lead_s = 3 * 3600.0
    account_keys = ("email", "resource_url")
    file_keys = ("access_token", "refresh_token")

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        verifier = pkce.verifier(ask.seed)
        begun = yield from device.start(
            wire.form_post(
                settings["device_url"],
                {
                    "client_id": settings["client_id"],
                    "scope": settings["scope"],
                    "code_challenge": pkce.challenge(verifier),
                    "code_challenge_method": "S256",
                },
            ),
            device.Pace.of(settings),
        )
        answer = yield from device.poll(
            wire.form_post(
                settings["token_url"],
                {
                    "grant_type": device.DEVICE_GRANT,
                    "client_id": settings["client_id"],
                    "device_code": begun.device_code,
                    "code_verifier": verifier,
                },
            ),
            begun,
            _reading,
        )
        label = ask.values.get("label", "").strip()
        grant = Grant(
            channel=self.key,
            access_token="",
            method="device",
            label=label or "Qwen",
            account={"email": label} if label else {},
        )
        return _with_host(renewal.renewed(grant, wire.object_of(answer), answer.at), wire.object_of(answer))

    def refresh(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[Grant]:
        answer = yield from renewal.send(self.refresh_call(grant, settings, now))
        fields = renewal.tokens_of(answer)
        return _with_host(renewal.renewed(grant, fields, answer.at), fields)

    def rewritten(self, content: Mapping[str, object], grant: Grant) -> dict[str, object]:
        if "type" not in content and "expiry_date" in content:
            return files.in_cli_file(content, grant.access_token, grant.refresh_token, grant.expires_at)
        return super().rewritten(content, grant)


def _reading(answer: HttpAnswer) -> str:
    """Tokens may come inside ``data`` or beside ``status: success``; without any it is still pending."""
    outcome = device.standard_reading(answer)
    if not outcome and not wire.text(wire.object_of(answer), "access_token"):
        return "authorization_pending"
    return outcome


def _with_host(grant: Grant, fields: Mapping[str, object]) -> Grant:
    """``resource_url`` names the API's host; an answer without it keeps the one that is known."""
    host = wire.host_of(fields, "resource_url")
    return msgspec.structs.replace(grant, account=grant.account | {"resource_url": host}) if host else grant
