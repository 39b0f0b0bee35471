"""Any server that speaks Chat Completions: vLLM, Ollama, llama.cpp, LM Studio, an aggregator, a gateway.

Few of them have the Responses API as well; the option ``speaks-responses`` says that this one does, and
``legacy-completions`` whether it has ``/completions``.
"""

from __future__ import annotations

from providers.adapters.openai import OPENAI_FAMILIES
from providers.adapters.openai_compatible import OpenAICompatible
from providers.values import CredentialEntry, Format


class OpenAICompatibility(OpenAICompatible):
    key = "openai-compatibility"
    name = "OpenAI-compatible server"
    needs_base_url = True
    needs_key = False
    key_hint = "Whatever the server expects as a bearer token; empty for a local server without one."
    open_ended = True
    prefix_replaces_ids = True
    abilities_by_model = OPENAI_FAMILIES

    def completes(self, credential: CredentialEntry, model: str) -> bool | None:
        """vLLM, llama.cpp, Ollama and LM Studio have it; nobody knows of the others."""
        told = credential.options.get("legacy-completions")
        return told if isinstance(told, bool) else None

    def formats(self, credential: CredentialEntry, model: str = "") -> tuple[Format, ...]:
        if credential.options.get("speaks-responses") is True:
            return (Format.OPENAI, Format.RESPONSES)
        return (Format.OPENAI,)
