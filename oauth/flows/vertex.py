"""Vertex AI by a service account: its key signs an assertion, Google answers with a token. Pure.

RFC 7523 as Google documents it (https://developers.google.com/identity/protocols/oauth2/service-account);
signed by google-auth. The key is the login: it is "refreshed" as often as needed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

import msgspec

from oauth.flows import files, jwt, renewal, wire
from oauth.flows.base import Flow, Grant
from oauth.flows.channel import LoginAsk, LoginMethod, Terms
from oauth.flows.errors import OAuthError, RefreshRejected, RefreshUnavailable
from oauth.flows.standard import IMPORT, StandardChannel

ASSERTION_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
PEM = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL)


class Vertex(StandardChannel):
    key = "vertex"
    name = "Vertex AI (service account)"
    provider_key = "vertex-oauth"
    adapter = "vertex"
    names = ("vertex-ai",)
    methods = (
        LoginMethod(
            key="service-account",
            name="Upload a service account's key",
            fields=(
                ("content", "Content of the key file (JSON)", True),
                ("location", "Location (us-central1)", False),
            ),
            is_import=True,
        ),
        IMPORT,
    )
    terms = Terms(
        text=(
            "Calls are billed to the Google Cloud project of the key, under your contract with Google Cloud. "
            "The account needs the role Vertex AI User (roles/aiplatform.user), and no more."
        ),
        url="https://cloud.google.com/terms",
    )
    defaults = {
        "token_url": "https://oauth2.googleapis.com/token",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "location": "us-central1",
    }
    refresh_lead_s = 5 * 60.0
    account_keys = ("email", "project_id", "location")
    identity_keys = ("email", "project_id")
    own_keys = ("service_account", "project")

    def can_refresh(self, grant: Grant) -> bool:
        return bool(grant.private.get("service_account"))

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        key = wire.object_from(ask.values.get("content", ""))
        if not key:
            raise OAuthError("This is no JSON object.", code="invalid_json", status=400)
        location = ask.values.get("location", "").strip() or settings["location"]
        content = key if "service_account" in key else {"service_account": key}
        grant = self.from_file({"location": location, **content})
        return (yield from self.completed(msgspec.structs.replace(grant, method=ask.method), ask, settings))

    def completed(self, grant: Grant, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        """Proves the key where Google can be reached; a key that signs is kept also where it cannot."""
        try:
            return (yield from self.refresh(grant, settings, ask.now))
        except RefreshUnavailable:
            return grant

    # --- refresh ---------------------------------------------------------------------------

    def refresh(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[Grant]:
        raw = wire.object_from(grant.private.get("service_account", ""))
        key = {name: value for name, value in raw.items() if isinstance(value, str)}
        named = key.get("token_uri", "")
        # The setting wins, where somebody made it: a test server or a company proxy stands there.
        url = settings["token_url"] if settings["token_url"] != self.defaults["token_url"] else named
        url = url or settings["token_url"]
        try:
            assertion = jwt.service_account_assertion(key, settings["scope"], url, now)
        except OAuthError as error:
            raise RefreshRejected(error.message) from error
        answer = yield from renewal.send(
            wire.form_post(url, {"grant_type": ASSERTION_GRANT, "assertion": assertion})
        )
        return renewal.renewed(grant, renewal.tokens_of(answer), answer.at)

    # --- files -----------------------------------------------------------------------------

    def from_file(self, content: Mapping[str, object]) -> Grant:
        """CLIProxyAPI's file, or Google's bare key file."""
        content = files.normal(content)
        if content.get("type") == "service_account":
            content = {"service_account": dict(content)}
        key = wire.inner(content, "service_account")
        email = wire.text(key, "client_email")
        project = wire.text(content, "project_id", "project") or wire.text(key, "project_id")
        if not (email and wire.text(key, "private_key")):
            raise OAuthError(
                "invalid service account: it needs client_email and private_key.",
                code="invalid_service_account",
                status=400,
            )
        if not project:
            raise OAuthError("project_id missing", code="project_missing", status=400)
        key["private_key"] = clean_key(str(key["private_key"]))
        # A key that cannot sign is refused now, not at the first refresh.
        signing = {name: value for name, value in key.items() if isinstance(value, str)}
        jwt.service_account_assertion(signing, "", "", 0.0)
        known = self._known()
        return Grant(
            channel=self.key,
            access_token="",
            method="file",
            label=wire.text(content, "label") or f"{project} ({email})",
            account={
                "email": email,
                "project_id": project,
                "location": wire.text(content, "location") or self.defaults["location"],
            },
            private={"service_account": msgspec.json.encode(key).decode()},
            file_extras={name: value for name, value in content.items() if name not in known},
        )

    def rewritten(self, content: Mapping[str, object], grant: Grant) -> dict[str, object]:
        """What is renewed does not stand in the file."""
        return dict(content)

    def to_file(self, grant: Grant) -> dict[str, object]:
        return {
            "label": grant.label,
            **grant.file_extras,
            "type": "vertex",
            "service_account": wire.object_from(grant.private.get("service_account", "")),
            **{name: grant.account.get(name, "") for name in ("project_id", "email", "location")},
        }

    def file_name(self, grant: Grant) -> str:
        prefix = wire.text(grant.file_extras, "prefix")
        parts = ["vertex", *([files.name_part(prefix)] if prefix else [])]
        return "-".join([*parts, files.name_part(grant.account.get("project_id", ""))]) + ".json"


def clean_key(pem: str) -> str:
    """A private key as terminals and clipboards mangle it, put right: line ends, colours, folding."""
    text = ANSI.sub("", pem.replace("\\n", "\n").replace("\r\n", "\n").replace("\r", "\n"))
    found = PEM.search(text)
    if found is None:
        return text
    body = re.sub(r"[^A-Za-z0-9+/=]", "", found[2])
    try:
        base64.b64decode(body, validate=True)
    except ValueError:
        return text
    lines = "\n".join(body[start : start + 64] for start in range(0, len(body), 64))
    return f"-----BEGIN {found[1]}-----\n{lines}\n-----END {found[1]}-----\n"
