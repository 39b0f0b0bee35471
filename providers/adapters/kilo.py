"""Kilo Code's gateway. Source: https://kilo.ai/docs. Protocol and errors are OpenRouter's; free models are
served at base URL https://api.kilo.ai/api/openrouter with the key ``anonymous``."""

from __future__ import annotations

from providers.adapters.base import CatalogueModel
from providers.adapters.openai import OPENAI_FAMILIES
from providers.adapters.openai_compatible import OpenAICompatible


class Kilo(OpenAICompatible):
    key = "kilo"
    name = "Kilo Code"
    base_url = "https://api.kilo.ai/v1"
    key_hint = "The token of a Kilo Code account, or anonymous for the free models."
    environment = ("KILO_API_KEY", "KILOCODE_API_KEY")
    public_list = True
    open_ended = True
    abilities_by_model = OPENAI_FAMILIES
    catalogue = (
        CatalogueModel(
            id="kilo/auto", display_name="Kilo Auto", context_length=200_000, max_output_tokens=64_000
        ),
    )
