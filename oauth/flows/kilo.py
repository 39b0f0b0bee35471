"""Kilo Code: the vendor's own device flow, without client id and without end. Pure.

Source: Kilo-Org/kilocode (its CLI's device authorization); docs/protocols/kilo.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from oauth.flows import device, wire
from oauth.flows.base import Flow, Grant, HttpAnswer, Quota, ShowCode
from oauth.flows.channel import LoginAsk, LoginMethod, Terms
from oauth.flows.errors import NetworkTrouble, OAuthError, RefreshUnavailable
from oauth.flows.standard import IMPORT, StandardChannel


class KiloLogin(StandardChannel):
    key = "kilo"
    name = "Kilo Code"
    provider_key = "kilo-oauth"
    adapter = "kilo"
    names = ("kilocode", "kilo-code", "kiloai")
    methods = (
        LoginMethod(
            key="device",
            name="Sign in at kilo.ai",
            fields=(("organization", "Organisation (name or id; empty: the first)", False),),
        ),
        LoginMethod(
            key="token", name="Paste a token", fields=(("token", "Kilo Code token", True),), is_import=True
        ),
        IMPORT,
    )
    terms = Terms(
        text=(
            "Credits and organisation seats belong to the Kilo account that signs in, under Kilo's terms; "
            "everything asked through the gateway is billed to it."
        ),
        url="https://kilo.ai/terms",
    )
    defaults = {
        "device_url": "https://api.kilo.ai/api/device-auth/codes",
        "profile_url": "https://api.kilo.ai/api/profile",
        "defaults_url": "https://api.kilo.ai/api",
        "balance_url": "https://api.kilo.ai/api/profile/balance",
        "poll_minimum_s": "5",
        "poll_limit_s": "900",
    }
    quota_every_s = 15 * 60.0
    account_keys = ("email", "organization_id", "model")
    identity_keys = ("email", "organization_id")
    own_keys = ("kilocodeToken", "kilocodeOrganizationId", "kilocodeModel")
    file_keys = ()
    writes_last_refresh = False
    is_refreshable = False

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        if ask.method == "token":
            token = ask.values.get("token", "").strip()
            if not token:
                raise OAuthError("A token is needed.", code="token_missing", status=400)
            return (yield from self._with_profile(self._grant(token, "", "token"), "", settings))
        answer = yield from wire.call(wire.json_post(settings["device_url"], {}))
        fields = wire.object_of(answer)
        code, page = wire.text(fields, "code"), wire.text(fields, "verificationUrl")
        if answer.status == 429:
            raise OAuthError("Kilo says that too many logins are under way. Try again later.")
        if answer.status >= 400 or not code or not page:
            raise device.refused(answer, "Kilo did not start a device login")
        pace = device.Pace.of(settings)
        life = wire.number(fields, "expiresIn") or pace.default_life_s
        shown = ShowCode(
            user_code=code,
            verification_url=device.page(page),
            expires_in_s=min(life, pace.limit_s),
            interval_s=device.interval_of(fields, pace),
        )
        yield shown
        begun = device.Started(device_code=code, shown=shown, at=answer.at)
        approved = yield from device.poll(
            wire.get(f"{settings['device_url']}/{quote(code, safe='')}"), begun, _reading
        )
        fields = wire.object_of(approved)
        token = wire.text(fields, "token")
        if not token:
            raise OAuthError("Kilo confirmed the login but sent no token.")
        grant = self._grant(token, wire.text(fields, "userEmail"), "device")
        return (yield from self._with_profile(grant, ask.values.get("organization", ""), settings))

    def completed(self, grant: Grant, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        if grant.account.get("email"):
            return grant
        return (yield from self._with_profile(grant, "", settings))

    def _grant(self, token: str, email: str, method: str) -> Grant:
        account = {"email": email} if email else {}
        return Grant(channel=self.key, access_token=token, method=method, label=email, account=account)

    def _with_profile(self, grant: Grant, wanted: str, settings: Mapping[str, str]) -> Flow[Grant]:
        """E-mail, organisation and default model; advisory, since the token works without."""
        signed = wire.bearer(grant.access_token)
        try:
            answer = yield from wire.call(wire.get(settings["profile_url"], signed))
        except NetworkTrouble:
            return grant
        if answer.status in (401, 403):
            raise OAuthError("Kilo does not accept this token.", code="bad_token", status=400)
        profile = wire.object_of(answer) if answer.status < 300 else {}
        companies = wire.objects(profile, "organizations")
        chosen = [
            one for one in companies if wanted and wanted in (wire.text(one, "id"), wire.text(one, "name"))
        ]
        company = wire.text((chosen or companies or [{}])[0], "id")
        path = f"/organizations/{quote(company, safe='')}/defaults" if company else "/defaults"
        try:
            answer = yield from wire.call(wire.get(settings["defaults_url"] + path, signed))
            model = wire.text(wire.object_of(answer), "model", "defaultModel") if answer.status < 300 else ""
        except NetworkTrouble:
            model = ""
        told = {
            "email": wire.text(profile, "email") or wire.text(wire.inner(profile, "user"), "email"),
            "organization_id": company,
            "model": model,
        }
        account = grant.account | {name: value for name, value in told.items() if value}
        label = grant.label or account.get("email", "")
        return msgspec.structs.replace(grant, account=account, label=label)

    def read_quota(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[tuple[Quota, ...]]:
        """The balance, for people to see: free models go on without one, so it exhausts nothing."""
        try:
            answer = yield from wire.call(wire.get(settings["balance_url"], wire.bearer(grant.access_token)))
        except NetworkTrouble as error:
            raise RefreshUnavailable(error.message) from error
        balance = wire.number(wire.object_of(answer), "balance") if answer.status < 300 else None
        return (Quota(name="balance", remaining=balance, unit="USD"),) if balance is not None else ()

    def from_file(self, content: Mapping[str, object]) -> Grant:
        token = wire.text(content, "kilocodeToken", "access_token", "accessToken", "token", "api_key")
        renamed = {"kilocodeOrganizationId": "organization_id", "kilocodeModel": "model"}
        more = {
            new: content[old] for old, new in renamed.items() if content.get(old) and not content.get(new)
        }
        return super().from_file({**content, **more, "access_token": token})

    def to_file(self, grant: Grant) -> dict[str, object]:
        content = super().to_file(grant)
        content.pop("access_token", None)
        account = grant.account
        return {
            **content,
            "kilocodeToken": grant.access_token,
            "kilocodeOrganizationId": account.get("organization_id", ""),
            "kilocodeModel": account.get("model", ""),
            "email": account.get("email", ""),
        }


def _reading(answer: HttpAnswer) -> str:
    by_status = {202: "authorization_pending", 403: "access_denied", 410: "expired_token"}
    if answer.status in by_status:
        return by_status[answer.status]
    status = wire.text(wire.object_of(answer), "status")
    if answer.status < 300 and status and status != "approved":
        return status
    return device.standard_reading(answer)
