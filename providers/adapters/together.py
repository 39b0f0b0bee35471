"""Together AI. Sources: https://docs.together.ai/reference/chat-completions-1, /docs/error-codes."""

from __future__ import annotations

from providers.adapters.openai_compatible import OpenAICompatible


class Together(OpenAICompatible):
    """The model list is a bare array. 403 also means that input and ``max_tokens`` exceed the window: the
    text tells, and that is the request's fault, not the key's."""

    key = "together"
    name = "Together AI"
    base_url = "https://api.together.xyz/v1"
    key_hint = "Made at api.together.ai, Settings, API keys."
    environment = ("TOGETHER_API_KEY",)
    open_ended = True
