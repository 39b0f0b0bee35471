"""Kiro: AWS IAM Identity Center's device flow (Builder ID or a company's start URL), and imports. Pure.

AWS documents the calls (RegisterClient, StartDeviceAuthorization, CreateToken:
https://docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/). The client is registered for each login;
its id and secret are kept with the tokens, for refreshing needs them. Profile and usage calls are those of
Kiro's own client (docs/protocols/kiro.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from oauth.flows import device, files, jwt, renewal, wire
from oauth.flows.base import Flow, Grant, HttpAnswer, HttpCall, Quota
from oauth.flows.channel import LoginAsk, LoginMethod, Terms
from oauth.flows.errors import NetworkTrouble, OAuthError, RefreshRejected, RefreshUnavailable
from oauth.flows.standard import StandardChannel

REGION = re.compile(r"[a-z]{2}(-[a-z0-9]+)+-\d+")
ARN = re.compile(r"arn:[a-z0-9-]+:codewhisperer:([a-z0-9-]+):\d*:profile/\S+")
PUBLIC_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", re.IGNORECASE)
"""A name below a top-level domain: no address in any spelling, no bare name."""
PRIVATE_DOMAINS = (".local", ".localhost", ".internal", ".localdomain", ".home.arpa", ".lan")


class Kiro(StandardChannel):
    key = "kiro"
    name = "Kiro (AWS)"
    provider_key = "kiro"
    adapter = "kiro"
    names = ("codewhisperer",)
    methods = (
        LoginMethod(key="builder-id", name="AWS Builder ID"),
        LoginMethod(
            key="idc",
            name="IAM Identity Center",
            fields=(
                ("start_url", "Start URL (https://d-xxxxxxxxxx.awsapps.com/start)", False),
                ("region", "Region (us-east-1)", False),
            ),
        ),
        LoginMethod(
            key="import",
            name="Import Kiro's token file",
            fields=(("content", "Content of ~/.aws/sso/cache/kiro-auth-token.json", True),),
            is_import=True,
        ),
        LoginMethod(
            key="refresh-token",
            name="Paste a refresh token",
            fields=(("refresh_token", "Refresh token (aorAAAAAG…)", True),),
            is_import=True,
        ),
        LoginMethod(
            key="tokens",
            name="Paste tokens",
            fields=(
                ("access_token", "Access token", True),
                ("refresh_token", "Refresh token", True),
                ("profile_arn", "Profile ARN (optional)", False),
                ("region", "Region (optional)", False),
            ),
            is_import=True,
        ),
    )
    terms = Terms(
        text=(
            "A Kiro account is for the person or company that holds it, under the AWS Customer Agreement and "
            "the AWS Service Terms. They do not foresee that other programs or other people use its "
            "allowance through a gateway; AWS may limit or suspend such an account."
        ),
        url="https://aws.amazon.com/service-terms/",
    )
    defaults = {
        "client_name": "cliproxy",
        "scopes": (
            "codewhisperer:completions codewhisperer:analysis codewhisperer:conversations "
            "codewhisperer:transformations codewhisperer:taskassist"
        ),
        "region": "us-east-1",
        "start_url": "https://view.awsapps.com/start",
        "oidc_url": "https://oidc.{region}.amazonaws.com",
        "social_url": "https://prod.us-east-1.auth.desktop.kiro.dev",
        "profile_url": "https://codewhisperer.us-east-1.amazonaws.com",
        "usage_url": "https://codewhisperer.{region}.amazonaws.com",
        "poll_minimum_s": "5",
        "poll_limit_s": "600",
    }
    refresh_lead_s = 20 * 60.0
    quota_every_s = 10 * 60.0
    account_keys = ("email", "profile_arn", "region", "start_url", "auth_method", "provider", "user_id")
    private_keys = ("client_id", "client_secret", "client_id_hash")
    identity_keys = ("user_id", "email", "start_url")
    own_keys = ("client_secret_expires_at",)
    file_keys = ("access_token", "refresh_token")
    expiry_key = "expires_at"

    def identity(self, grant: Grant) -> str:
        """Whose login: an e-mail alone may exist in several Identity Centers."""
        account = grant.account
        who = account.get("user_id") or account.get("email", "")
        if not who:
            return account.get("profile_arn", "") if account.get("auth_method") != "idc" else ""
        return f"{who}|{account.get('start_url', '')}" if account.get("auth_method") == "idc" else who

    def can_refresh(self, grant: Grant) -> bool:
        if not grant.refresh_token:
            return False
        is_oidc = grant.account.get("auth_method") in ("idc", "builder-id")
        return not is_oidc or bool(grant.private.get("client_id") and grant.private.get("client_secret"))

    # --- login -----------------------------------------------------------------------------

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        values = ask.values
        match ask.method:
            case "refresh-token":
                token = values.get("refresh_token", "").strip()
                return (yield from self._from_refresh_token(token, settings, ask.now))
            case "tokens":
                return (yield from self.completed(self._given(values), ask, settings))
            case "idc":
                start_url = checked_start_url(values.get("start_url", ""), settings)
                region = checked_region(values.get("region", "") or settings["region"])
                account = {"auth_method": "idc", "start_url": start_url, "region": region}
            case _:
                start_url, region = settings["start_url"], checked_region(settings["region"])
                account = {"auth_method": "builder-id"}
        grant = yield from self._by_device(start_url, region, account, ask, settings)
        return (yield from self._with_profile(grant, settings))

    def _by_device(
        self, start_url: str, region: str, account: dict[str, str], ask: LoginAsk, settings: Mapping[str, str]
    ) -> Flow[Grant]:
        base = settings["oidc_url"].replace("{region}", region).rstrip("/")
        registration = yield from wire.call(
            wire.json_post(
                f"{base}/client/register",
                {
                    "clientName": settings["client_name"],
                    "clientType": "public",
                    "scopes": settings["scopes"].split(),
                    "grantTypes": [device.DEVICE_GRANT, "refresh_token"],
                },
            )
        )
        issued = wire.object_of(registration)
        client = {
            "clientId": wire.text(issued, "clientId"),
            "clientSecret": wire.text(issued, "clientSecret"),
        }
        if registration.status >= 400 or not all(client.values()):
            raise device.refused(registration, "AWS did not register the client")
        begun = yield from device.start(
            wire.json_post(f"{base}/device_authorization", {**client, "startUrl": start_url}),
            device.Pace.of(settings, 600.0),
        )
        answer = yield from device.poll(
            wire.json_post(
                f"{base}/token",
                {**client, "deviceCode": begun.device_code, "grantType": device.DEVICE_GRANT},
            ),
            begun,
            aws_reading,
        )
        tokens = wire.object_of(answer)
        if not wire.text(tokens, "accessToken", "access_token"):
            raise OAuthError("AWS confirmed the login but sent no token.")
        private = {"client_id": client["clientId"], "client_secret": client["clientSecret"]}
        if ends := wire.text(issued, "clientSecretExpiresAt"):
            private["client_secret_expires_at"] = ends
        grant = Grant(
            channel=self.key,
            access_token="",
            method=ask.method or "builder-id",
            account={**account, "provider": "AWS", "region": region},
            private=private,
        )
        return renewal.renewed(grant, tokens, answer.at)

    def _from_refresh_token(self, token: str, settings: Mapping[str, str], now: float) -> Flow[Grant]:
        """Exchanged at once, to prove that it works. Raises OAuthError."""
        if not token.startswith("aorAAAAAG"):
            raise OAuthError(
                "This is no Kiro refresh token: it must begin with aorAAAAAG.", code="bad_token", status=400
            )
        grant = Grant(
            channel=self.key,
            access_token="",
            refresh_token=token,
            method="refresh-token",
            account={"auth_method": "social", "provider": "imported"},
        )
        grant = yield from self.refresh(grant, settings, now)
        return (yield from self._with_profile(grant, settings))

    def _given(self, values: Mapping[str, str]) -> Grant:
        content: dict[str, object] = {key: value for key, value in values.items() if value.strip()}
        return self.from_file({"auth_method": "social", "provider": "imported", **content})

    def completed(self, grant: Grant, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        grant = yield from super().completed(grant, ask, settings)
        return (yield from self._with_profile(grant, settings))

    # --- profile ---------------------------------------------------------------------------

    def _with_profile(self, grant: Grant, settings: Mapping[str, str]) -> Flow[Grant]:
        """The profile's ARN and whose login it is, as far as AWS tells: advisory, never fails the login."""
        account = dict(grant.account)
        if not account.get("profile_arn"):
            account["profile_arn"] = yield from self._profile_arn(grant, settings)
        if (found := ARN.fullmatch(account["profile_arn"])) is not None:
            account["api_region"] = found[1]
        grant = msgspec.structs.replace(
            grant, account={name: value for name, value in account.items() if value}
        )
        if not grant.account.get("email"):
            answer = yield from _tolerated(usage_call(grant, settings, with_email=True))
            user = wire.inner(wire.object_of(answer), "userInfo") if answer is not None else {}
            claims = jwt.claims(grant.id_token) or jwt.claims(grant.access_token)
            account = dict(grant.account)
            account["email"] = wire.text(user, "email") or wire.text(claims, "email", "preferred_username")
            account["user_id"] = (
                account.get("user_id") or wire.text(user, "userId") or wire.text(claims, "sub")
            )
            grant = msgspec.structs.replace(
                grant, account={name: value for name, value in account.items() if value}
            )
        label = grant.label or grant.account.get("email") or f"Kiro {grant.account.get('auth_method', '')}"
        return msgspec.structs.replace(grant, label=label.strip())

    def _profile_arn(self, grant: Grant, settings: Mapping[str, str]) -> Flow[str]:
        for operation, listing in (
            ("ListProfiles", "profiles"),
            ("ListAvailableCustomizations", "customizations"),
        ):
            answer = yield from _tolerated(
                HttpCall(
                    method="POST",
                    url=settings["profile_url"],
                    headers=(
                        ("content-type", "application/x-amz-json-1.0"),
                        ("x-amz-target", f"AmazonCodeWhispererService.{operation}"),
                        wire.bearer(grant.access_token),
                    ),
                    body=b'{"origin":"AI_EDITOR"}',
                )
            )
            fields = wire.object_of(answer) if answer is not None else {}
            first = (wire.objects(fields, listing) or [{}])[0]
            if arn := wire.text(fields, "profileArn") or wire.text(first, "arn"):
                return arn
        return ""

    # --- refresh ---------------------------------------------------------------------------

    def refresh(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[Grant]:
        token = renewal.refresh_token_of(grant)
        method = grant.account.get("auth_method", "")
        if method not in ("idc", "builder-id"):
            url = settings["social_url"].rstrip("/") + "/refreshToken"
            answer = yield from renewal.send(wire.json_post(url, {"refreshToken": token}))
            fields = renewal.tokens_of(answer, "accessToken", "access_token")
            arn = wire.text(fields, "profileArn") or grant.account.get("profile_arn", "")
            account = grant.account | ({"profile_arn": arn} if arn else {})
            return renewal.renewed(msgspec.structs.replace(grant, account=account), fields, answer.at)
        if not self.can_refresh(grant):
            raise RefreshRejected("The client registration of this login is missing. Log in again.")
        region = grant.account.get("region") if method == "idc" else settings["region"]
        base = settings["oidc_url"].replace("{region}", checked_region(region or settings["region"]))
        answer = yield from renewal.send(
            wire.json_post(
                base.rstrip("/") + "/token",
                {
                    "clientId": grant.private["client_id"],
                    "clientSecret": grant.private["client_secret"],
                    "refreshToken": token,
                    "grantType": "refresh_token",
                },
            )
        )
        fields = renewal.tokens_of(answer, "accessToken", "access_token", is_client_issued=True)
        return renewal.renewed(grant, fields, answer.at)

    # --- quota -----------------------------------------------------------------------------

    def read_quota(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[tuple[Quota, ...]]:
        try:
            answer = yield from wire.call(usage_call(grant, settings))
        except NetworkTrouble as error:
            raise RefreshUnavailable(error.message) from error
        return quotas(wire.object_of(answer)) if answer.status < 300 else ()

    # --- files -----------------------------------------------------------------------------

    def from_file(self, content: Mapping[str, object]) -> Grant:
        """The shape of CLIProxyAPI, and that of Kiro's IDE in camelCase."""
        spelled = {
            CAMEL.get(key, key): value for key, value in content.items() if CAMEL.get(key) not in content
        }
        grant = super().from_file(spelled)
        method = grant.account.get("auth_method", "").lower()
        method = method or ("builder-id" if grant.private.get("client_id") else "social")
        account = grant.account | {"auth_method": method}
        if (found := ARN.fullmatch(account.get("profile_arn", ""))) is not None:
            account["api_region"] = found[1]
        return msgspec.structs.replace(grant, account=account)

    def rewritten(self, content: Mapping[str, object], grant: Grant) -> dict[str, object]:
        if "accessToken" not in content:
            return super().rewritten(content, grant)
        fresh = {"accessToken": grant.access_token, "refreshToken": grant.refresh_token}
        end = {"expiresAt": wire.rfc3339(grant.expires_at)} if grant.expires_at is not None else {}
        return {**content, **fresh, **end}

    def file_name(self, grant: Grant) -> str:
        account = grant.account
        kind = {"builder-id": "aws", "idc": "idc"}.get(account.get("auth_method", ""), "")
        kind = kind or account.get("provider", "") or "social"
        start = wire.split(account.get("start_url", "")).hostname or ""
        arn = account.get("profile_arn", "").rpartition("/")[2]
        who = account.get("email") or start.partition(".")[0] or arn or self.identity(grant)
        name = f"kiro-{files.name_part(kind.lower())}-{files.name_part(who or self.account_name(grant))}"
        return name.replace("@", "-").replace(".", "-") + ".json"


CAMEL = {
    "accessToken": "access_token",
    "refreshToken": "refresh_token",
    "profileArn": "profile_arn",
    "expiresAt": "expires_at",
    "authMethod": "auth_method",
    "clientId": "client_id",
    "clientSecret": "client_secret",
    "clientIdHash": "client_id_hash",
    "startUrl": "start_url",
    "lastRefresh": "last_refresh",
}


def aws_reading(answer: HttpAnswer) -> str:
    """AWS names RFC 8628's errors in ``error``, or as ``…Exception`` in ``__type``."""
    names = {
        "AuthorizationPendingException": "authorization_pending",
        "SlowDownException": "slow_down",
        "ExpiredTokenException": "expired_token",
        "AccessDeniedException": "access_denied",
    }
    outcome = device.standard_reading(answer)
    if outcome == "server_error":
        return "unavailable"
    return names.get(outcome, outcome)


def checked_region(region: str) -> str:
    if not REGION.fullmatch(region.strip()):
        raise OAuthError("The region must read like us-east-1.", code="bad_region", status=400)
    return region.strip()


def checked_start_url(url: str, settings: Mapping[str, str]) -> str:
    """https, a public name, no user: it is passed to AWS, and shown. Raises OAuthError."""
    parts = wire.split(url.strip())
    host = (parts.hostname or "").lower()
    is_public = PUBLIC_HOST.fullmatch(host) is not None and not host.endswith(PRIVATE_DOMAINS)
    if parts.scheme != "https" or "@" in parts.netloc or not is_public:
        raise OAuthError(
            "The start URL must be the https address of your AWS access portal, such as "
            "https://d-xxxxxxxxxx.awsapps.com/start.",
            code="bad_start_url",
            status=400,
        )
    return url.strip()


def usage_call(grant: Grant, settings: Mapping[str, str], *, with_email: bool = False) -> HttpCall:
    arn = grant.account.get("profile_arn", "")
    found = ARN.fullmatch(arn)
    base = settings["usage_url"].replace("{region}", found[1] if found else settings["region"]).rstrip("/")
    url = f"{base}/getUsageLimits?origin=AI_EDITOR&resourceType=AGENTIC_REQUEST"
    if arn:
        url += f"&profileArn={quote(arn, safe='')}"
    if with_email or not arn:
        url += "&isEmailRequired=true"
    return wire.get(url, wire.bearer(grant.access_token))


def quotas(fields: Mapping[str, object]) -> tuple[Quota, ...]:
    """One per resource; its free trial counts with it. The reset is in seconds, or (above 1e12) in ms."""
    found = []
    for entry in wire.objects(fields, "usageBreakdownList") or wire.objects(fields, "usageBreakdown"):
        limit = wire.number(entry, "usageLimitWithPrecision", "usageLimit") or 0.0
        used = wire.number(entry, "currentUsageWithPrecision", "currentUsage") or 0.0
        remaining = max(limit - used, 0.0)
        trial = wire.inner(entry, "freeTrialInfo")
        if wire.text(trial, "freeTrialStatus").upper() in ("", "ACTIVE") and trial:
            trial_limit = wire.number(trial, "usageLimitWithPrecision", "usageLimit") or 0.0
            trial_used = wire.number(trial, "currentUsageWithPrecision", "currentUsage") or 0.0
            remaining += max(trial_limit - trial_used, 0.0)
            limit, used = limit + trial_limit, used + trial_used
        resets = wire.moment_of(entry.get("nextDateReset")) or wire.moment_of(fields.get("nextDateReset"))
        found.append(
            Quota(
                name=wire.text(entry, "resourceType").lower() or "usage",
                limit=limit,
                used=used,
                remaining=remaining,
                used_percent=min(used / limit * 100, 100.0) if limit else None,
                resets_at=resets,
                unit=wire.text(entry, "displayNamePlural", "displayName", "unit").lower() or "requests",
                is_exhausted=remaining <= 0,
            )
        )
    return tuple(found)


def _tolerated(request: HttpCall) -> Flow[HttpAnswer | None]:
    """The answer of a call that may fail."""
    try:
        answer = yield from wire.call(request)
    except NetworkTrouble:
        return None
    return answer if answer.status < 300 else None
