"""Mistral. Sources: https://docs.mistral.ai/api, /deployment/laplateforme/tier."""

from __future__ import annotations

from providers.adapters.openai_compatible import OpenAICompatible
from providers.translation.codec import Capabilities


class Mistral(OpenAICompatible):
    """Refuses fields it does not know with 422, so ``stream_options`` is not sent: the last chunk of every
    stream has usage anyway. A 422 may have FastAPI's ``{"detail": [...]}``."""

    key = "mistral"
    name = "Mistral AI"
    base_url = "https://api.mistral.ai/v1"
    key_hint = "Made at console.mistral.ai, API keys; has no fixed beginning."
    environment = ("MISTRAL_API_KEY",)
    open_ended = True
    abilities = Capabilities(
        legacy_max_tokens=True, developer_role=False, stream_usage=False, accepts_temperature_with_top_p=True
    )
