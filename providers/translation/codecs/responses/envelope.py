"""The ``response`` object around an answer's output: id, times, and the echo of the request.

The published type requires ``tools``, ``tool_choice`` and ``parallel_tool_calls``; the service echoes most
other parameters too, and clients read them back.
"""

from __future__ import annotations

from providers.translation.codec import AnswerContext, Capabilities
from providers.translation.codecs.responses.ids import response_id
from providers.translation.codecs.responses.reasoning import echo_reasoning
from providers.translation.codecs.responses.request import encode_text
from providers.translation.codecs.responses.tools import encode_tools
from providers.translation.model import Json, Request
from providers.translation.names import IDENTITY
from providers.values import Format

Block = dict[str, Json]


def envelope(
    context: AnswerContext, *, upstream_id: str | None, created: int | None, service_tier: str | None
) -> Block:
    """A response without output, in progress."""
    request = context.request
    own = request.ext.get(Format.RESPONSES, {}) if request is not None else {}
    block: Block = {
        "id": response_id(upstream_id, context),
        "object": "response",
        "created_at": created or context.now,
        "status": "in_progress",
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": own.get("max_tool_calls"),
        "model": context.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": own.get("previous_response_id"),
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": own.get("safety_identifier"),
        "service_tier": service_tier or "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": own.get("truncation", "disabled"),
        "usage": None,
        "user": own.get("user"),
        "metadata": {},
    }
    if request is not None:
        block.update(_echo(request, own, service_tier))
    block.update(context.echo)
    return block


def _echo(request: Request, own: Block, service_tier: str | None) -> Block:
    tools = encode_tools(request, IDENTITY, [])
    values: Block = {
        "instructions": _instructions(request),
        "max_output_tokens": request.max_output_tokens,
        "parallel_tool_calls": request.parallel,
        "prompt_cache_key": request.cache_key,
        "reasoning": echo_reasoning(request.reasoning, request.ext),
        "service_tier": service_tier or _tier(request.service_tier),
        "store": request.store,
        "temperature": request.sampling.temperature,
        "text": {"format": {"type": "text"}, **encode_text(request.output, Capabilities(), [])},
        "tool_choice": tools.get("tool_choice"),
        "tools": tools.get("tools"),
        "top_logprobs": request.top_logprobs,
        "top_p": request.sampling.top_p,
        "user": request.user if "safety_identifier" not in own else None,
        "metadata": request.metadata,
    }
    return {key: value for key, value in values.items() if value is not None}


def _tier(asked: str | None) -> str | None:
    """``auto`` is a wish, not a tier; an answer names the tier that served."""
    return None if asked == "auto" else asked


def _instructions(request: Request) -> str | None:
    first = request.instructions[0] if request.instructions else None
    if first is None or first.position or first.role != "system":
        return None
    return "\n".join(part.text for part in first.parts)
