"""SiliconFlow (China; international: https://api.siliconflow.com/v1). Source: https://docs.siliconflow.cn."""

from __future__ import annotations

from providers.adapters.openai_compatible import OpenAICompatible


class SiliconFlow(OpenAICompatible):
    """Errors are flat: ``{"code": 20012, "message", "data"}``; the number is the vendor's, no HTTP status."""

    key = "siliconflow"
    name = "SiliconFlow"
    base_url = "https://api.siliconflow.cn/v1"
    key_hint = "Begins with sk-; made at cloud.siliconflow.cn, API keys."
    environment = ("SILICONFLOW_API_KEY",)
    open_ended = True
