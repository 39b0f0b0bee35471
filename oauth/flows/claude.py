"""Claude subscriptions: authorization code with PKCE, setup tokens, and Claude Code's own file. Pure.

Facts: CLIProxyAPI v7 and Claude Code's login as seen from outside; Anthropic publishes no reference for
third parties (docs/protocols/claude.md says what is unconfirmed).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from oauth.flows import code, pkce, renewal, wire
from oauth.flows.base import Flow, Grant, HttpCall, Quota
from oauth.flows.channel import LoginAsk, LoginMethod, Terms
from oauth.flows.errors import NetworkTrouble, OAuthError, RefreshUnavailable
from oauth.flows.standard import IMPORT, StandardChannel

BETA = ("anthropic-beta", "oauth-2025-04-20")
WINDOWS = {"5h": "five_hour", "7d": "seven_day"}


class ClaudeOAuth(StandardChannel):
    key = "claude"
    name = "Claude"
    provider_key = "claude-oauth"
    adapter = "claude"
    names = ("anthropic",)
    methods = (
        LoginMethod(key="code", name="Sign in at claude.ai"),
        LoginMethod(
            key="setup-token",
            name="Paste a setup token",
            fields=(("token", "Setup token (sk-ant-oat…), from `claude setup-token`", True),),
            is_import=True,
        ),
        IMPORT,
    )
    terms = Terms(
        text=(
            "Anthropic's consumer terms give a Pro or Max subscription to one person, for Anthropic's own "
            "applications. Using it from other programs, or for several people, may end in limits or a "
            "closed account; an API key from the Console is what Anthropic offers for that."
        ),
        url="https://www.anthropic.com/legal/consumer-terms",
    )
    defaults = {
        "authorize_url": "https://claude.ai/oauth/authorize",
        "token_url": "https://platform.claude.com/v1/oauth/token",
        "profile_url": "https://api.anthropic.com/api/oauth/profile",
        "usage_url": "https://api.anthropic.com/api/oauth/usage",
        "client_id": "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
        "scope": ("user:profile user:inference user:sessions:claude_code user:mcp_servers user:file_upload"),
        "callback_port": "54545",
        "callback_host": "localhost",
        "redirect_uri": "",
    }
    callback_path = "/callback"
    refresh_lead_s = 4 * 3600.0
    quota_every_s = 10 * 60.0
    quotas_from_headers = True
    account_keys = ("email", "account_uuid", "organization_uuid", "organization_name", "plan")
    identity_keys = ("account_uuid", "organization_uuid")
    own_keys = ("is_setup_token", "setup_token", "skip_account_profile", "scope", "scopes")

    def identity(self, grant: Grant) -> str:
        return super().identity(grant) or grant.account.get("email", "")

    # --- login -----------------------------------------------------------------------------

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        if ask.method == "setup-token":
            token = ask.values.get("token", "").strip()
            if not token:
                raise OAuthError("A setup token is needed.", code="token_missing", status=400)
            return Grant(
                channel=self.key,
                access_token=token,
                method=ask.method,
                label="Claude setup token",
                account={"is_setup_token": "true"},
            )
        state, verifier = pkce.state(ask.seed), pkce.verifier(ask.seed)
        redirect = code.redirect_uri(ask, settings, self.callback_path)
        url = code.authorize_url(
            settings["authorize_url"],
            settings["client_id"],
            redirect,
            state,
            scope=settings["scope"],
            verifier=verifier,
            code="true",
        )
        given = yield from code.ask_person(url, state, redirect)
        answer = yield from wire.call(
            wire.json_post(
                settings["token_url"],
                {
                    "grant_type": "authorization_code",
                    "code": given,
                    "redirect_uri": redirect,
                    "client_id": settings["client_id"],
                    "code_verifier": verifier,
                    "state": state,
                },
            )
        )
        fields = code.tokens_of(answer)
        grant = renewal.renewed(Grant(channel=self.key, access_token="", method="code"), fields, answer.at)
        return (yield from self._with_profile(_with_account(grant, fields), settings))

    def completed(self, grant: Grant, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        grant = yield from super().completed(grant, ask, settings)
        return (yield from self._with_profile(grant, settings))

    def _with_profile(self, grant: Grant, settings: Mapping[str, str]) -> Flow[Grant]:
        """Fills in whose login it is. Advisory: setup tokens may not ask."""
        if grant.account.get("account_uuid") or grant.account.get("is_setup_token"):
            return _labelled(grant)
        try:
            answer = yield from wire.call(
                wire.get(settings["profile_url"], wire.bearer(grant.access_token), BETA)
            )
        except NetworkTrouble:
            return _labelled(grant)
        return _labelled(_with_account(grant, wire.object_of(answer)) if answer.status < 300 else grant)

    # --- refresh ---------------------------------------------------------------------------

    def refresh_call(self, grant: Grant, settings: Mapping[str, str], now: float) -> HttpCall:
        return wire.json_post(
            settings["token_url"],
            {
                "client_id": settings["client_id"],
                "grant_type": "refresh_token",
                "refresh_token": renewal.refresh_token_of(grant),
                "scope": settings["scope"],
            },
        )

    def refresh(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[Grant]:
        answer = yield from renewal.send(self.refresh_call(grant, settings, now))
        fields = renewal.tokens_of(answer)
        return _with_account(renewal.renewed(grant, fields, answer.at), fields)

    # --- quota -----------------------------------------------------------------------------

    def read_quota(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[tuple[Quota, ...]]:
        if grant.account.get("is_setup_token"):
            return ()
        try:
            answer = yield from wire.call(
                wire.get(settings["usage_url"], wire.bearer(grant.access_token), BETA)
            )
        except NetworkTrouble as error:
            raise RefreshUnavailable(error.message) from error
        return quotas(wire.object_of(answer)) if answer.status < 300 else ()

    def quotas_in(
        self, headers: Mapping[str, str], settings: Mapping[str, str], now: float
    ) -> tuple[Quota, ...]:
        """``anthropic-ratelimit-unified-<window>-{utilization,reset,status}``; names as observed."""
        found = []
        for short, name in WINDOWS.items():
            head = f"anthropic-ratelimit-unified-{short}-"
            share = wire.number(headers, head + "utilization")
            is_spent = headers.get(head + "status") == "rejected"
            if share is None and is_spent:
                share = 1.0
            if share is None:
                continue
            found.append(
                Quota(
                    name=name,
                    used_percent=min(share * 100, 100.0),
                    resets_at=wire.moment_of(headers.get(head + "reset", "")),
                    unit="percent",
                    is_exhausted=is_spent,
                )
            )
        return tuple(found)

    # --- files -----------------------------------------------------------------------------

    def from_file(self, content: Mapping[str, object]) -> Grant:
        """CLIProxyAPI's file, or Claude Code's ``~/.claude/.credentials.json``."""
        inside = wire.inner(content, "claudeAiOauth")
        if inside:
            content = {
                "access_token": inside.get("accessToken"),
                "refresh_token": inside.get("refreshToken"),
                "expires_at": inside.get("expiresAt"),
                "scopes": inside.get("scopes"),
                "plan": inside.get("subscriptionType"),
            }
        grant = super().from_file(content)
        flags = [content.get(name) for name in ("is_setup_token", "setup_token", "skip_account_profile")]
        if True in flags or "true" in flags:
            grant = msgspec.structs.replace(grant, account=grant.account | {"is_setup_token": "true"})
        kept = {key: content[key] for key in self.own_keys if content.get(key) is not None}
        return msgspec.structs.replace(grant, file_extras={**grant.file_extras, **kept})

    def rewritten(self, content: Mapping[str, object], grant: Grant) -> dict[str, object]:
        if "claudeAiOauth" in content:
            return _in_claude_code(content, grant)
        return super().rewritten(content, grant)

    def to_file(self, grant: Grant) -> dict[str, object]:
        content = super().to_file(grant)
        content.pop("plan", None)
        if grant.account.get("is_setup_token"):
            content.setdefault("is_setup_token", True)
        return content


def _in_claude_code(content: Mapping[str, object], grant: Grant) -> dict[str, object]:
    inside = {
        **wire.inner(content, "claudeAiOauth"),
        "accessToken": grant.access_token,
        "refreshToken": grant.refresh_token,
    }
    if grant.expires_at is not None:
        inside["expiresAt"] = int(grant.expires_at * 1000)
    return {**content, "claudeAiOauth": inside}


def _with_account(grant: Grant, fields: Mapping[str, object]) -> Grant:
    """What a token or profile answer says of account and organisation."""
    person, company = wire.inner(fields, "account"), wire.inner(fields, "organization")
    told = {
        "email": wire.text(person, "email_address", "email"),
        "account_uuid": wire.text(person, "uuid"),
        "organization_uuid": wire.text(company, "uuid"),
        "organization_name": wire.text(company, "name"),
    }
    account = grant.account | {name: value for name, value in told.items() if value}
    return msgspec.structs.replace(grant, account=account)


def _labelled(grant: Grant) -> Grant:
    label = grant.label or grant.account.get("email") or grant.account.get("organization_name", "")
    return msgspec.structs.replace(grant, label=label)


def quotas(fields: Mapping[str, object]) -> tuple[Quota, ...]:
    """The windows of ``usage_url``: ``{"five_hour": {"utilization": 12.5, "resets_at": …}, …}``. A window of
    one family of models (``seven_day_opus``) exhausts no seat: its models answer 429 themselves."""
    found = []
    for name, window in fields.items():
        share = wire.number(window, "utilization")
        if share is None or name == "extra_usage":
            continue
        found.append(
            Quota(
                name=name,
                used_percent=min(share, 100.0),
                resets_at=wire.moment_of(wire.text(window, "resets_at")),
                unit="percent",
                is_exhausted=name in WINDOWS.values() and share >= 100,
            )
        )
    if wire.flag({"is": wire.text(wire.inner(fields, "extra_usage"), "is_enabled")}, "is") or (
        wire.inner(fields, "extra_usage").get("is_enabled") is True
    ):
        # Extra usage goes on when a window is spent, so nothing is exhausted.
        return tuple(msgspec.structs.replace(quota, is_exhausted=False) for quota in found)
    return tuple(found)
