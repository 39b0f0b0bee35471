"""How hard the model shall think: ``thinking`` and ``output_config.effort``.

Three generations of models: none, a token budget (``enabled``), effort levels (``adaptive``). Facts on
what excludes what: https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking (read 2025),
numbers per effort: docs/protocols/claude.md#reasoning.
"""

from __future__ import annotations

import msgspec

from providers.translation.codec import Capabilities
from providers.translation.codecs.claude.encode_blocks import Encoding
from providers.translation.model import Json, ReasoningConfig, Request

_MIN_BUDGET = 1024
"""The API's lower bound for ``budget_tokens``."""
_ANSWER_RESERVE = 4096
"""Left for the answer when the client set no limit of its own. Our choice."""

_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 32_768, "max": 128_000}
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_DISPLAY = {"none": "omitted", "summary": "summarized", "full": "summarized"}


class Thinking(msgspec.Struct, frozen=True, kw_only=True):
    """The three fields that thinking decides; None leaves ``thinking`` or ``effort`` out."""

    max_tokens: int
    thinking: dict[str, Json] | None = None
    effort: str | None = None

    @property
    def is_on(self) -> bool:
        return self.thinking is not None and self.thinking["type"] != "disabled"


def encode_reasoning(
    request: Request,
    capabilities: Capabilities,
    messages: list[dict[str, Json]],
    *,
    is_forced: bool,
    encoding: Encoding,
) -> Thinking:
    """Thinking as the model takes it. What excludes it wins over it, and the loss is reported.

    A forced tool choice excludes thinking; a budget is also excluded by a prefill and by a tool loop whose
    assistant turn has no thinking block (its reasoning came from elsewhere).
    """
    config = request.reasoning
    limit = request.max_output_tokens
    if limit is None:
        limit = capabilities.max_output_tokens or capabilities.default_max_tokens
    plain = Thinking(max_tokens=limit)
    if config.mode is None and config.effort is None and config.budget is None:
        return plain
    if capabilities.thinking == "none":
        if config.mode != "off":
            encoding.drop("reasoning")
        return plain
    if config.mode == "off":
        can_be_off = capabilities.thinking != "unknown" and capabilities.thinking_zero
        return msgspec.structs.replace(plain, thinking={"type": "disabled"} if can_be_off else None)
    if is_forced:
        encoding.drop("reasoning")
        return plain
    if _wants_adaptive(config, capabilities):
        return _adaptive(config, capabilities, plain)
    # Effort without thinking needs a model that knows efforts.
    impossible = config.mode is None and config.budget is None
    thinking = None if impossible or _excludes_budget(messages) else _budgeted(request, capabilities, plain)
    if thinking is None:
        encoding.drop("reasoning")
    return thinking or plain


def _wants_adaptive(config: ReasoningConfig, capabilities: Capabilities) -> bool:
    if capabilities.adaptive_thinking or capabilities.thinking == "level":
        return True
    if capabilities.thinking == "budget":
        return False
    return config.budget is None


def _adaptive(config: ReasoningConfig, capabilities: Capabilities, plain: Thinking) -> Thinking:
    effort = config.effort
    if effort is None and config.budget is not None and config.budget > 0:
        effort = _effort_of(config.budget)
    effort = _supported(effort, capabilities.thinking_levels) if effort else None
    if config.mode is None and config.budget is None:
        # Effort alone is a request of its own in this format: it does not switch thinking on.
        return msgspec.structs.replace(plain, effort=effort)
    thinking: dict[str, Json] = {"type": "adaptive"}
    # Newer models hide thinking unless asked; a client that asks for effort expects to see it.
    shown = config.show or ("summary" if config.mode == "on" else None)
    if shown in _DISPLAY:
        thinking["display"] = _DISPLAY[shown]
    return msgspec.structs.replace(plain, thinking=thinking, effort=effort)


def _budgeted(request: Request, capabilities: Capabilities, plain: Thinking) -> Thinking | None:
    """A manual budget that fits under ``max_tokens``; None when less than the minimum would remain.

    ``max_tokens`` grows by the budget as far as the model allows, so that the answer keeps its share.
    """
    config = request.reasoning
    ceiling = capabilities.max_output_tokens
    budget = config.budget if config.budget and config.budget > 0 else _BUDGETS.get(config.effort or "", 8192)
    budget = max(budget, capabilities.thinking_min or _MIN_BUDGET, _MIN_BUDGET)
    if capabilities.thinking_max is not None:
        budget = min(budget, capabilities.thinking_max)
    limit = plain.max_tokens
    if budget >= limit:
        answer = limit if request.max_output_tokens is not None else _ANSWER_RESERVE
        limit = max(limit, min(budget + answer, ceiling) if ceiling else budget + answer)
        budget = min(budget, limit - answer)
    if budget < _MIN_BUDGET:
        return None
    thinking: dict[str, Json] = {"type": "enabled", "budget_tokens": budget}
    if config.show in _DISPLAY:
        thinking["display"] = _DISPLAY[config.show]
    return Thinking(max_tokens=limit, thinking=thinking)


def _excludes_budget(messages: list[dict[str, Json]]) -> bool:
    if messages[-1]["role"] == "assistant":
        return True
    in_loop = messages[-1]["content"][0].get("type") == "tool_result"
    if not in_loop or len(messages) < 2:
        return False
    first = messages[-2]["content"][0].get("type")
    return first not in ("thinking", "redacted_thinking")


def _effort_of(budget: int) -> str:
    return next((effort for effort in ("low", "medium", "high") if budget <= _BUDGETS[effort]), "xhigh")


def _supported(effort: str, levels: tuple[str, ...]) -> str:
    """The nearest level that the model lists, the lower of two; all levels when it lists none."""
    effort = "low" if effort == "minimal" else effort
    listed = [level for level in _EFFORTS if level in levels]
    if effort not in _EFFORTS or not listed or effort in listed:
        return effort
    wanted = _EFFORTS.index(effort)
    return min(listed, key=lambda level: (abs(_EFFORTS.index(level) - wanted), _EFFORTS.index(level)))
