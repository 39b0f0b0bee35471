"""How hard the model shall think and what of it is shown: ``reasoning{effort, summary}``.

A summary is sent only when asked for; a client of another format that switches thinking on expects to see
it. Encrypted state is asked for whenever reasoning is in use, because it is how a stateless conversation
carries it. Numbers per effort: docs/protocols/responses.md#reasoning.
"""

from __future__ import annotations

from providers.translation.codec import Capabilities
from providers.translation.codecs.openai.efforts import EFFORTS, nearest
from providers.translation.codecs.openai.fields import optional_object, optional_string, unsupported
from providers.translation.model import Json, ReasoningConfig
from providers.values import Format

Block = dict[str, Json]

SUMMARIES = ("auto", "concise", "detailed")
ENCRYPTED = "reasoning.encrypted_content"

_TYPED_KEYS = frozenset({"effort", "summary", "generate_summary"})
_BUDGETS = ((0, "none"), (512, "minimal"), (1024, "low"), (8192, "medium"), (24_576, "high"))


def decode_reasoning(body: Block, include: list[str]) -> tuple[ReasoningConfig, Block]:
    """The neutral setting, and the raw rest that only OpenAI understands."""
    encrypted = ENCRYPTED in include
    raw = optional_object(body, "reasoning")
    if not raw:
        return ReasoningConfig(encrypted=encrypted), {}
    effort = optional_string(raw, "effort", "reasoning.")
    if effort is not None and effort not in EFFORTS:
        raise unsupported("reasoning.effort", effort, EFFORTS)
    summary = optional_string(raw, "summary", "reasoning.")
    summary = summary or optional_string(raw, "generate_summary", "reasoning.")
    if summary is not None and summary not in (*SUMMARIES, "none"):
        raise unsupported("reasoning.summary", summary, SUMMARIES)
    rest = {key: value for key, value in raw.items() if key not in _TYPED_KEYS and value is not None}
    if summary in ("concise", "detailed"):
        rest["summary"] = summary
    if effort == "none":
        return ReasoningConfig(mode="off", encrypted=encrypted), rest
    shown = summary if summary != "none" else None
    if effort is None and shown is None:
        return ReasoningConfig(encrypted=encrypted), rest
    config = ReasoningConfig(
        mode="on" if effort is not None else "auto",
        effort=effort,
        show="none" if shown is None else "summary",
        encrypted=encrypted,
    )
    return config, rest


def encode_reasoning(
    config: ReasoningConfig, rest: Block, capabilities: Capabilities, dropped: list[str]
) -> tuple[Block, bool]:
    """``reasoning`` (empty: leave it out), and whether encrypted state shall be included."""
    if capabilities.thinking == "none":
        if config.mode not in (None, "off") or config.effort is not None or config.budget is not None:
            dropped.append("reasoning")
        return {}, False
    effort = effort_of(config, capabilities.thinking_levels)
    block: Block = {}
    if effort is not None:
        block["effort"] = effort
    is_used = config.mode in ("on", "auto") or effort not in (None, "none")
    shows = config.show in ("summary", "full") or (config.show is None and config.mode in ("on", "auto"))
    if shows and config.mode != "off":
        block["summary"] = "auto"
    block.update(rest)
    return block, is_used or config.encrypted


def effort_of(config: ReasoningConfig, levels: tuple[str, ...]) -> str | None:
    """One of the published efforts, the nearest that the model lists; None lets the model decide."""
    if config.mode == "off":
        wanted: str | None = "none"
    elif config.effort is not None:
        wanted = config.effort
    else:
        wanted = _effort_of_budget(config.budget, levels)
    return None if wanted is None else nearest(wanted, levels)


def _effort_of_budget(budget: int | None, levels: tuple[str, ...]) -> str | None:
    if budget is None or budget < 0:
        return None
    for ceiling, effort in _BUDGETS:
        if budget <= ceiling:
            return effort
    # Only where the model is known to have it: elsewhere it would be refused.
    return "xhigh" if "xhigh" in levels else "high"


def echo_reasoning(config: ReasoningConfig, ext: dict[Format, Block]) -> Block:
    """``reasoning`` of an answer: what the client asked for, both keys always."""
    rest = ext.get(Format.RESPONSES, {}).get("reasoning")
    summary = rest.get("summary") if isinstance(rest, dict) else None
    if summary is None and config.show == "summary":
        summary = "auto"
    return {"effort": effort_of(config, ()), "summary": summary}
