"""What a model can do at one provider: the adapter's word, changed by what the operator says. Pure."""

from __future__ import annotations

import functools

import msgspec

from providers.adapters.base import Adapter
from providers.translation.codec import Capabilities
from providers.values import Features, Thinking


def abilities_of(adapter: Adapter, model: str, features: Features | None) -> Capabilities:
    """Capabilities of the upstream model ``model``; ``features`` are those of the candidate."""
    known = _known(adapter, model)
    if features is None:
        return known
    if features.thinking is not None:
        known = _thinking_as(known, features.thinking)
    if features.is_compat:
        known = msgspec.structs.replace(known, keeps_unsigned_thinking=True)
    return known


@functools.lru_cache(maxsize=4096)
def _known(adapter: Adapter, model: str) -> Capabilities:
    """Found by regular expressions, one after the other, and asked for by every request."""
    return adapter.capabilities(model)


def _thinking_as(known: Capabilities, said: Thinking) -> Capabilities:
    has_budget = said.min is not None or said.max is not None
    kind = ("both" if has_budget else "level") if said.levels else ("budget" if has_budget else "none")
    return msgspec.structs.replace(
        known,
        thinking=kind,
        thinking_min=said.min,
        thinking_max=said.max,
        thinking_zero=said.zero_allowed,
        thinking_dynamic=said.dynamic_allowed,
        thinking_levels=said.levels,
    )
