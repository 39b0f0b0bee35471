"""OpenCode Zen. Source: https://opencode.ai/docs/zen."""

from __future__ import annotations

from providers.adapters.base import CatalogueModel
from providers.adapters.openai import OPENAI_FAMILIES
from providers.adapters.openai_compatible import OpenAICompatible


class Zen(OpenAICompatible):
    key = "zen"
    name = "OpenCode Zen"
    base_url = "https://opencode.ai/zen/v1"
    key_hint = "Made at opencode.ai, Zen."
    environment = ("ZEN_API_KEY", "OPENCODE_API_KEY", "THGENT_ZEN_API_KEY")
    public_list = True
    abilities_by_model = OPENAI_FAMILIES
    mappings_yield = True
    default_mappings = tuple((name, "glm-5") for name in ("z-ai/glm-5", "gpt-5-mini", "gemini-3-flash"))
    catalogue = tuple(
        CatalogueModel(id=model_id) for model_id in ("glm-5", "z-ai/glm-5", "gpt-5-mini", "gemini-3-flash")
    )
