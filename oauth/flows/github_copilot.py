"""GitHub Copilot: GitHub's device flow, then a short-lived Copilot token minted from GitHub's. Pure.

GitHub's device flow: https://docs.github.com/apps/creating-github-apps/writing-code-for-a-github-app/
building-a-cli-with-a-github-app. The second stage and the quota call are what GitHub's editor plug-ins do
(docs/protocols/github-copilot.md). The GitHub token does not end by itself; what is "refreshed" is Copilot's.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec

from oauth.flows import device, files, renewal, wire
from oauth.flows.base import Flow, Grant, HttpAnswer, HttpCall, Quota, Renewed
from oauth.flows.channel import LoginAsk, LoginMethod, Terms
from oauth.flows.errors import NetworkTrouble, OAuthError, RefreshRejected, RefreshUnavailable
from oauth.flows.standard import IMPORT, StandardChannel

WITHOUT_END_S = 25 * 60.0
"""How long a Copilot token is used when its end is not told; the plug-ins mint one every 25 minutes."""
SNAPSHOT = "x-quota-snapshot-"
SNAPSHOTS = ("chat", "completions", "premium_interactions", "premium_models")


class GitHubCopilot(StandardChannel):
    key = "github-copilot"
    name = "GitHub Copilot"
    provider_key = "github-copilot"
    adapter = "github-copilot"
    names = ("copilot", "githubcopilot")
    methods = (
        LoginMethod(key="device", name="Sign in with GitHub"),
        LoginMethod(
            key="token",
            name="Paste a GitHub token",
            fields=(("token", "GitHub token (gho_…, ghu_… or from hosts.json)", True),),
            is_import=True,
        ),
        IMPORT,
    )
    terms = Terms(
        text=(
            "Copilot is licensed per person. GitHub's terms allow its use in GitHub's own and supported "
            "editors; it may limit or close accounts whose seat serves other programs or other people. "
            "Connect only a seat that you may use this way."
        ),
        url="https://docs.github.com/site-policy/github-terms/github-terms-for-additional-products-and-features",
    )
    defaults = {
        "client_id": "Iv1.b507a08c87ecfe98",
        "scope": "user:email",
        "device_url": "https://github.com/login/device/code",
        "token_url": "https://github.com/login/oauth/access_token",
        "user_url": "https://api.github.com/user",
        "copilot_token_url": "https://api.github.com/copilot_internal/v2/token",
        "usage_url": "https://api.github.com/copilot_internal/user",
        "api_hosts": "githubcopilot.com",
        "editor_version": "vscode/1.107.0",
        "editor_plugin_version": "copilot-chat/0.35.0",
        "integration_id": "vscode-chat",
        "api_version": "2025-04-01",
        "included_models": "gpt-4.1,gpt-4.1-*,gpt-4o,gpt-4o-*,gpt-5-mini",
        "poll_minimum_s": "5",
        "poll_limit_s": "900",
    }
    refresh_lead_s = 5 * 60.0
    quota_every_s = 15 * 60.0
    quotas_from_headers = True
    account_keys = ("username", "email", "token_type", "scope")
    identity_keys = ("username",)
    own_keys = ("api_token_expires_at", "username")

    def can_refresh(self, grant: Grant) -> bool:
        return bool(grant.private.get("github_token"))

    # --- login -----------------------------------------------------------------------------

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        if ask.method == "token":
            token = ask.values.get("token", "").strip()
            if not token:
                raise OAuthError("A GitHub token is needed.", code="token_missing", status=400)
            return (yield from self._with_account(token, {}, ask.method, settings))
        begun = yield from device.start(
            wire.form_post(
                settings["device_url"], {"client_id": settings["client_id"], "scope": settings["scope"]}
            ),
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
            ),
            begun,
        )
        fields = wire.object_of(answer)
        token = wire.text(fields, "access_token")
        if not token:
            raise OAuthError("GitHub confirmed the login but sent no token.")
        return (yield from self._with_account(token, fields, ask.method, settings))

    def completed(self, grant: Grant, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        token = grant.private["github_token"]
        return (yield from self._with_account(token, grant.account, ask.method, settings))

    def _with_account(
        self, token: str, fields: Mapping[str, object], method: str, settings: Mapping[str, str]
    ) -> Flow[Grant]:
        """Who it is, and the proof that the account has Copilot. Raises OAuthError."""
        answer = yield from wire.call(wire.get(settings["user_url"], wire.bearer(token)))
        user = wire.object_of(answer)
        username = wire.text(user, "login")
        if answer.status >= 400 or not username:
            raise device.refused(answer, "GitHub did not tell whose login this is")
        account = {"username": username, "email": wire.text(user, "email")}
        account |= {key: wire.text(fields, key) for key in ("token_type", "scope")}
        grant = Grant(
            channel=self.key,
            access_token="",
            method=method,
            label=username,
            account={key: value for key, value in account.items() if value},
            refresh_token=wire.text(fields, "refresh_token"),
            file_extras={"timestamp": int(answer.at * 1000)},
            private=_github(token, wire.end_of(fields, answer.at)),
        )
        try:
            return (yield from self.refresh(grant, settings, answer.at))
        except RefreshRejected as error:
            raise OAuthError(
                f"This GitHub account cannot use Copilot: {error.message}", code="no_copilot", status=403
            ) from error

    # --- second stage ----------------------------------------------------------------------

    def refresh(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[Grant]:
        if not grant.private.get("github_token", ""):
            raise RefreshRejected("This login holds no GitHub token. Log in again.")
        end = wire.number(grant.private, "github_expires_at")
        has_ended = end is not None and end <= now + self.refresh_lead_s
        if grant.refresh_token and has_ended:
            grant = yield from self._github_renewed(grant, settings)
            yield Renewed(grant=grant)
            try:
                return (yield from self._minted(grant, settings))
            except RefreshUnavailable:
                return grant  # GitHub's new tokens must not be lost; Copilot's is asked for again soon
        return (yield from self._minted(grant, settings))

    def _github_renewed(self, grant: Grant, settings: Mapping[str, str]) -> Flow[Grant]:
        """For apps whose user tokens end after eight hours (``ghr_…``, single use)."""
        answer = yield from renewal.send(self.refresh_call(grant, settings, 0.0))
        fields = renewal.tokens_of(answer)
        return msgspec.structs.replace(
            grant,
            refresh_token=wire.text(fields, "refresh_token") or grant.refresh_token,
            private=_github(wire.text(fields, "access_token"), wire.end_of(fields, answer.at)),
        )

    def _minted(self, grant: Grant, settings: Mapping[str, str]) -> Flow[Grant]:
        token = grant.private["github_token"]
        answer = yield from renewal.send(github_get(settings["copilot_token_url"], token, settings))
        fields = wire.object_of(answer)
        if answer.status >= 400 or not wire.text(fields, "token"):
            raise _no_copilot(answer)
        account = dict(grant.account)
        base = wire.text(wire.inner(fields, "endpoints"), "api")
        if is_api_host(base, settings):
            account["api_base"] = base.rstrip("/")
        if sku := wire.text(fields, "sku", "access_type_sku"):
            account["plan"] = sku
        end = wire.moment_of(fields.get("expires_at"))
        lasts = wire.number(fields, "refresh_in")
        return msgspec.structs.replace(
            grant,
            access_token=wire.text(fields, "token"),
            expires_at=end if end is not None else wire.moment_of(answer.at + (lasts or WITHOUT_END_S)),
            refreshed_at=answer.at,
            account=account,
        )

    # --- quota -----------------------------------------------------------------------------

    def read_quota(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[tuple[Quota, ...]]:
        token = grant.private.get("github_token", "")
        if not token:
            return ()
        try:
            answer = yield from wire.call(github_get(settings["usage_url"], token, settings))
        except NetworkTrouble as error:
            raise RefreshUnavailable(error.message) from error
        return quotas(wire.object_of(answer), included_of(settings)) if answer.status < 300 else ()

    def quotas_in(
        self, headers: Mapping[str, str], settings: Mapping[str, str], now: float
    ) -> tuple[Quota, ...]:
        """``x-quota-snapshot-<name>: ent=300&ov=0.0&ovPerm=false&rem=95.5&rst=…`` as microsoft/
        vscode-copilot-chat (``chatQuotaServiceImpl.ts``) reads them: ``rem`` is in percent, ``ent`` -1 means
        without limit."""
        found = [
            _snapshot(name, dict(parse_qsl(headers[SNAPSHOT + name])), included_of(settings))
            for name in SNAPSHOTS
            if SNAPSHOT + name in headers
        ]
        return tuple(quota for quota in found if quota is not None)

    # --- files -----------------------------------------------------------------------------

    def from_file(self, content: Mapping[str, object]) -> Grant:
        """The file's ``access_token`` is GitHub's; Copilot's is minted by the first refresh. The editors'
        ``hosts.json`` and ``apps.json`` (``{"github.com…": {"oauth_token": …}}``) are read too."""
        editors = [
            entry for entry in content.values() if isinstance(entry, Mapping) and "oauth_token" in entry
        ]
        if editors and "type" not in content:
            entry = editors[0]
            content = {
                "type": self.key,
                "access_token": wire.text(entry, "oauth_token"),
                "username": wire.text(entry, "user"),
            }
        grant = super().from_file(content)
        return msgspec.structs.replace(
            grant,
            access_token="",
            expires_at=None,
            refreshed_at=None,
            label=grant.label or grant.account.get("username", ""),
            file_extras={**grant.file_extras, **_when(content)},
            private=_github(grant.access_token, grant.expires_at if grant.refresh_token else None),
        )

    def rewritten(self, content: Mapping[str, object], grant: Grant) -> dict[str, object]:
        """Copilot's token does not stand in the file; GitHub's changes only where it has a refresh token."""
        if not grant.refresh_token or "refresh_token" not in content:
            return dict(content)
        return super().rewritten(content, grant)

    def to_file(self, grant: Grant) -> dict[str, object]:
        outward = msgspec.structs.replace(
            grant, access_token=grant.private.get("github_token", ""), expires_at=None, refreshed_at=None
        )
        content = super().to_file(outward)
        for name in ("refresh_token", "id_token"):
            if not content.get(name):
                content.pop(name, None)
        end = wire.number(grant.private, "github_expires_at")
        if end is not None:
            content["expires_at"] = wire.rfc3339(end)
        if grant.expires_at is not None:
            content["api_token_expires_at"] = int(grant.expires_at)
        return content

    def file_name(self, grant: Grant) -> str:
        return f"github-copilot-{files.name_part(grant.account.get('username') or grant.label)}.json"


def _github(token: str, end: float | None) -> dict[str, str]:
    """GitHub's own token, and when it ends where it does."""
    return {"github_token": token, **({"github_expires_at": str(int(end))} if end is not None else {})}


