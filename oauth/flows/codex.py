"""Codex (ChatGPT plans): authorization code with PKCE, and the device flow of OpenAI's own making. Pure.

Source of both: openai/codex, codex-rs/login (the vendor's open-source client), and CLIProxyAPI v7.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from oauth.flows import code, device, files, jwt, pkce, renewal, wire
from oauth.flows.base import Flow, Grant, HttpAnswer, HttpCall, Quota, ShowCode
from oauth.flows.channel import LoginAsk, LoginMethod, Terms
from oauth.flows.errors import NetworkTrouble, OAuthError, RefreshUnavailable
from oauth.flows.standard import IMPORT, StandardChannel

CLAIMS = "https://api.openai.com/auth"
WEEK_S = 7 * 24 * 3600


class CodexOAuth(StandardChannel):
    key = "codex"
    name = "OpenAI Codex"
    provider_key = "codex-oauth"
    adapter = "codex"
    names = ("openai", "chatgpt")
    methods = (
        LoginMethod(key="code", name="Sign in with ChatGPT"),
        LoginMethod(key="device", name="Sign in with a code"),
        IMPORT,
    )
    terms = Terms(
        text=(
            "A ChatGPT plan is for the person or workspace that pays it. OpenAI's terms do not allow sharing "
            "an account or working around its limits; it may limit or close one that serves other people "
            "through a gateway. An API key is what OpenAI offers for that."
        ),
        url="https://openai.com/policies/terms-of-use/",
    )
    defaults = {
        "authorize_url": "https://auth.openai.com/oauth/authorize",
        "token_url": "https://auth.openai.com/oauth/token",
        "device_code_url": "https://auth.openai.com/api/accounts/deviceauth/usercode",
        "device_token_url": "https://auth.openai.com/api/accounts/deviceauth/token",
        "device_page_url": "https://auth.openai.com/codex/device",
        "device_redirect_uri": "https://auth.openai.com/deviceauth/callback",
        "usage_url": "https://chatgpt.com/backend-api/wham/usage",
        "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
        "scope": "openid email profile offline_access",
        "refresh_scope": "openid profile email",
        "callback_port": "1455",
        "callback_host": "localhost",
        "redirect_uri": "",
        "poll_minimum_s": "5",
        "poll_limit_s": "900",
    }
    callback_path = "/auth/callback"
    refresh_lead_s = 5 * 24 * 3600.0
    quota_every_s = 10 * 60.0
    quotas_from_headers = True
    account_keys = ("account_id", "email", "plan", "user_id")
    identity_keys = ("account_id", "email")
    own_keys = ("plan", "user_id", "OPENAI_API_KEY", "tokens")

    # --- login -----------------------------------------------------------------------------

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        if ask.method == "device":
            return (yield from self._by_device(settings))
        state, verifier = pkce.state(ask.seed), pkce.verifier(ask.seed)
        redirect = code.redirect_uri(ask, settings, self.callback_path)
        url = code.authorize_url(
            settings["authorize_url"],
            settings["client_id"],
            redirect,
            state,
            scope=settings["scope"],
            verifier=verifier,
            prompt="login",
            id_token_add_organizations="true",  # noqa: S106  (no password)
            codex_cli_simplified_flow="true",
        )
        given = yield from code.ask_person(url, state, redirect)
        return (yield from self._exchange(given, verifier, redirect, "code", settings))

    def _by_device(self, settings: Mapping[str, str]) -> Flow[Grant]:
        """OpenAI's own device flow: the server makes the PKCE pair, 403 and 404 mean "not yet"."""
        answer = yield from wire.call(
            wire.json_post(settings["device_code_url"], {"client_id": settings["client_id"]})
        )
        fields = wire.object_of(answer)
        user_code, auth_id = wire.text(fields, "user_code", "usercode"), wire.text(fields, "device_auth_id")
        if answer.status == 404:
            raise OAuthError("Login with a code is not enabled for this account; sign in in the browser.")
        if answer.status >= 400 or not user_code or not auth_id:
            raise device.refused(answer, "OpenAI did not start a device login")
        pace = device.Pace.of(settings)
        shown = ShowCode(
            user_code=user_code,
            verification_url=settings["device_page_url"],
            expires_in_s=pace.limit_s,
            interval_s=device.interval_of(fields, pace),
        )
        yield shown
        begun = device.Started(device_code=auth_id, shown=shown, at=answer.at)
        granted = yield from device.poll(
            wire.json_post(settings["device_token_url"], {"device_auth_id": auth_id, "user_code": user_code}),
            begun,
            _device_reading,
        )
        fields = wire.object_of(granted)
        given, verifier = wire.text(fields, "authorization_code"), wire.text(fields, "code_verifier")
        if not given or not verifier:
            raise OAuthError("OpenAI confirmed the login but sent no code.")
        return (
            yield from self._exchange(given, verifier, settings["device_redirect_uri"], "device", settings)
        )

    def _exchange(
        self, given: str, verifier: str, redirect: str, method: str, settings: Mapping[str, str]
    ) -> Flow[Grant]:
        answer = yield from wire.call(
            wire.form_post(
                settings["token_url"],
                {
                    "grant_type": "authorization_code",
                    "client_id": settings["client_id"],
                    "code": given,
                    "redirect_uri": redirect,
                    "code_verifier": verifier,
                },
            )
        )
        fields = code.tokens_of(answer)
        grant = Grant(channel=self.key, access_token="", method=method)
        return _with_claims(renewal.renewed(grant, fields, answer.at))

    # --- refresh ---------------------------------------------------------------------------

    def refresh_call(self, grant: Grant, settings: Mapping[str, str], now: float) -> HttpCall:
        return wire.form_post(
            settings["token_url"],
            {
                "client_id": settings["client_id"],
                "grant_type": "refresh_token",
                "refresh_token": renewal.refresh_token_of(grant),
                "scope": settings["refresh_scope"],
            },
        )

    def refresh(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[Grant]:
        return _with_claims((yield from super().refresh(grant, settings, now)))

    # --- quota -----------------------------------------------------------------------------

    def read_quota(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[tuple[Quota, ...]]:
        headers = [wire.bearer(grant.access_token)]
        if account_id := grant.account.get("account_id"):
            headers.append(("chatgpt-account-id", account_id))
        try:
            answer = yield from wire.call(wire.get(settings["usage_url"], *headers))
        except NetworkTrouble as error:
            raise RefreshUnavailable(error.message) from error
        return quotas(wire.object_of(answer), answer.at) if answer.status < 300 else ()

    def quotas_in(
        self, headers: Mapping[str, str], settings: Mapping[str, str], now: float
    ) -> tuple[Quota, ...]:
        """``x-codex-{primary,secondary}-{used-percent,window-minutes,reset-after-seconds,reset-at}``, as
        openai/codex reads them from each answer."""
        found = []
        goes_on = any(
            headers.get(f"x-codex-credits-{name}", "").lower() == "true"
            for name in ("has-credits", "unlimited")
        )
        for side in ("primary", "secondary"):
            used = wire.number(headers, f"x-codex-{side}-used-percent")
            if used is None:
                continue
            minutes = wire.number(headers, f"x-codex-{side}-window-minutes")
            resets = wire.moment_of(headers.get(f"x-codex-{side}-reset-at", ""))
            after = wire.number(headers, f"x-codex-{side}-reset-after-seconds")
            found.append(
                Quota(
                    name=window_name(side, minutes * 60 if minutes is not None else None),
                    used_percent=min(used, 100.0),
                    resets_at=resets if resets is not None else (now + after if after is not None else None),
                    unit="percent",
                    is_exhausted=used >= 100 and not goes_on,
                )
            )
        return tuple(found)

    # --- files -----------------------------------------------------------------------------

    def from_file(self, content: Mapping[str, object]) -> Grant:
        """CLIProxyAPI's file, or Codex's ``~/.codex/auth.json``."""
        inside = wire.inner(content, "tokens")
        if inside:
            content = {**inside, "last_refresh": content.get("last_refresh")}
        elif "OPENAI_API_KEY" in content and "access_token" not in content:
            raise OAuthError(
                "This auth.json holds an API key and no login: add the key as an OpenAI credential.",
                code="credential_incomplete",
                status=400,
            )
        return _with_claims(super().from_file(content))

    def rewritten(self, content: Mapping[str, object], grant: Grant) -> dict[str, object]:
        if "tokens" not in content:
            return super().rewritten(content, grant)
        tokens: dict[str, object] = {
            **wire.inner(content, "tokens"),
            "id_token": grant.id_token,
            "access_token": grant.access_token,
            "refresh_token": grant.refresh_token,
        }
        last = {"last_refresh": wire.rfc3339(grant.refreshed_at)} if grant.refreshed_at is not None else {}
        return {**content, "tokens": tokens, **last}

    def to_file(self, grant: Grant) -> dict[str, object]:
        content = super().to_file(grant)
        for name in ("plan", "user_id"):
            content.pop(name, None)
        return content

    def file_name(self, grant: Grant) -> str:
        account_id, plan = grant.account.get("account_id", ""), files.slug(grant.account.get("plan", ""))
        parts = ["codex"]
        if account_id:
            parts.append(hashlib.sha256(account_id.encode()).hexdigest()[:8])
        parts.append(files.name_part(self.account_name(grant)))
        return "-".join([*parts, plan] if plan else parts) + ".json"


def _device_reading(answer: HttpAnswer) -> str:
    if answer.status in (403, 404):
        code_given, _ = wire.error_of(answer)
        return code_given if code_given in ("access_denied", "expired_token") else "authorization_pending"
    return device.standard_reading(answer)


def _with_claims(grant: Grant) -> Grant:
    """Account, plan and e-mail from the id token; the end from the access token where none was told."""
    claims = jwt.claims(grant.id_token) or jwt.claims(grant.access_token)
    own = wire.inner(claims, CLAIMS)
    told = {
        "email": wire.text(claims, "email")
        or wire.text(wire.inner(claims, "https://api.openai.com/profile"), "email"),
        "account_id": wire.text(own, "chatgpt_account_id"),
        "plan": wire.text(own, "chatgpt_plan_type"),
        "user_id": wire.text(own, "chatgpt_user_id", "user_id"),
        "subscription_active_start": wire.text(own, "chatgpt_subscription_active_start"),
        "subscription_active_until": wire.text(own, "chatgpt_subscription_active_until"),
    }
    account = grant.account | {name: value for name, value in told.items() if value}
    return msgspec.structs.replace(
        grant,
        account=account,
        label=grant.label or account.get("email", ""),
        expires_at=grant.expires_at if grant.expires_at is not None else jwt.end_of(grant.access_token),
    )


def window_name(side: str, window_s: float | None) -> str:
    if window_s is None:
        return {"primary": "5h", "secondary": "weekly"}[side]
    if window_s % WEEK_S == 0:
        return "weekly" if window_s == WEEK_S else f"{int(window_s // WEEK_S)}w"
    return f"{window_s / 3600:g}h"


def quotas(fields: Mapping[str, object], now: float) -> tuple[Quota, ...]:
    """The windows of ``usage_url``. Paid credits go on when a window is spent."""
    limits = wire.inner(fields, "rate_limit")
    credits = wire.inner(fields, "credits")
    has_credits = credits.get("unlimited") is True or credits.get("has_credits") is True
    goes_on = limits.get("limit_reached") is not True and (has_credits or limits.get("allowed") is True)
    found = []
    for side in ("primary", "secondary"):
        window = wire.inner(limits, f"{side}_window")
        used = wire.number(window, "used_percent")
        if used is None:
            continue
        after = wire.number(window, "reset_after_seconds")
        resets = wire.moment_of(window.get("reset_at"))
        found.append(
            Quota(
                name=window_name(side, wire.number(window, "limit_window_seconds")),
                used_percent=min(used, 100.0),
                resets_at=resets if resets is not None else (now + after if after is not None else None),
                unit="percent",
                is_exhausted=used >= 100 and not goes_on,
            )
        )
    return tuple(found)
