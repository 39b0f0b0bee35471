"""OpenRouter. Sources: https://openrouter.ai/docs/api-reference/overview, /errors, /limits."""

from __future__ import annotations

from providers.adapters.base import CatalogueModel, UpstreamRequest
from providers.adapters.openai import OPENAI_FAMILIES
from providers.adapters.openai_compatible import OpenAICompatible
from providers.values import CredentialEntry


class OpenRouter(OpenAICompatible):
    """``error.code`` is the HTTP status; errors after the start come inside a 200. 403 with moderation
    reasons concerns the content, any other 403 the key. ``x-ratelimit-reset`` is in milliseconds."""

    key = "openrouter"
    name = "OpenRouter"
    base_url = "https://openrouter.ai/api/v1"
    key_hint = "Begins with sk-or-v1-; made at openrouter.ai, Keys."
    environment = ("OPENROUTER_API_KEY",)
    open_ended = True
    public_list = True
    abilities_by_model = OPENAI_FAMILIES
    default_mappings = (
        ("claude-3-5-sonnet", "anthropic/claude-3.5-sonnet"),
        ("gpt-4-turbo", "openai/gpt-4-turbo"),
        ("gemini-1.5-pro", "google/gemini-pro-1.5"),
    )
    catalogue = tuple(
        CatalogueModel(id=model_id, display_name=name)
        for model_id, name in (
            ("claude-3-5-sonnet", "Claude 3.5 Sonnet"),
            ("gpt-4-turbo", "GPT-4 Turbo"),
            ("gemini-1.5-pro", "Gemini 1.5 Pro"),
            ("anthropic/claude-3.5-sonnet", "Claude 3.5 Sonnet"),
            ("openai/gpt-4-turbo", "GPT-4 Turbo"),
            ("google/gemini-pro-1.5", "Gemini 1.5 Pro"),
            ("openrouter/auto", "OpenRouter's own choice"),
        )
    )

    def key_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        return self._get(f"{self.base_of(credential)}/key", credential)
