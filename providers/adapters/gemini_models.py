"""The models of the Gemini API and what each family can do: data only.

Sources: https://ai.google.dev/gemini-api/docs/models, /thinking, /thought-signatures.
"""

from __future__ import annotations

from providers.adapters.base import CatalogueModel
from providers.translation.codec import Capabilities

_OUTPUT = 65_536


def _thinks(
    low: int,
    high: int,
    levels: tuple[str, ...] = (),
    *,
    can_stop: bool = False,
    signed: bool = False,
    images: bool = False,
) -> Capabilities:
    return Capabilities(
        max_output_tokens=_OUTPUT,
        thinking="both" if levels else "budget",
        thinking_min=low,
        thinking_max=high,
        thinking_zero=can_stop,
        thinking_levels=levels,
        signatures_required=signed,
        media_in_results=signed,
        image_output=images,
    )


def _plain(max_output_tokens: int) -> Capabilities:
    return Capabilities(
        max_output_tokens=max_output_tokens, thinking="none", json_schema_native=False, image_output=False
    )


_ALL = ("minimal", "low", "medium", "high")

GEMINI_FAMILIES: tuple[tuple[str, Capabilities], ...] = (
    (r"gemini-3-pro-image", _thinks(128, 32_768, ("low", "high"), signed=True, images=True)),
    (r"gemini-3\.1-flash.*image", _thinks(128, 32_768, ("minimal", "high"), signed=True, images=True)),
    (r"gemini-2\.0.*image", Capabilities(max_output_tokens=8_192, thinking="none", json_schema_native=False)),
    (r"gemini-3-pro", _thinks(128, 32_768, ("low", "high"), signed=True)),
    (r"gemini-3\.1-pro", _thinks(128, 32_768, ("low", "medium", "high"), signed=True)),
    (r"gemini-3\.1-flash", _thinks(128, 32_768, ("minimal", "high"), signed=True)),
    (r"gemini-3\.7", _thinks(128, 65_535, _ALL, signed=True)),
    (r"gemini-[3-9]", _thinks(128, 32_768, _ALL, signed=True)),
    (r"gemini-2\.5-flash-image", Capabilities(max_output_tokens=32_768, thinking="none")),
    (r"gemini-2\.5-pro", _thinks(128, 32_768)),
    (r"gemini-2\.5-flash", _thinks(0, 24_576, can_stop=True)),
    (r"gemini-2\.0", _plain(8_192)),
    (r"gemini-1\.5", _plain(8_192)),
    (r"gemini-1\.0|gemini-pro", _plain(2_048)),
)
"""Regular expressions over the model id, searched in this order."""

GEMINI_MAPPINGS: tuple[tuple[str, str], ...] = (("gemini-1.5-pro", "gemini-1.5-pro-preview-0514"),)

_IDS: tuple[tuple[str, str, int], ...] = (
    ("gemini-3.7-flash", "Gemini 3.7 Flash", 1_048_576),
    ("gemini-3.6-flash", "Gemini 3.6 Flash", 1_048_576),
    ("gemini-3.5-flash", "Gemini 3.5 Flash", 1_048_576),
    ("gemini-3.5-flash-lite", "Gemini 3.5 Flash-Lite", 1_048_576),
    ("gemini-3.1-pro-preview", "Gemini 3.1 Pro preview", 1_048_576),
    ("gemini-3.1-flash-lite-preview", "Gemini 3.1 Flash-Lite preview", 1_048_576),
    ("gemini-3.1-flash-image-preview", "Gemini 3.1 Flash Image preview", 1_048_576),
    ("gemini-3-pro-preview", "Gemini 3 Pro preview", 1_048_576),
    ("gemini-3-pro-image-preview", "Gemini 3 Pro Image preview", 1_048_576),
    ("gemini-3-flash-preview", "Gemini 3 Flash preview", 1_048_576),
    ("gemini-2.5-pro", "Gemini 2.5 Pro", 1_048_576),
    ("gemini-2.5-flash", "Gemini 2.5 Flash", 1_048_576),
    ("gemini-2.5-flash-lite", "Gemini 2.5 Flash-Lite", 1_048_576),
    ("gemini-2.0-flash", "Gemini 2.0 Flash", 1_048_576),
    ("gemini-1.5-pro", "Gemini 1.5 Pro", 1_048_576),
    ("gemini-1.5-flash", "Gemini 1.5 Flash", 1_048_576),
    ("gemini-1.0-pro", "Gemini 1.0 Pro", 32_768),
    ("gemini-embedding-001", "Gemini Embedding", 2_048),
)

GEMINI_CATALOGUE: tuple[CatalogueModel, ...] = tuple(
    CatalogueModel(id=model_id, display_name=name, context_length=context, owned_by="google")
    for model_id, name, context in _IDS
)
