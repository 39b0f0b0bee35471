"""Cursor through a bridge that somebody runs beside the gateway (cursor-api and its like): Chat Completions.

Cursor itself speaks an unpublished protocol to its own editor; the gateway does not. Address and key of the
bridge as in the configuration files that people bring.
"""

from __future__ import annotations

from providers.adapters.base import CatalogueModel
from providers.adapters.openai_compatible import OpenAICompatible
from providers.translation.codec import Capabilities
from providers.values import CredentialEntry


def _model(model_id: str, window: int = 200_000, output: int = 64_000) -> CatalogueModel:
    return CatalogueModel(id=model_id, context_length=window, max_output_tokens=output, owned_by="cursor")


class Cursor(OpenAICompatible):
    key = "cursor"
    name = "Cursor (bridge)"
    base_url = "http://127.0.0.1:3000/v1"
    key_hint = "The key of the bridge, which begins with sk-."
    owned_by = "cursor"
    abilities = Capabilities(legacy_max_tokens=True, developer_role=False)
    catalogue = (
        _model("default"),
        _model("composer-2"),
        _model("claude-4-sonnet"),
        _model("claude-3.5-sonnet", output=8_192),
        _model("gpt-4o", 128_000, 16_384),
        _model("cursor-small"),
        _model("gemini-2.5-pro", 1_048_576, 65_536),
    )

    def base_of(self, credential: CredentialEntry) -> str:
        """The option ``cursor-api-url`` names the bridge without its version."""
        base = super().base_of(credential)
        named = credential.options.get("cursor-api-url")
        if base == self.base_url and isinstance(named, str) and named.strip():
            base = named.strip().rstrip("/")
        return base if base.endswith("/v1") else f"{base}/v1"