def _when(content: Mapping[str, object]) -> dict[str, object]:
    """When GitHub gave the token, which no refresh changes."""
    return {"timestamp": content["timestamp"]} if "timestamp" in content else {}


def github_get(url: str, token: str, settings: Mapping[str, str]) -> HttpCall:
    """A call with GitHub's token and the editor headers, without which the API answers 400."""
    return wire.get(
        url,
        ("authorization", f"token {token}"),
        ("editor-version", settings["editor_version"]),
        ("editor-plugin-version", settings["editor_plugin_version"]),
        ("x-github-api-version", settings["api_version"]),
    )


def is_api_host(url: str, settings: Mapping[str, str]) -> bool:
    """Whether Copilot's token may be sent there: https below a known domain, a host that the operator named,
    or that of the operator's own token address."""
    parts = wire.split(url)
    host = (parts.hostname or "").lower()
    allowed = [name.strip().lower() for name in settings["api_hosts"].split(",") if name.strip()]
    named = allowed if settings["api_hosts"] != GitHubCopilot.defaults["api_hosts"] else []
    if settings["copilot_token_url"] != GitHubCopilot.defaults["copilot_token_url"]:
        named = [*named, (wire.split(settings["copilot_token_url"]).hostname or "").lower()]
    if host and host in named:
        return parts.scheme in ("http", "https")
    return parts.scheme == "https" and any(host == name or host.endswith("." + name) for name in allowed)


