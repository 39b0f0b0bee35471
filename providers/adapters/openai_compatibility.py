"""Any server that speaks Chat Completions: vLLM, Ollama, llama.cpp, LM Studio, an aggregator, a gateway.

Few of them have the Responses API as well; the option ``speaks-responses`` says that this one does, and
``legacy-completions`` whether it has ``/completions``. Few take ``prompt_cache_key``, and some refuse what
they do not know: it goes out only with the option ``support-prompt-cache-key``.
"""

from __future__ import annotations

import msgspec

from providers.adapters import bodies
from providers.adapters.base import Call, UpstreamRequest
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

    def compacts(self, credential: CredentialEntry, model: str) -> bool:
        """Asked of any such server, in the Responses form: one that lacks it says so (CLIProxyAPI's way)."""
        return True

    def request(self, call: Call) -> UpstreamRequest:
        if call.credential.options.get("support-prompt-cache-key") is True or _CACHE_KEY not in call.body:
            return super().request(call)
        members = bodies.members_of(call.body)
        dropped = bodies.drop(members, "prompt_cache_key")
        if not dropped:
            return super().request(call)
        made = super().request(msgspec.structs.replace(call, body=bodies.written(members)))
        return msgspec.structs.replace(made, dropped=(*made.dropped, *dropped))


_CACHE_KEY = b'"prompt_cache_key"'
