"""What a model is called in a request, and what the endings of its offered id ask for.

Kiro is known to clients by ids such as ``kiro-claude-sonnet-4-5-agentic``; the service calls the model
``claude-sonnet-4.5``. An id that follows no known pattern goes up as it is: the service knows best.
"""

from __future__ import annotations

import re

import msgspec

_PREFIXES = ("kiro-", "amazonq-")
_AGENTIC, _CHAT = "-agentic", "-chat"
_DATE = re.compile(r"-20\d{6}$")
_DASHED_VERSION = re.compile(r"(?<=\d)-(?=\d{1,2}$)")
_OLDER = {"claude-3-7-sonnet": "claude-3-7-sonnet-20250219"}
"""The one generation whose ids the service spells as Anthropic does."""
_THINKING = re.compile(r"thinking|-reason")


class ModelId(msgspec.Struct, frozen=True, kw_only=True):
    """``id`` is the service's own; the rest is what the offered id asked for."""

    id: str
    is_agentic: bool = False
    """Large files shall be written in pieces."""
    without_tools: bool = False
    hints_thinking: bool = False


def model_id(offered: str) -> ModelId:
    name = offered
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    is_agentic, without_tools = name.endswith(_AGENTIC), name.endswith(_CHAT)
    name = name.removesuffix(_AGENTIC).removesuffix(_CHAT)
    hints_thinking = _THINKING.search(offered) is not None
    name = name.removesuffix("-thinking")
    undated = _DATE.sub("", name)
    return ModelId(
        id=_OLDER.get(undated) or _DASHED_VERSION.sub(".", undated),
        is_agentic=is_agentic,
        without_tools=without_tools,
        hints_thinking=hints_thinking,
    )
