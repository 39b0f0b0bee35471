"""What Google's channels share: installed-app logins (no PKCE, a client secret that the operator supplies),
token calls, and the project that Code Assist bills. Pure.

Sources: google-gemini/gemini-cli (packages/core/src/code_assist/), Google's OAuth 2 for installed apps.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from oauth.flows import code, pkce, renewal, wire
from oauth.flows.base import Flow, Grant, HttpCall, Quota, Wait
from oauth.flows.channel import LoginAsk
from oauth.flows.errors import NetworkTrouble, OAuthError, RefreshUnavailable
from oauth.flows.standard import StandardChannel


class GoogleChannel(StandardChannel):
    """Settings beside the usual ones: ``authorize_url``, ``client_secret``, ``userinfo_url``."""

    def sign_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        """The tokens and the e-mail. Raises OAuthError."""
        secret = wire.required(settings, "client_secret", self.secret_setting)
        state = pkce.state(ask.seed)
        redirect = code.redirect_uri(ask, settings, self.callback_path)
        url = code.authorize_url(
            settings["authorize_url"],
            settings["client_id"],
            redirect,
            state,
            scope=settings["scope"],
            access_type="offline",
            prompt="consent",
        )
        given = yield from code.ask_person(url, state, redirect)
        answer = yield from wire.call(
            wire.form_post(
                settings["token_url"],
                {
                    "grant_type": "authorization_code",
                    "code": given,
                    "client_id": settings["client_id"],
                    "client_secret": secret,
                    "redirect_uri": redirect,
                },
            )
        )
        fields = code.tokens_of(answer)
        grant = renewal.renewed(Grant(channel=self.key, access_token="", method="code"), fields, answer.at)
        return (yield from self.with_email(grant, settings))

    def is_complete(self, grant: Grant) -> bool:
        """Files of the vendors' own programs name no project."""
        return bool(grant.account.get("project_id"))

    @property
    def secret_setting(self) -> str:
        return f"CLIPROXY_OAUTH_{self.key}_CLIENT_SECRET".upper().replace("-", "_")

    def with_email(self, grant: Grant, settings: Mapping[str, str]) -> Flow[Grant]:
        if grant.account.get("email"):
            return grant
        try:
            answer = yield from wire.call(wire.get(settings["userinfo_url"], wire.bearer(grant.access_token)))
        except NetworkTrouble:
            return grant
        email = wire.text(wire.object_of(answer), "email") if answer.status < 300 else ""
        if not email:
            return grant
        return msgspec.structs.replace(
            grant, account=grant.account | {"email": email}, label=grant.label or email
        )

    def refresh_call(self, grant: Grant, settings: Mapping[str, str], now: float) -> HttpCall:
        """A file may bring the client that it was made with; else the settings'."""
        secret = grant.private.get("client_secret") or settings.get("client_secret", "")
        if not secret:
            raise RefreshUnavailable(f"The setting {self.secret_setting} is not set.")
        return wire.form_post(
            settings["token_url"],
            {
                "grant_type": "refresh_token",
                "refresh_token": renewal.refresh_token_of(grant),
                "client_id": grant.private.get("client_id") or settings["client_id"],
                "client_secret": secret,
            },
        )


def project_of(fields: Mapping[str, object]) -> str:
    """The project that Code Assist names: a text or an object with an ``id``."""
    for name in ("cloudaicompanionProject", "projectId", "project"):
        if found := wire.text(fields, name) or wire.text(wire.inner(fields, name), "id", "projectId"):
            return found
    return ""


def default_tier(loaded: Mapping[str, object], fallback: str) -> str:
    for tier in wire.objects(loaded, "allowedTiers"):
        if tier.get("isDefault") is True:
            return wire.text(tier, "id") or fallback
    return fallback


def why_ineligible(loaded: Mapping[str, object]) -> str:
    """What Google says of an account that may not use Code Assist, with the page that helps."""
    reasons = []
    for tier in wire.objects(loaded, "ineligibleTiers"):
        words = wire.text(tier, "validationErrorMessage", "reasonMessage", "reasonCode")
        url = wire.text(tier, "validationUrl")
        reasons.append(wire.safe(f"{words} {url}".strip()))
    return "; ".join(reason for reason in reasons if reason)


def onboard(request: HttpCall, tries: int, pause_s: float, *, waits_for_project: bool = False) -> Flow[str]:
    """Repeat ``:onboardUser`` until its operation is done. The project it names, "" for none. Raises
    OAuthError when Google refuses or never finishes."""
    for attempt in range(tries):
        if attempt:
            yield Wait(seconds=pause_s)
        try:
            answer = yield from wire.call(request)
        except NetworkTrouble:
            continue
        if answer.status in (429, 500, 502, 503, 504):
            continue
        fields = wire.object_of(answer)
        if answer.status >= 400:
            _, words = wire.error_of(answer)
            raise OAuthError(f"Google did not set up a project ({answer.status}: {words}).")
        if fields.get("done") is True:
            return project_of(wire.inner(fields, "response"))
    raise OAuthError("Google did not finish setting up a project. Try again later.")


def bucket_quotas(buckets: list[dict[str, object]]) -> tuple[Quota, ...]:
    """Per-model buckets of ``:retrieveUserQuota``: several for one model are told by their token type."""
    found: dict[tuple[str, str], Quota] = {}
    for bucket in buckets:
        model = wire.text(bucket, "modelId")
        share = wire.number(bucket, "remainingFraction")
        if share is None and wire.text(bucket, "resetTime"):
            share = 0.0  # Google's JSON leaves zeros out
        if not model or share is None:
            continue
        kind = wire.text(bucket, "tokenType").lower() or "requests"
        found[model, kind] = quota_of(model, share, wire.text(bucket, "resetTime"), kind, bucket)
    return tuple(found.values())


def quota_of(
    model: str, share: float, resets: str, unit: str = "", bucket: Mapping[str, object] | None = None
) -> Quota:
    return Quota(
        name=f"{model} {unit}".strip() if unit not in ("", "requests") else model,
        model=model,
        remaining=wire.number(bucket, "remainingAmount"),
        used_percent=min(max((1 - share) * 100, 0.0), 100.0),
        resets_at=wire.moment_of(resets),
        unit=unit or "requests",
        is_exhausted=share <= 0,
    )
