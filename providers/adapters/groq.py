"""Groq. Sources: https://console.groq.com/docs/api-reference, /docs/rate-limits, /docs/errors."""

from __future__ import annotations

from providers.adapters.openai_compatible import OpenAICompatible
from providers.translation.codec import Capabilities


class Groq(OpenAICompatible):
    """429 carries ``retry-after`` in seconds and ``x-ratelimit-reset-*`` durations; 498 is a lack of flex
    capacity and 424 a failed dependency, both transient."""

    key = "groq"
    name = "Groq"
    base_url = "https://api.groq.com/openai/v1"
    key_hint = "Begins with gsk_; made at console.groq.com, API keys."
    environment = ("GROQ_API_KEY",)
    open_ended = True
    abilities = Capabilities(developer_role=False)
