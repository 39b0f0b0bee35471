"""Structured output on models without ``output_config.format``: one forced tool whose input is the answer.

The client never sees the tool: its input is the text of the answer, and the turn ends as if it had been
written. It stands in only where nothing else is to be called, since a forced tool leaves the model no other,
and where no thinking was asked for, which excludes a forced tool.
"""

from __future__ import annotations

from providers.translation.codec import AnswerContext, Capabilities
from providers.translation.codecs.claude.schema import WRAPPED, tool_schema
from providers.translation.json_text import dumps
from providers.translation.model import Json, Request, Role

NAME = "structured_answer"
_DESCRIPTION = "Gives the answer. Its input is the whole answer, and nothing is said beside it."


def stands_in(request: Request, capabilities: Capabilities) -> bool:
    """Whether the answer to ``request`` is asked for as a call."""
    output, reasoning = request.output, request.reasoning
    thinks = reasoning.mode in ("on", "auto") or reasoning.effort is not None or reasoning.budget is not None
    is_prefilled = bool(request.turns) and request.turns[-1].role is Role.ASSISTANT
    return (
        output.kind == "json_schema"
        and output.schema is not None
        and not capabilities.structured_output
        and not request.tools
        and not is_prefilled
        and (not thinks or capabilities.thinking == "none")
    )


def fields(request: Request) -> dict[str, Json]:
    """``tools`` and ``tool_choice``."""
    output = request.output
    tool = {
        "name": NAME,
        "description": f"{_DESCRIPTION} {output.description}" if output.description else _DESCRIPTION,
        "input_schema": tool_schema(output.schema),
    }
    choice = {"type": "tool", "name": NAME, "disable_parallel_tool_use": True}
    return {"tools": [tool], "tool_choice": choice}


def is_answer(name: Json, context: AnswerContext) -> bool:
    """Whether a call of that name is the answer: the client has no tool that it could be."""
    request = context.request
    return name == NAME and request is not None and request.output.kind == "json_schema" and not request.tools


def is_wrapped(context: AnswerContext) -> bool:
    """Whether the schema was no object's, so that the answer is a property of the input."""
    schema = context.request.output.schema if context.request is not None else None
    given = schema.get("properties") if schema else None
    is_own = isinstance(given, dict) and WRAPPED in given
    return not is_own and tool_schema(schema).get("properties", {}).keys() == {WRAPPED}


def text_of(value: Json, context: AnswerContext) -> str:
    """The answer in the call's input, as text."""
    if is_wrapped(context) and isinstance(value, dict) and value.keys() == {WRAPPED}:
        value = value[WRAPPED]
    return dumps({} if value is None else value)
