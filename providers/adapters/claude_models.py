"""The models of Anthropic's API and what each family can do: data only.

Sources: https://docs.anthropic.com/en/docs/about-claude/models/overview,
/build-with-claude/extended-thinking, /build-with-claude/adaptive-thinking, /build-with-claude/effort.
"""

from __future__ import annotations

from providers.adapters.base import CatalogueModel
from providers.translation.codec import Capabilities

_MAX_BUDGET = 128_000
_OLD = Capabilities(thinking="none", structured_output=False, max_output_tokens=8_192)


def _budget(max_output_tokens: int, *, structured: bool = True, both_samplings: bool = False) -> Capabilities:
    """Families that think by token budget alone."""
    return Capabilities(
        max_output_tokens=max_output_tokens,
        thinking="budget",
        thinking_min=1_024,
        thinking_max=_MAX_BUDGET,
        thinking_dynamic=False,
        structured_output=structured,
        accepts_temperature_with_top_p=both_samplings,
    )


def _by_effort(
    levels: tuple[str, ...],
    max_output_tokens: int,
    *,
    budget: bool = True,
    adaptive: bool = False,
    mid_system: bool = False,
) -> Capabilities:
    """Families with ``output_config.effort``. From 4.7 on a budget and sampling fields are refused."""
    return Capabilities(
        max_output_tokens=max_output_tokens,
        thinking="both" if budget else "level",
        thinking_min=1_024 if budget else None,
        thinking_max=_MAX_BUDGET if budget else None,
        thinking_levels=levels,
        adaptive_thinking=adaptive,
        accepts_sampling=not adaptive,
        accepts_temperature_with_top_p=False,
        mid_system=mid_system,
    )


_FOUR = ("low", "medium", "high", "max")
_FIVE = ("low", "medium", "high", "xhigh", "max")

CLAUDE_FAMILIES: tuple[tuple[str, Capabilities], ...] = (
    (r"claude-(opus|sonnet)-5", _by_effort(_FIVE, 128_000, budget=False, adaptive=True, mid_system=True)),
    (r"claude-fable-5", _by_effort(_FIVE, 128_000, adaptive=True, mid_system=True)),
    (r"claude-opus-4[-.]8", _by_effort(_FIVE, 128_000, adaptive=True, mid_system=True)),
    (r"claude-opus-4[-.]7", _by_effort(_FIVE, 128_000, adaptive=True)),
    (r"claude-opus-4[-.]6", _by_effort(_FOUR, 128_000)),
    (r"claude-sonnet-4[-.]6", _by_effort(_FOUR, 64_000)),
    (r"claude-(opus|sonnet|haiku)-4[-.]5", _budget(64_000)),
    (r"claude-opus-4[-.]1", _budget(32_000)),
    (r"claude-opus-4", _budget(32_000, structured=False, both_samplings=True)),
    (r"claude-sonnet-4", _budget(64_000, structured=False, both_samplings=True)),
    (r"claude-3[-.]7-sonnet", _budget(8_192, structured=False, both_samplings=True)),
    (r"claude-3[-.]5-", _OLD),
    (
        r"claude-3-|claude-2|claude-instant",
        Capabilities(thinking="none", structured_output=False, max_output_tokens=4_096),
    ),
)
"""Regular expressions over the model id, searched in this order; a date at the end does not matter."""

CLAUDE_MAPPINGS: tuple[tuple[str, str], ...] = (
    ("claude-3-5-sonnet", "claude-3-5-sonnet-20241022"),
    ("claude-3-5-haiku", "claude-3-5-haiku-20241022"),
    ("claude-3-opus", "claude-3-opus-20240229"),
    ("claude-3-7-sonnet", "claude-3-7-sonnet-20250219"),
)

CLAUDE_IDS: tuple[tuple[str, str, int], ...] = (
    ("claude-opus-5", "Claude Opus 5", 1_000_000),
    ("claude-sonnet-5", "Claude Sonnet 5", 1_000_000),
    ("claude-fable-5", "Claude Fable 5", 1_000_000),
    ("claude-opus-4-8", "Claude Opus 4.8", 1_000_000),
    ("claude-opus-4-7", "Claude Opus 4.7", 1_000_000),
    ("claude-opus-4-6", "Claude Opus 4.6", 1_000_000),
    ("claude-sonnet-4-6", "Claude Sonnet 4.6", 200_000),
    ("claude-opus-4-5", "Claude Opus 4.5", 200_000),
    ("claude-opus-4-5-20251101", "Claude Opus 4.5", 200_000),
    ("claude-sonnet-4-5", "Claude Sonnet 4.5", 200_000),
    ("claude-sonnet-4-5-20250929", "Claude Sonnet 4.5", 200_000),
    ("claude-haiku-4-5", "Claude Haiku 4.5", 200_000),
    ("claude-haiku-4-5-20251001", "Claude Haiku 4.5", 200_000),
    ("claude-opus-4-1-20250805", "Claude Opus 4.1", 200_000),
    ("claude-opus-4-20250514", "Claude Opus 4", 200_000),
    ("claude-sonnet-4-20250514", "Claude Sonnet 4", 200_000),
    ("claude-3-7-sonnet", "Claude Sonnet 3.7", 200_000),
    ("claude-3-7-sonnet-20250219", "Claude Sonnet 3.7", 200_000),
    ("claude-3-5-sonnet", "Claude Sonnet 3.5", 200_000),
    ("claude-3-5-sonnet-20241022", "Claude Sonnet 3.5", 200_000),
    ("claude-3-5-haiku", "Claude Haiku 3.5", 200_000),
    ("claude-3-5-haiku-20241022", "Claude Haiku 3.5", 200_000),
    ("claude-3-opus", "Claude Opus 3", 200_000),
    ("claude-3-opus-20240229", "Claude Opus 3", 200_000),
)


def catalogue_of(ids: tuple[tuple[str, str, int], ...]) -> tuple[CatalogueModel, ...]:
    """Catalogue entries without capabilities of their own: those come from the family."""
    return tuple(
        CatalogueModel(id=model_id, display_name=name, context_length=context, owned_by="anthropic")
        for model_id, name, context in ids
    )
