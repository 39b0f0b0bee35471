"""Gemini CLI: Google's installed-app login, then a Code Assist project. Pure.

Source: google-gemini/gemini-cli, packages/core/src/code_assist/{oauth2,setup,server}.ts; file shapes of
CLIProxyAPI v6. The client secret stands in the first of these files; the operator sets it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from oauth.flows import files, google, wire
from oauth.flows.base import Flow, Grant, HttpCall, Quota, Renewed
from oauth.flows.channel import LoginAsk, LoginMethod, Terms
from oauth.flows.errors import NetworkTrouble, OAuthError, RefreshUnavailable
from oauth.flows.standard import IMPORT

METADATA = {"ideType": "IDE_UNSPECIFIED", "platform": "PLATFORM_UNSPECIFIED", "pluginType": "GEMINI"}
FREE_TIER = "free-tier"
ONBOARD_TRIES = 24
ONBOARD_PAUSE_S = 5.0
MOST_PROJECTS = 20
"""Whose allowances are read: one call for each."""


class GeminiCli(google.GoogleChannel):
    key = "gemini-cli"
    name = "Gemini CLI"
    provider_key = "gemini-cli"
    adapter = "gemini-cli"
    file_type = "gemini"
    names = ("gemini", "google")
    methods = (
        LoginMethod(
            key="code",
            name="Sign in with Google",
            fields=(("project_id", "Google Cloud project (optional; several with commas, or ALL)", False),),
        ),
        IMPORT,
    )
    terms = Terms(
        text=(
            "Gemini Code Assist is licensed to the person who signs in. Google's terms do not allow reaching "
            "it from programs that it does not support or sharing it; accounts have been limited for that. "
            "An API key, or Vertex AI, is what Google offers for a team."
        ),
        url="https://developers.google.com/gemini-code-assist/resources/privacy-notice-gemini-code-assist-individuals",
    )
    defaults = {
        "authorize_url": "https://accounts.google.com/o/oauth2/v2/auth",
        "token_url": "https://oauth2.googleapis.com/token",
        "userinfo_url": "https://www.googleapis.com/oauth2/v1/userinfo?alt=json",
        "code_assist_url": "https://cloudcode-pa.googleapis.com/v1internal",
        "projects_url": "https://cloudresourcemanager.googleapis.com/v1/projects",
        "services_url": "https://serviceusage.googleapis.com/v1/projects",
        "client_id": "681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com",
        "scope": (
            "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/userinfo.email "
            "https://www.googleapis.com/auth/userinfo.profile"
        ),
        "callback_port": "8085",
        "callback_host": "localhost",
        "redirect_uri": "",
    }
    required_settings = (
        (
            "client_secret",
            "published by Google in google-gemini/gemini-cli, packages/core/src/code_assist/oauth2.ts",
        ),
    )
    callback_path = "/oauth2callback"
    refresh_lead_s = 5 * 60.0
    quota_every_s = 10 * 60.0
    account_keys = ("email", "project_id")
    identity_keys = ("email", "project_id")
    own_keys = ("token", "auto", "checked", "token_type", "scope", "access_token", "refresh_token")

    # --- login -----------------------------------------------------------------------------

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        grant = yield from self.sign_in(ask, settings)
        return (yield from self._with_project(grant, ask.values.get("project_id", ""), settings))

    def completed(self, grant: Grant, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        """Gemini CLI's own file names neither e-mail nor project."""
        grant = yield from super().completed(grant, ask, settings)
        grant = yield from self.with_email(grant, settings)
        if grant.account.get("project_id"):
            return grant
        return (yield from self._with_project(grant, ask.values.get("project_id", ""), settings))

    def refresh(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[Grant]:
        """A login that came without its project or e-mail learns them; it goes on without."""
        grant = yield from super().refresh(grant, settings, now)
        if self.is_complete(grant):
            return grant
        yield Renewed(grant=grant)
        try:
            grant = yield from self.with_email(grant, settings)
            return (yield from self._with_project(grant, "", settings))
        except OAuthError:
            return grant

    def _with_project(self, grant: Grant, wanted: str, settings: Mapping[str, str]) -> Flow[Grant]:
        names = [name for name in re.split(r"[,\s]+", wanted.strip()) if name]
        if names == ["ALL"] or names == ["all"]:
            projects = yield from self._every_project(grant, settings)
        elif names:
            projects = []
            for name in names:
                projects.append((yield from self._onboarded(grant, name, settings)))
                yield from self._enable_api(grant, name, settings)
        else:
            projects = [(yield from self._onboarded(grant, "", settings))]
        account = grant.account | {"project_id": ",".join(dict.fromkeys(projects))}
        return msgspec.structs.replace(grant, account=account)

    def _every_project(self, grant: Grant, settings: Mapping[str, str]) -> Flow[list[str]]:
        answer = yield from wire.call(wire.get(settings["projects_url"], wire.bearer(grant.access_token)))
        found = []
        for project in wire.objects(wire.object_of(answer), "projects"):
            try:
                found.append((yield from self._onboarded(grant, wire.text(project, "projectId"), settings)))
            except OAuthError:
                continue
        if not found:
            raise OAuthError("None of the account's Google Cloud projects can be used with Code Assist.")
        return found

    def _onboarded(self, grant: Grant, wanted: str, settings: Mapping[str, str]) -> Flow[str]:
        """The project to use: ``wanted``, or the one that Google assigns. Raises OAuthError."""
        extra = {"cloudaicompanionProject": wanted} if wanted else {}
        answer = yield from wire.call(
            self._code_assist(
                "loadCodeAssist", {"metadata": METADATA | _duet(wanted), **extra}, grant, settings
            )
        )
        loaded = wire.object_of(answer)
        if answer.status >= 400:
            _, words = wire.error_of(answer)
            raise OAuthError(f"Google Code Assist cannot be used ({answer.status}: {words}).")
        assigned = google.project_of(loaded)
        if wire.inner(loaded, "currentTier") and (assigned or wanted):
            return wanted or assigned
        reasons = google.why_ineligible(loaded)
        if reasons and not wire.objects(loaded, "allowedTiers"):
            raise OAuthError(f"Google says that this account cannot use Code Assist: {reasons}")
        tier = google.default_tier(loaded, "legacy-tier")
        if tier == FREE_TIER:
            extra = {}  # Google assigns one, and refuses a request that names another
        made = yield from google.onboard(
            self._code_assist(
                "onboardUser",
                {"tierId": tier, "metadata": METADATA | _duet(wanted), **extra},
                grant,
                settings,
            ),
            ONBOARD_TRIES,
            ONBOARD_PAUSE_S,
        )
        project = made or assigned if tier == FREE_TIER else wanted or made or assigned
        if not project:
            raise OAuthError(
                "Google assigned no project to this account: name one of your Google Cloud projects.",
                code="project_needed",
            )
        return project

    def _enable_api(self, grant: Grant, project: str, settings: Mapping[str, str]) -> Flow[None]:
        """Turns Code Assist's API on for a project. Who may not is told by the first model call."""
        url = f"{settings['services_url']}/{project}/services/cloudaicompanion.googleapis.com"
        try:
            answer = yield from wire.call(wire.get(url, wire.bearer(grant.access_token)))
            if wire.text(wire.object_of(answer), "state") != "ENABLED" and answer.status < 300:
                yield from wire.call(wire.json_post(f"{url}:enable", {}, wire.bearer(grant.access_token)))
        except NetworkTrouble:
            return

    def _code_assist(self, method: str, body: object, grant: Grant, settings: Mapping[str, str]) -> HttpCall:
        return wire.json_post(
            f"{settings['code_assist_url'].rstrip('/')}:{method}", body, wire.bearer(grant.access_token)
        )

    # --- quota -----------------------------------------------------------------------------

    def read_quota(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[tuple[Quota, ...]]:
        """Of each of the account's projects, whose allowances are its own."""
        projects = [name for name in grant.account.get("project_id", "").split(",") if name]
        told = []
        for project in projects[:MOST_PROJECTS]:
            try:
                answer = yield from wire.call(
                    self._code_assist("retrieveUserQuota", {"project": project}, grant, settings)
                )
            except NetworkTrouble as error:
                raise RefreshUnavailable(error.message) from error
            if answer.status >= 300:
                return ()  # a part would say that the rest is gone
            told.append(google.bucket_quotas(wire.objects(wire.object_of(answer), "buckets")))
        if len(told) == 1:
            return told[0]
        return _side_by_side(told, projects)

    # --- files -----------------------------------------------------------------------------

    def from_file(self, content: Mapping[str, object]) -> Grant:
        """CLIProxyAPI's file (tokens inside ``token``), or Gemini CLI's flat ``~/.gemini/oauth_creds.json``.
        After a refresh the tokens at the top level are the newer ones."""
        grant = super().from_file(content)
        nested = files.nested_token(content)
        private = {name: wire.text(nested, name) for name in ("client_id", "client_secret")}
        rest = {
            name: value
            for name, value in nested.items()
            if name not in ("access_token", "refresh_token", "expiry", "expires_in", "expires_at", "raw")
        }
        extras = {**grant.file_extras, **({"token": rest} if rest else {})}
        extras |= {name: content[name] for name in ("auto", "checked") if name in content}
        return msgspec.structs.replace(
            grant,
            private={name: value for name, value in private.items() if value},
            account=grant.account
            | ({"project_id": project} if (project := wire.text(content, "project_id")) else {}),
            file_extras=extras,
        )

    def rewritten(self, content: Mapping[str, object], grant: Grant) -> dict[str, object]:
        if "type" not in content and "expiry_date" in content:
            return files.in_cli_file(content, grant.access_token, grant.refresh_token, grant.expires_at)
        kept = files.nested_token(content)
        fresh = {name: value for name, value in _tokens(grant).items() if value}
        top = {name: value for name, value in fresh.items() if name in content}
        return {**content, **top, **({"token": {**kept, **fresh}} if kept else fresh)}

    def to_file(self, grant: Grant) -> dict[str, object]:
        """The client secret is written only where the file brought it."""
        kept = wire.inner(grant.file_extras, "token")
        token: dict[str, object] = {
            **kept,
            "access_token": grant.access_token,
            "refresh_token": grant.refresh_token,
            "token_type": wire.text(kept, "token_type") or "Bearer",
        }
        if grant.expires_at is not None:
            token["expiry"] = wire.rfc3339(grant.expires_at)
        extras = {name: value for name, value in grant.file_extras.items() if name != "token"}
        return {
            **extras,
            "type": "gemini",
            "token": token,
            "project_id": grant.account.get("project_id", ""),
            "email": grant.account.get("email", ""),
            "auto": grant.file_extras.get("auto", False),
            "checked": grant.file_extras.get("checked", True),
        }

    def file_name(self, grant: Grant) -> str:
        project = grant.account.get("project_id", "")
        tail = "all" if "," in project else files.name_part(project)
        return f"gemini-{files.name_part(grant.account.get('email') or grant.label)}-{tail}.json"


def _side_by_side(told: list[tuple[Quota, ...]], projects: list[str]) -> tuple[Quota, ...]:
    """The readings of several projects, each named after its own. A model is spent when it is in all of them,
    since a call goes on with the next project; and until the first of them has it again."""
    spent: dict[str, list[Quota]] = {}
    for quotas in told:
        for quota in {quota.model: quota for quota in quotas if quota.is_exhausted}.values():
            spent.setdefault(quota.model, []).append(quota)
    first = {
        model: min(found, key=lambda quota: quota.resets_at or 0.0)
        for model, found in spent.items()
        if len(found) == len(projects)
    }
    return tuple(
        msgspec.structs.replace(
            quota, name=f"{project}: {quota.name}", is_exhausted=first.get(quota.model) is quota
        )
        for project, quotas in zip(projects, told, strict=False)
        for quota in quotas
    )


def _tokens(grant: Grant) -> dict[str, str]:
    end = wire.rfc3339(grant.expires_at) if grant.expires_at is not None else ""
    return {"access_token": grant.access_token, "refresh_token": grant.refresh_token, "expiry": end}


def _duet(project: str) -> dict[str, str]:
    """Gemini CLI names the project in the metadata as well."""
    return {"duetProject": project} if project else {}
