"""The models that Kiro is known to serve, and the ids under which clients may ask for them: data only.

Source: the catalogue of CLIProxyAPI's kiro channel; what an account really has is asked (``models_request``).
"""

from __future__ import annotations

from collections.abc import Iterator

from providers.adapters.base import CatalogueModel
from providers.translation.codec import Capabilities

WINDOW = 200_000
ABILITIES = Capabilities(
    max_output_tokens=64_000,
    thinking="budget",
    thinking_min=1_024,
    thinking_max=32_000,
)

_NAMES = (
    ("claude-opus-4-6", "Claude Opus 4.6"),
    ("claude-opus-4-5", "Claude Opus 4.5"),
    ("claude-sonnet-4-6", "Claude Sonnet 4.6"),
    ("claude-sonnet-4-5", "Claude Sonnet 4.5"),
    ("claude-sonnet-4", "Claude Sonnet 4"),
    ("claude-haiku-4-5", "Claude Haiku 4.5"),
)
_AMAZON_Q = ("auto", "claude-opus-4.5", "claude-sonnet-4.5", "claude-sonnet-4", "claude-haiku-4.5")

KIRO_MAPPINGS: tuple[tuple[str, str], ...] = (
    ("claude-sonnet-4-6", "kiro-claude-sonnet-4-6"),
    ("claude-sonnet-4-5", "kiro-claude-sonnet-4-5"),
    ("claude-sonnet-4-5-20250929", "kiro-claude-sonnet-4-5"),
    ("claude-sonnet-4", "kiro-claude-sonnet-4"),
    ("claude-sonnet-4-20250514", "kiro-claude-sonnet-4"),
    ("claude-opus-4-6", "kiro-claude-opus-4-6"),
    ("claude-opus-4-5", "kiro-claude-opus-4-5"),
    ("claude-opus-4-5-20251101", "kiro-claude-opus-4-5"),
    ("claude-haiku-4-5", "kiro-claude-haiku-4-5"),
    ("claude-haiku-4-5-20251001", "kiro-claude-haiku-4-5"),
)
"""Ids under which people know the same models elsewhere."""


def described(model_id: str, name: str, window: int = WINDOW) -> CatalogueModel:
    return CatalogueModel(
        id=model_id,
        display_name=name,
        context_length=window,
        max_output_tokens=ABILITIES.max_output_tokens,
        owned_by="aws",
    )


def _catalogue() -> Iterator[CatalogueModel]:
    yield described("kiro-auto", "Kiro Auto")
    for model_id, name in _NAMES:
        yield described(f"kiro-{model_id}", f"Kiro {name}")
    for model_id, name in _NAMES:
        yield described(f"kiro-{model_id}-agentic", f"Kiro {name}, writing in pieces")
    for model_id in _AMAZON_Q:
        yield described(f"amazonq-{model_id}", f"Amazon Q {model_id}")
    names = dict(_NAMES)
    for route, upstream in KIRO_MAPPINGS:
        yield described(route, names[upstream.removeprefix("kiro-")])


KIRO_CATALOGUE = tuple(_catalogue())
