"""OpenAI by API key. Sources: https://platform.openai.com/docs/api-reference, /docs/models,
/docs/guides/rate-limits, /docs/guides/reasoning (read 2025)."""

from __future__ import annotations

from providers.adapters.base import CatalogueModel
from providers.adapters.openai_compatible import OpenAICompatible
from providers.translation.codec import Capabilities
from providers.values import Features, Format

_CHAT = Capabilities(thinking="none", max_output_tokens=16_384)
_GPT_4 = Capabilities(thinking="none", max_output_tokens=4_096, structured_output=False)
_GPT_4_FIRST = Capabilities(thinking="none", max_output_tokens=8_192, structured_output=False)
_GPT_4_1 = Capabilities(thinking="none", max_output_tokens=32_768)


def _reasoning(
    levels: tuple[str, ...], max_output_tokens: int, *, can_stop: bool = False, breakpoints: bool = False
) -> Capabilities:
    return Capabilities(
        thinking="level",
        thinking_levels=levels,
        thinking_zero=can_stop,
        accepts_sampling=False,
        accepts_stop=False,
        max_output_tokens=max_output_tokens,
        cache_breakpoints=breakpoints,
    )


_O_SERIES = _reasoning(("low", "medium", "high"), 100_000)
_GPT_5 = _reasoning(("minimal", "low", "medium", "high"), 128_000)
_GPT_5_1 = _reasoning(("none", "low", "medium", "high"), 128_000, can_stop=True)
_GPT_5_2 = _reasoning(("none", "low", "medium", "high", "xhigh"), 128_000, can_stop=True)
_GPT_5_6 = _reasoning(("none", "low", "medium", "high", "xhigh"), 128_000, can_stop=True, breakpoints=True)

OPENAI_FAMILIES: tuple[tuple[str, Capabilities], ...] = (
    (r"^(openai/)?gpt-5[\d.]*-chat", _CHAT),
    (r"^(openai/)?gpt-5\.1(\D|$)", _GPT_5_1),
    (r"^(openai/)?gpt-(5\.([6-9]|\d\d)|[6-9](\D|$))", _GPT_5_6),
    (r"^(openai/)?gpt-5\.\d", _GPT_5_2),
    (r"^(openai/)?gpt-5", _GPT_5),
    (r"^(openai/)?o[134](-|$)", _O_SERIES),
)
"""Families that need the newer spellings wherever they are served, also behind an aggregator."""


def _model(model_id: str, name: str, context: int, abilities: Capabilities) -> CatalogueModel:
    return CatalogueModel(
        id=model_id,
        display_name=name,
        context_length=context,
        max_output_tokens=abilities.max_output_tokens,
        owned_by="openai",
        capabilities=abilities,
    )


class OpenAI(OpenAICompatible):
    key = "openai"
    name = "OpenAI"
    also_speaks = (Format.RESPONSES,)
    counts_tokens = (Format.RESPONSES,)
    base_url = "https://api.openai.com/v1"
    key_hint = "Begins with sk-; made at platform.openai.com, API keys."
    environment = ("OPENAI_API_KEY",)
    owned_by = "openai"
    legacy_models = r"instruct|^(babbage|davinci)-"
    features = Features(vision=True, code_generation=False, max_tokens=128_000)
    default_mappings = (("gpt-4-turbo", "gpt-4-turbo-preview"),)
    abilities = Capabilities()
    abilities_by_model = (
        *OPENAI_FAMILIES,
        (r"^gpt-4\.1", _GPT_4_1),
        (r"^(gpt-4o|chatgpt-4o)", _CHAT),
        (r"^gpt-4($|-0613|-32k)", _GPT_4_FIRST),
        (r"^gpt-(4|3\.5)-", _GPT_4),
    )
    catalogue = (
        _model("gpt-5.2", "GPT-5.2", 400_000, _GPT_5_2),
        _model("gpt-5.1", "GPT-5.1", 400_000, _GPT_5_1),
        _model("gpt-5", "GPT-5", 400_000, _GPT_5),
        _model("gpt-5-mini", "GPT-5 mini", 400_000, _GPT_5),
        _model("gpt-5-nano", "GPT-5 nano", 400_000, _GPT_5),
        _model("gpt-4.1", "GPT-4.1", 1_047_576, _GPT_4_1),
        _model("gpt-4.1-mini", "GPT-4.1 mini", 1_047_576, _GPT_4_1),
        _model("gpt-4.1-nano", "GPT-4.1 nano", 1_047_576, _GPT_4_1),
        _model("o3", "o3", 200_000, _O_SERIES),
        _model("o4-mini", "o4-mini", 200_000, _O_SERIES),
        _model("gpt-4o", "GPT-4o", 128_000, _CHAT),
        _model("gpt-4o-mini", "GPT-4o mini", 128_000, _CHAT),
        _model("gpt-4-turbo", "GPT-4 Turbo", 128_000, _GPT_4),
        _model("gpt-4-turbo-preview", "GPT-4 Turbo preview", 128_000, _GPT_4),
        _model("gpt-4", "GPT-4", 8_192, _GPT_4_FIRST),
        _model("gpt-3.5-turbo", "GPT-3.5 Turbo", 16_385, _GPT_4),
    )
