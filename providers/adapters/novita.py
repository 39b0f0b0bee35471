"""Novita AI. Source: https://novita.ai/docs/guides/llm-api, whose newer address is
https://api.novita.ai/openai/v1 (to be set as base URL where it is wanted)."""

from __future__ import annotations

from providers.adapters.openai_compatible import OpenAICompatible


class Novita(OpenAICompatible):
    """Errors are flat: ``{"code", "reason", "message"}``, the reason being the code."""

    key = "novita"
    name = "Novita AI"
    base_url = "https://api.novita.ai/v1"
    key_hint = "Begins with sk_; made at novita.ai, Settings, Key Management."
    environment = ("NOVITA_API_KEY",)
    open_ended = True
