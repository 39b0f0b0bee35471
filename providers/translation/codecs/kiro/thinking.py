"""Thinking at Kiro: switched on by tags in the prompt, answered between tags in the text.

The service has no field for it. Undocumented, learnt from other clients: docs/protocols/kiro.md.
"""

from __future__ import annotations

import re

from providers.translation.codecs.kiro.model_ids import ModelId
from providers.translation.model import ReasoningConfig, Request, Text

DEFAULT_LENGTH = 16_000
_SHORTEST, _LONGEST = 1_024, 32_000
_LENGTHS = {"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576, "xhigh": 32_000, "max": 32_000}
_ALREADY = re.compile(r"<thinking_mode>\s*(?:enabled|interleaved)\s*</thinking_mode>")


def is_tagged(request: Request) -> bool:
    """Whether the client's own prompt switches thinking on."""
    parts = [part for instruction in request.instructions for part in instruction.parts]
    parts += [part for turn in request.turns[-1:] for part in turn.parts if isinstance(part, Text)]
    return any(_ALREADY.search(part.text) for part in parts)


def wants_thinking(request: Request, model: ModelId) -> bool:
    mode = request.reasoning.mode
    if mode is not None:
        return mode != "off"
    return model.hints_thinking or is_tagged(request)


def tags(config: ReasoningConfig) -> str:
    """What goes before the prompt."""
    length = config.budget if config.budget and config.budget > 0 else _LENGTHS.get(config.effort or "")
    length = min(max(length or DEFAULT_LENGTH, _SHORTEST), _LONGEST)
    return f"<thinking_mode>enabled</thinking_mode><max_thinking_length>{length}</max_thinking_length>"
