"""Roo Code's own router. Address as in the configuration files that people bring; limits are unpublished."""

from __future__ import annotations

from providers.adapters.openai_compatible import OpenAICompatible


class Roo(OpenAICompatible):
    key = "roo"
    name = "Roo Code"
    base_url = "https://api.roocode.com/v1"
    key_hint = "The token of a Roo Code account."
    environment = ("ROO_API_KEY", "ROOCODE_API_KEY")
    open_ended = True
