"""DeepSeek. Sources: https://api-docs.deepseek.com, /quick_start/error_codes, /guides/reasoning_model."""

from __future__ import annotations

from providers.adapters.base import CatalogueModel
from providers.adapters.openai_compatible import OpenAICompatible
from providers.translation.codec import Capabilities

_CHAT = Capabilities(
    legacy_max_tokens=True, developer_role=False, max_output_tokens=8_192, structured_output=False
)
_REASONER = Capabilities(
    legacy_max_tokens=True,
    developer_role=False,
    max_output_tokens=65_536,
    structured_output=False,
    reasoning_in_history=True,
)


class DeepSeek(OpenAICompatible):
    """A wrong key is 401 ``authentication_error`` with code ``invalid_request_error``: still the key's
    fault. While waiting for capacity the server sends empty lines or ``: keep-alive`` comments."""

    key = "deepseek"
    name = "DeepSeek"
    base_url = "https://api.deepseek.com"
    key_hint = "Begins with sk-; made at platform.deepseek.com, API keys."
    environment = ("DEEPSEEK_API_KEY",)
    abilities = Capabilities(
        legacy_max_tokens=True, developer_role=False, structured_output=False, reasoning_in_history=True
    )
    catalogue = (
        CatalogueModel(
            id="deepseek-chat",
            display_name="DeepSeek Chat",
            context_length=131_072,
            max_output_tokens=8_192,
            capabilities=_CHAT,
        ),
        CatalogueModel(
            id="deepseek-reasoner",
            display_name="DeepSeek Reasoner",
            context_length=131_072,
            max_output_tokens=65_536,
            capabilities=_REASONER,
        ),
        CatalogueModel(
            id="deepseek-coder",
            display_name="DeepSeek Coder",
            context_length=131_072,
            max_output_tokens=8_192,
            capabilities=_CHAT,
        ),
    )
