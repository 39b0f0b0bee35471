"""NVIDIA NIM, hosted. Source: https://docs.api.nvidia.com/nim/reference/llm-apis."""

from __future__ import annotations

from providers.adapters.base import CatalogueModel
from providers.adapters.openai_compatible import OpenAICompatible


class Nim(OpenAICompatible):
    key = "nim"
    name = "NVIDIA NIM"
    base_url = "https://integrate.api.nvidia.com/v1"
    key_hint = "Begins with nvapi-; made at build.nvidia.com."
    environment = ("NIM_API_KEY", "THGENT_NIM_API_KEY", "NVIDIA_API_KEY")
    public_list = True
    mappings_yield = True
    default_mappings = tuple((name, "z-ai/glm-5") for name in ("glm-5", "step-3.5-flash"))
    catalogue = tuple(CatalogueModel(id=model_id) for model_id in ("z-ai/glm-5", "glm-5", "step-3.5-flash"))
