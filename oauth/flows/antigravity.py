"""Antigravity: Google's installed-app login and its Code Assist project. Pure.

Google documents none of it: facts are CLIProxyAPI's (docs/protocols/antigravity.md). The client secret is
part of the Antigravity application; the operator sets it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from oauth.flows import google, wire
from oauth.flows.base import Flow, Grant, Quota, Renewed
from oauth.flows.channel import LoginAsk, LoginMethod, Terms
from oauth.flows.errors import NetworkTrouble, OAuthError, RefreshUnavailable
from oauth.flows.standard import IMPORT

SCOPES = ("cloud-platform", "userinfo.email", "userinfo.profile", "cclog", "experimentsandconfigs")


class Antigravity(google.GoogleChannel):
    key = "antigravity"
    name = "Antigravity"
    provider_key = "antigravity"
    adapter = "antigravity"
    names = ("anti-gravity",)
    methods = (LoginMethod(key="code", name="Sign in with Google"), IMPORT)
    terms = Terms(
        text=(
            "Antigravity is a preview that Google offers to persons, for use in its own application. "
            "Reaching its models from other programs is not foreseen; Google may limit or suspend the whole "
            "Google account. Do not connect an account that you cannot lose."
        ),
        url="https://antigravity.google/terms",
    )
    defaults = {
        "authorize_url": "https://accounts.google.com/o/oauth2/v2/auth",
        "token_url": "https://oauth2.googleapis.com/token",
        "userinfo_url": "https://www.googleapis.com/oauth2/v2/userinfo?alt=json",
        "load_url": "https://cloudcode-pa.googleapis.com/v1internal",
        "onboard_url": "https://daily-cloudcode-pa.googleapis.com/v1internal",
        "models_url": "https://daily-cloudcode-pa.googleapis.com/v1internal",
        "client_id": "1071006060591-tmhssin2h21lcre235vtolojh4g403ep.apps.googleusercontent.com",
        "scope": " ".join(f"https://www.googleapis.com/auth/{name}" for name in SCOPES),
        "callback_port": "51121",
        "callback_host": "localhost",
        "redirect_uri": "",
    }
    required_settings = (("client_secret", "shipped by Google inside the Antigravity desktop application"),)
    callback_path = "/oauth-callback"
    refresh_lead_s = 5 * 60.0
    quota_every_s = 10 * 60.0
    account_keys = ("email", "project_id")
    file_keys = ("access_token", "refresh_token")
    writes_last_refresh = False

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        grant = yield from self.sign_in(ask, settings)
        if not grant.account.get("email"):
            raise OAuthError("Google did not tell whose login this is.")
        return (yield from self._with_project(grant, settings))

    def completed(self, grant: Grant, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        grant = yield from super().completed(grant, ask, settings)
        grant = yield from self.with_email(grant, settings)
        return (yield from self._with_project(grant, settings))

    def refresh(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[Grant]:
        """A login whose project could not be learnt asks again with every refresh."""
        grant = yield from super().refresh(grant, settings, now)
        if not self.is_complete(grant):
            yield Renewed(grant=grant)
        return (yield from self._with_project(grant, settings))

    def _with_project(self, grant: Grant, settings: Mapping[str, str]) -> Flow[Grant]:
        """Advisory: a login without a project is kept and says so when it is used."""
        if grant.account.get("project_id"):
            return grant
        try:
            project = yield from self._project(grant, settings)
        except OAuthError:
            return grant
        account = grant.account | ({"project_id": project} if project else {})
        return msgspec.structs.replace(grant, account=account)

    def _project(self, grant: Grant, settings: Mapping[str, str]) -> Flow[str]:
        signed = wire.bearer(grant.access_token)
        answer = yield from wire.call(
            wire.json_post(
                f"{settings['load_url']}:loadCodeAssist", {"metadata": {"ideType": "ANTIGRAVITY"}}, signed
            )
        )
        loaded = wire.object_of(answer) if answer.status < 300 else {}
        if project := google.project_of(loaded):
            return project
        tier = google.default_tier(loaded, wire.text(wire.inner(loaded, "currentTier"), "id") or "free-tier")
        body = {"tier_id": tier, "metadata": {"ide_type": "ANTIGRAVITY"}}
        return (
            yield from google.onboard(
                wire.json_post(f"{settings['onboard_url']}:onboardUser", body, signed), 5, 2.0
            )
        )

    def read_quota(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[tuple[Quota, ...]]:
        body = {"project": project} if (project := grant.account.get("project_id", "")) else {}
        try:
            answer = yield from wire.call(
                wire.json_post(
                    f"{settings['models_url']}:fetchAvailableModels", body, wire.bearer(grant.access_token)
                )
            )
        except NetworkTrouble as error:
            raise RefreshUnavailable(error.message) from error
        return quotas(wire.object_of(answer)) if answer.status < 300 else ()

    def to_file(self, grant: Grant) -> dict[str, object]:
        content = super().to_file(grant)
        if grant.expires_at is not None and grant.refreshed_at is not None:
            content["expires_in"] = int(grant.expires_at - grant.refreshed_at)
            content["timestamp"] = int(grant.refreshed_at * 1000)
        return content

    def file_name(self, grant: Grant) -> str:
        return super().file_name(grant) if grant.account.get("email") else "antigravity.json"


def quotas(fields: Mapping[str, object]) -> tuple[Quota, ...]:
    """``models`` of ``:fetchAvailableModels``; a model whose allowance is spent names no fraction."""
    found = []
    for model, entry in wire.inner(fields, "models").items():
        info = wire.inner(entry, "quotaInfo")
        if not info:
            continue
        share = wire.number(info, "remainingFraction")
        found.append(
            google.quota_of(model, share if share is not None else 0.0, wire.text(info, "resetTime"))
        )
    return tuple(found)
