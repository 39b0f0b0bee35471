"""A server that speaks the Responses API and nothing else, by API key: what Codex is pointed at.

Source: https://platform.openai.com/docs/api-reference/responses. There is no common address: the base URL is
the operator's to give, up to and with its version (``https://host/v1``).
"""

from __future__ import annotations

from providers.adapters.openai import OPENAI_FAMILIES
from providers.adapters.openai_compatible import OpenAICompatible
from providers.translation.codec import Capabilities
from providers.values import Format


class Codex(OpenAICompatible):
    key = "codex"
    name = "Codex (Responses API)"
    speaks = Format.RESPONSES
    needs_base_url = True
    key_hint = "The key of the server at the base URL."
    owned_by = "openai"
    open_ended = True
    abilities = Capabilities()
    abilities_by_model = OPENAI_FAMILIES

    def payload_protocols(self, format_: Format) -> tuple[str, ...]:
        return ("codex", *super().payload_protocols(format_))