def _no_copilot(answer: HttpAnswer) -> OAuthError:
    details = wire.inner(wire.object_of(answer), "error_details")
    words = wire.safe(wire.text(details, "message")) or wire.error_of(answer)[1]
    told = f"({answer.status}{': ' + words if words else ''})"
    if answer.status in (401, 403, 404) and not _is_limited(answer, words):
        return RefreshRejected(f"GitHub gives no Copilot token {told}: log in again, or get a subscription.")
    return RefreshUnavailable(
        f"GitHub gives no Copilot token now {told}.", retry_after_s=wire.retry_after_of(answer)
    )


def included_of(settings: Mapping[str, str]) -> tuple[str, ...]:
    """The models that cost no premium request."""
    return tuple(name.strip() for name in settings["included_models"].split(",") if name.strip())


def _snapshot(name: str, fields: Mapping[str, str], spares: tuple[str, ...]) -> Quota | None:
    """One allowance as an answer's header tells it."""
    limit, percent = wire.number(fields, "ent"), wire.number(fields, "rem")
    if limit is None or percent is None:
        return None
    unlimited = limit < 0
    left = limit * min(max(percent, 0.0), 100.0) / 100
    goes_on = unlimited or limit == 0 or fields.get("ovPerm") == "true" or name == "completions"
    return Quota(
        name=name,
        limit=None if unlimited else limit,
        remaining=None if unlimited else left,
        used=None if unlimited else limit - left,
        used_percent=None if unlimited else min(max(100 - percent, 0.0), 100.0),
        resets_at=wire.moment_of(fields.get("rst")),
        unit="requests",
        is_exhausted=percent <= 0 and not goes_on,
        spares=spares if name.startswith("premium") else (),
    )


