"""The models that GitHub Copilot is known to serve: data only. Source: CLIProxyAPI's github-copilot channel.

What a seat really has is asked (``models_request``); this stands in until that was answered.
"""

from __future__ import annotations

from providers.adapters.base import CatalogueModel
from providers.adapters.openai import OPENAI_FAMILIES
from providers.translation.codec import Capabilities

_KNOWN = (
    (("gpt-4.1", "gpt-5-mini", "gpt-5.1-codex-mini", "grok-code-fast-1", "raptor-mini"), 128_000, 16_384),
    (("gpt-5", "gpt-5-codex", "gpt-5.1", "gpt-5.1-codex"), 200_000, 32_768),
    (
        ("claude-haiku-4.5", "claude-opus-4.5", "claude-opus-4.6", "claude-sonnet-4", "claude-sonnet-4.5"),
        200_000,
        64_000,
    ),
    (("claude-sonnet-4.6",), 200_000, 64_000),
    (("claude-opus-4.1",), 200_000, 32_000),
    (("gemini-2.5-pro", "gemini-3-pro"), 1_048_576, 65_536),
)

_FORKED = (
    "claude-haiku-4.5",
    "claude-opus-4.1",
    "claude-opus-4.5",
    "claude-opus-4.6",
    "claude-sonnet-4.5",
    "claude-sonnet-4.6",
)

COPILOT_MAPPINGS: tuple[tuple[str, str], ...] = tuple(
    (model_id.replace(".", "-"), model_id) for model_id in _FORKED
)
"""Ids as Anthropic spells them."""

_PLAIN = Capabilities(legacy_max_tokens=True, developer_role=False, thinking="none")
"""Of models of other vendors than OpenAI: whether they take ``reasoning_effort`` is unconfirmed."""

COPILOT_FAMILIES: tuple[tuple[str, Capabilities], ...] = (
    *((pattern, abilities) for pattern, abilities in OPENAI_FAMILIES),
    (r"", _PLAIN),
)


def _catalogue() -> tuple[CatalogueModel, ...]:
    found: dict[str, CatalogueModel] = {}
    for ids, window, output in _KNOWN:
        for model_id in ids:
            found[model_id] = CatalogueModel(
                id=model_id, context_length=window, max_output_tokens=output, owned_by="github-copilot"
            )
    for route, upstream in COPILOT_MAPPINGS:
        model = found[upstream]
        found[route] = CatalogueModel(
            id=route,
            context_length=model.context_length,
            max_output_tokens=model.max_output_tokens,
            owned_by=model.owned_by,
        )
    return tuple(found.values())


COPILOT_CATALOGUE = _catalogue()
