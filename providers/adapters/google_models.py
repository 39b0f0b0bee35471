"""The models that Google's login channels and Vertex serve, and what each can do: data only.

Sources: https://cloud.google.com/vertex-ai/generative-ai/docs/models and google-gemini/gemini-cli's model
list (2025); the ids of antigravity and AI Studio as CLIProxyAPI's catalogue had them in 2026, not published
by the vendor. A vendor's own list, where it has one, replaces these once a credential works.
"""

from __future__ import annotations

from providers.adapters.base import CatalogueModel
from providers.translation.codec import Capabilities

_MILLION = 1_048_576
_OUTPUT = 65_536
_ALL = ("minimal", "low", "medium", "high")
_THREE = ("low", "medium", "high")


def _model(
    model_id: str,
    low: int | None = None,
    high: int | None = None,
    levels: tuple[str, ...] = (),
    *,
    can_stop: bool = False,
    context: int | None = _MILLION,
    output: int | None = _OUTPUT,
    owner: str = "google",
) -> CatalogueModel:
    """Without ``low`` the model does not think. Gemini 3 wants its signatures back."""
    thinking = "none" if low is None else "both" if levels else "budget"
    return CatalogueModel(
        id=model_id,
        context_length=context,
        max_output_tokens=output,
        owned_by=owner,
        capabilities=Capabilities(
            max_output_tokens=output,
            thinking=thinking,
            thinking_min=low,
            thinking_max=high,
            thinking_zero=can_stop,
            thinking_levels=levels,
            signatures_required=model_id.startswith("gemini-3"),
            media_in_results=model_id.startswith("gemini-3"),
            image_output="image" in model_id,
        ),
    )


def _plain_schemas(model: CatalogueModel) -> CatalogueModel:
    """Behind antigravity only the schema subset is understood."""
    can = model.capabilities or Capabilities()
    return CatalogueModel(
        id=model.id,
        context_length=model.context_length,
        max_output_tokens=model.max_output_tokens,
        owned_by=model.owned_by,
        capabilities=Capabilities(
            max_output_tokens=can.max_output_tokens,
            thinking=can.thinking,
            thinking_min=can.thinking_min,
            thinking_max=can.thinking_max,
            thinking_zero=can.thinking_zero,
            thinking_levels=can.thinking_levels,
            signatures_required=can.signatures_required,
            json_schema_native=False,
            image_output=can.image_output,
        ),
    )


_PRO_25 = _model("gemini-2.5-pro", 128, 32_768)
_FLASH_25 = _model("gemini-2.5-flash", 0, 24_576, can_stop=True)
_LITE_25 = _model("gemini-2.5-flash-lite", 0, 24_576, can_stop=True)
_PRO_3_PREVIEW = _model("gemini-3-pro-preview", 128, 32_768, ("low", "high"))
_PRO_31_PREVIEW = _model("gemini-3.1-pro-preview", 128, 32_768, _THREE)
_FLASH_3_PREVIEW = _model("gemini-3-flash-preview", 128, 32_768, _ALL)
_LITE_31_PREVIEW = _model("gemini-3.1-flash-lite-preview", 128, 32_768, _ALL)
_NEWER_FLASH = (
    _model("gemini-3.5-flash", 128, 32_768, _ALL),
    _model("gemini-3.5-flash-lite", 128, 32_768, _ALL),
    _model("gemini-3.6-flash", 128, 32_768, _ALL),
    _model("gemini-3.7-flash", 128, 65_535, _ALL),
)

GEMINI_CLI_CATALOGUE: tuple[CatalogueModel, ...] = (
    _PRO_25,
    _FLASH_25,
    _LITE_25,
    _PRO_3_PREVIEW,
    _PRO_31_PREVIEW,
    _FLASH_3_PREVIEW,
    _LITE_31_PREVIEW,
)

VERTEX_CATALOGUE: tuple[CatalogueModel, ...] = (
    _PRO_25,
    _FLASH_25,
    _model("gemini-2.5-flash-image", 0, 24_576, can_stop=True),
    _LITE_25,
    _model("gemini-3-pro", 128, 32_768, ("low", "high")),
    _model("gemini-3-flash", 128, 32_768, _ALL),
    _model("gemini-3.1-pro", 128, 32_768, _THREE),
    _PRO_31_PREVIEW,
    _model("gemini-3.1-flash-image", 128, 32_768, ("minimal", "high")),
    _model("gemini-3.1-flash-lite", 128, 32_768, _ALL),
    _model("gemini-3-pro-image", 128, 32_768, ("low", "high")),
    *(
        _model(name, context=None, output=None)
        for name in (
            "imagen-4.0-generate-001",
            "imagen-4.0-ultra-generate-001",
            "imagen-4.0-fast-generate-001",
            "imagen-3.0-generate-002",
            "imagen-3.0-fast-generate-001",
        )
    ),
    *_NEWER_FLASH,
)

AISTUDIO_CATALOGUE: tuple[CatalogueModel, ...] = (
    _PRO_25,
    _FLASH_25,
    _LITE_25,
    _model("gemini-3-pro-preview", 128, 32_768),
    _model("gemini-3.1-pro-preview", 128, 32_768),
    _model("gemini-3-flash-preview", 128, 32_768),
    _LITE_31_PREVIEW,
    _model("gemini-pro-latest", 128, 32_768),
    _model("gemini-flash-latest", 0, 24_576, can_stop=True),
    _model("gemini-flash-lite-latest", 512, 24_576, can_stop=True),
    _model("gemini-2.5-flash-image", output=8_192),
    *_NEWER_FLASH,
)

ANTIGRAVITY_CATALOGUE: tuple[CatalogueModel, ...] = tuple(
    _plain_schemas(model)
    for model in (
        _model("claude-opus-4-6-thinking", 1024, 64_000, can_stop=True, context=200_000, output=64_000),
        _model("claude-sonnet-4-6", 1024, 64_000, can_stop=True, context=200_000, output=64_000),
        _model("gemini-3.6-flash-high", 1, 65_535, _ALL),
        _model("gemini-3.7-flash-high", 1, 65_535, _ALL),
        _model("gemini-3-flash", 128, 32_768, _ALL),
        _model("gemini-3-flash-agent", 128, 32_768, _ALL),
        _model("gemini-3.1-flash-image", 128, 32_768, ("minimal", "high"), context=None, output=None),
        _model("gemini-pro-agent", 1, 65_535, _THREE, output=65_535),
        _model("gemini-3.1-pro-low", 1, 65_535, _THREE, output=65_535),
        _model("gpt-oss-120b-medium", context=114_000, output=32_768),
        _model("gemini-3.1-flash-lite", 1, 65_535, _ALL, can_stop=True, output=65_535),
        _model("gemini-3.5-flash-low", 1, 65_535, _THREE, output=65_535),
        _model("gemini-3.5-flash-extra-low", 1, 65_535, _THREE, output=65_535),
    )
)