def _is_limited(answer: HttpAnswer, words: str) -> bool:
    """GitHub's own limits answer 403 as well (docs.github.com, "Rate limits for the REST API"); and a 403
    that is no JSON is a gate before GitHub."""
    spent = answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers
    is_page = bool(answer.body) and not wire.object_of(answer)
    return answer.status == 403 and (spent or is_page or "rate limit" in words.lower())


def quotas(fields: Mapping[str, object], spares: tuple[str, ...] = ()) -> tuple[Quota, ...]:
    """The allowances in the answer of ``usage_url``: paid plans name snapshots, the free plan two maps.

    ``spares`` are the models that cost no premium request. Completions are no chat: they exhaust nothing.
    """
    resets = wire.moment_of(
        wire.text(fields, "quota_reset_date_utc", "quota_reset_date", "limited_user_reset_date")
    )
    found = []
    for name, snapshot in wire.inner(fields, "quota_snapshots").items():
        if not isinstance(snapshot, Mapping):
            continue
        limit = wire.number(snapshot, "entitlement")
        left = wire.number(snapshot, "quota_remaining", "remaining")
        percent = wire.number(snapshot, "percent_remaining")
        unlimited = snapshot.get("unlimited") is True
        overage = snapshot.get("overage_permitted") is True
        found.append(
            Quota(
                name=name,
                limit=None if unlimited else limit,
                remaining=None if unlimited else left,
                used=limit - left if limit is not None and left is not None and not unlimited else None,
                used_percent=None if unlimited or percent is None else min(max(100 - percent, 0), 100),
                resets_at=resets,
                unit="requests",
                is_exhausted=name != "completions"
                and not unlimited
                and not overage
                and limit != 0
                and left is not None
                and left <= 0,
                spares=spares if name == "premium_interactions" else (),
            )
        )
    monthly, left_now = wire.inner(fields, "monthly_quotas"), wire.inner(fields, "limited_user_quotas")
    for name in left_now:
        limit, left = wire.number(monthly, name), wire.number(left_now, name)
        if left is None:
            continue
        found.append(
            Quota(
                name=name,
                limit=limit,
                remaining=left,
                used=limit - left if limit is not None else None,
                used_percent=(limit - left) / limit * 100 if limit else None,
                resets_at=resets,
                unit="requests",
                is_exhausted=name != "completions" and left <= 0,
            )
        )
    return tuple(found)
