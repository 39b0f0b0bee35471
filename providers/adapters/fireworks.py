"""Fireworks AI. Sources: https://docs.fireworks.ai/api-reference, /guides/inference-error-codes."""

from __future__ import annotations

from providers.adapters.openai_compatible import OpenAICompatible


class Fireworks(OpenAICompatible):
    """Model ids look like ``accounts/fireworks/models/…``. 412 means a suspended account."""

    key = "fireworks"
    name = "Fireworks AI"
    base_url = "https://api.fireworks.ai/inference/v1"
    key_hint = "Begins with fw_; made at app.fireworks.ai, API keys."
    environment = ("FIREWORKS_API_KEY",)
    open_ended = True
