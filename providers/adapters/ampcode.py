"""Amp's control plane: not a provider of models to the gateway's clients, but what Amp's own clients also
need.

Requests that no provider here serves go to it unchanged (``routing/proxy/amp.py``); the row holds its
address, the keys that pay there and the model mappings. Source: docs/protocols/ampcode.md.
"""

from __future__ import annotations

from providers.adapters.base import UpstreamRequest
from providers.adapters.openai_compatible import OpenAICompatible
from providers.values import CredentialEntry


class Ampcode(OpenAICompatible):
    key = "ampcode"
    name = "Amp"
    base_url = "https://ampcode.com"
    key_hint = "An access token of ampcode.com, Settings."
    environment = ("AMP_API_KEY",)
    catalogue = ()

    def models_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        return None

    def key_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        return self._get(f"{self.base_of(credential)}/api/user", credential)
