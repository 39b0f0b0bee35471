"""Gemini by a Google login, as Gemini CLI uses it. See ``code_assist`` and docs/protocols/gemini-cli.md."""

from __future__ import annotations

from providers.adapters.base import Call, UpstreamRequest
from providers.adapters.code_assist import CodeAssist, projects_of
from providers.adapters.google_models import GEMINI_CLI_CATALOGUE

KEEPS_PROJECT = "keeps-project"
"""Option: a spent project is not followed by the account's others (``switch-project: false``)."""


class GeminiCli(CodeAssist):
    """An account may name several projects: each has a quota of its own, so a 429 goes on with the next."""

    key = "gemini-cli"
    name = "Gemini CLI (Google login)"
    base_url = "https://cloudcode-pa.googleapis.com"
    key_hint = "Connected by a Google login."
    owned_by = "gemini-cli"
    catalogue = GEMINI_CLI_CATALOGUE
    has_other_addresses = True

    def elsewhere(self, call: Call, tries: int, status: int | None, body: bytes) -> UpstreamRequest | None:
        projects = projects_of(call.credential)
        if call.credential.options.get(KEEPS_PROJECT):
            return None
        if status != 429 or tries >= len(projects):
            return None
        return self._request_at(self.base_of(call.credential), call, projects[tries])
