"""Google's Code Assist service by login: the Gemini format inside an envelope.

Source: google-gemini/gemini-cli, ``packages/core/src/code_assist`` (2025). The bearer is a Google access
token; who pays is the project of the account (``account["project_id"]``).
"""

from __future__ import annotations

import re

from providers.adapters.auth import Auth, BearerKey
from providers.adapters.base import Call, Operation, Unwrapper, UpstreamRequest
from providers.adapters.gemini import Gemini
from providers.adapters.headers import call_headers, custom_headers, merge_headers
from providers.adapters.tool_groups import NO_GROUPS, Grouped
from providers.translation.codec import Capabilities
from providers.translation.codecs.gemini import code_assist
from providers.translation.codecs.gemini.code_assist import EventUnwrapper
from providers.values import CredentialEntry, Features, Format


class CodeAssist(Gemini):
    """Counting takes the bare request, without the project and the model that pay for an answer."""

    speaks = Format.GEMINI
    auth: Auth = BearerKey()
    environment = ()
    features = Features(vision=True, multimodal=True, code_generation=True, max_tokens=1_000_000)
    default_mappings = ()
    needs_login = True
    has_embeddings = has_interactions = False

    def request(self, call: Call) -> UpstreamRequest:
        return self._request_at(self.base_of(call.credential), call)

    def models_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        return None

    def unwrapped(self, body: bytes) -> bytes:
        return code_assist.unwrapped(body)

    def unwrapper(self, credential: CredentialEntry, grouped: Grouped = NO_GROUPS) -> Unwrapper | None:
        return EventUnwrapper()

    def capabilities(self, model: str) -> Capabilities:
        for known in self.catalogue:
            if known.id == model and known.capabilities is not None:
                return known.capabilities
        return super().capabilities(model)

    def _request_at(self, base: str, call: Call, project: str | None = None) -> UpstreamRequest:
        action = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
        if call.operation is Operation.COUNT:
            action = "countTokens"
        return UpstreamRequest(
            method="POST",
            url=f"{base}/v1internal:{action}",
            headers=merge_headers(
                {
                    "content-type": "application/json",
                    "accept": "text/event-stream" if call.stream else "application/json",
                },
                self._common_headers(call.credential),
                call_headers(call.headers),
                custom_headers(call.credential, dict(call.client_headers)),
            ),
            body=self._enveloped(call, projects_of(call.credential)[0] if project is None else project),
        )

    def _enveloped(self, call: Call, project: str) -> bytes:
        if call.operation is Operation.COUNT:
            return code_assist.wrapped(call.body, {}, ("model", "safetySettings"))
        outer = {"project": project} if project else {}
        return code_assist.wrapped(call.body, {**outer, "model": call.model})


def projects_of(credential: CredentialEntry) -> list[str]:
    """The account's Google Cloud projects, at least one element: "" where the account has none of its own."""
    return [name for name in re.split(r"[,\s]+", credential.account.get("project_id", "")) if name] or [""]
