"""Gemini's ``thinkingConfig``, both ways.

Facts: https://ai.google.dev/gemini-api/docs/thinking. A budget (2.5 family) and a level (3.x) exclude each
other: sending both is 400. The numbers behind the effort words have no standard; they follow the
gateways that this one replaces (512, 1024, 8192, 24576, 32768) and the model's own range.
"""

from __future__ import annotations

from providers.translation.codec import Capabilities
from providers.translation.codecs.gemini.fields import Fields
from providers.translation.model import Json, ReasoningConfig

_BUDGETS = {
    "minimal": 512,
    "low": 1024,
    "medium": 8192,
    "high": 24_576,
    "xhigh": 32_768,
    "max": 128_000,
}
_ORDER = tuple(_BUDGETS)

_USUAL_LEVELS = ("minimal", "low", "medium", "high")
"""For a level model whose record lists none."""


def decode_thinking(config: Fields | None) -> ReasoningConfig:
    if config is None:
        return ReasoningConfig()
    budget = config.integer("thinkingBudget")
    level = config.text("thinkingLevel")
    include = config.flag("includeThoughts")
    show = None if include is None else "summary" if include else "none"
    if level and level.upper() != "THINKING_LEVEL_UNSPECIFIED":
        if level.lower() not in _ORDER:
            raise config.refuse("thinkingLevel", "must be one of MINIMAL, LOW, MEDIUM, HIGH, XHIGH")
        return ReasoningConfig(mode="on", effort=level.lower(), show=show)
    if budget is None:
        return ReasoningConfig(show=show)
    if budget < 0:
        return ReasoningConfig(mode="auto", show=show)
    return ReasoningConfig(mode="on" if budget else "off", budget=budget, show=show)


def encode_thinking(wanted: ReasoningConfig, can: Capabilities) -> dict[str, Json] | None:
    """``thinkingConfig``, None when nothing was asked or the model does not think."""
    if can.thinking == "none" or wanted == ReasoningConfig(encrypted=wanted.encrypted):
        return None
    if wanted.mode == "off" or wanted.effort == "none" or wanted.budget == 0:
        return _off(can)
    config = _amount(wanted, can)
    if wanted.show is not None:
        config["includeThoughts"] = wanted.show != "none"
    elif wanted.mode is not None or wanted.budget is not None:
        # Not every format has a switch of its own for it: who turned reasoning on wants to see it.
        config["includeThoughts"] = True
    return config or None


def _amount(wanted: ReasoningConfig, can: Capabilities) -> dict[str, Json]:
    budget = None if wanted.budget is not None and wanted.budget < 0 else wanted.budget
    if wanted.effort is None and budget is None:
        return _auto(can) if wanted.mode == "auto" or wanted.budget is not None else {}
    if can.thinking == "unknown":
        # Nothing is known to check against: the client's own word goes up as it is.
        return {"thinkingBudget": budget} if budget is not None else _level(wanted.effort or "", can)
    if can.thinking == "budget" or (can.thinking == "both" and budget is not None):
        amount = budget if budget is not None else _BUDGETS.get(wanted.effort or "", _BUDGETS["medium"])
        return {"thinkingBudget": _clamped(amount, can)}
    return _level(wanted.effort or _effort_of(budget or 0), can)


def _auto(can: Capabilities) -> dict[str, Json]:
    if can.thinking == "level":
        # A level model chooses for itself when no level is sent.
        return {}
    if can.thinking_dynamic:
        return {"thinkingBudget": -1}
    if can.thinking_min is not None and can.thinking_max is not None:
        return {"thinkingBudget": (can.thinking_min + can.thinking_max) // 2}
    return {}


def _off(can: Capabilities) -> dict[str, Json]:
    if can.thinking == "level" or (can.thinking == "both" and not can.thinking_zero):
        return _level("minimal", can)
    if can.thinking_zero:
        return {"thinkingBudget": 0}
    # 128 is the smallest budget of the models that cannot be turned off (2.5 Pro).
    return {"thinkingBudget": can.thinking_min or 128}


def _level(effort: str, can: Capabilities) -> dict[str, Json]:
    if can.thinking == "unknown":
        return {"thinkingLevel": "HIGH" if effort == "max" else effort.upper()}
    levels = [level for level in can.thinking_levels or _USUAL_LEVELS if level in _ORDER]
    if not levels:
        return {}
    rank = _ORDER.index(effort) if effort in _ORDER else _ORDER.index("medium")
    nearest = min(levels, key=lambda level: (abs(_ORDER.index(level) - rank), -_ORDER.index(level)))
    # The enumeration ends at XHIGH.
    return {"thinkingLevel": "XHIGH" if nearest == "max" else nearest.upper()}


def _effort_of(budget: int) -> str:
    return next((effort for effort in _ORDER[:4] if budget <= _BUDGETS[effort]), "xhigh")


def _clamped(budget: int, can: Capabilities) -> int:
    if can.thinking_max is not None:
        budget = min(budget, can.thinking_max)
    if can.thinking_min is not None:
        budget = max(budget, can.thinking_min)
    return budget
