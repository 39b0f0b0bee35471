"""Any server that speaks Chat Completions: vLLM, Ollama, llama.cpp, LM Studio, an aggregator, a gateway."""

from __future__ import annotations

from providers.adapters.openai import OPENAI_FAMILIES
from providers.adapters.openai_compatible import OpenAICompatible


class OpenAICompatibility(OpenAICompatible):
    key = "openai-compatibility"
    name = "OpenAI-compatible server"
    needs_base_url = True
    needs_key = False
    key_hint = "Whatever the server expects as a bearer token; empty for a local server without one."
    open_ended = True
    prefix_replaces_ids = True
    abilities_by_model = OPENAI_FAMILIES
