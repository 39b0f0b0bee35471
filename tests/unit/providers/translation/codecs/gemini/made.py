"""Small makers for the tests of the gemini codec."""

from providers.translation.codec import AnswerContext, Capabilities
from providers.translation.model import Request, Role, Text, ToolCall, ToolResult, Turn
from providers.translation.names import IDENTITY

GEMINI_3 = Capabilities(thinking="both", signatures_required=True, thinking_levels=("low", "high"))
PLAIN = Capabilities()


def context(**changes):
    values = {"model": "fast", "now": 1_700_000_000, "seed": "5eed", "names": IDENTITY}
    return AnswerContext(**{**values, **changes})


def user(*parts):
    return Turn(
        role=Role.USER, parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts)
    )


def model(*parts):
    return Turn(
        role=Role.ASSISTANT, parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts)
    )


def call(id="c1", name="look", arguments='{"at":"sky"}', **fields):
    return ToolCall(id=id, name=name, arguments=arguments, **fields)


def result(call_id="c1", text="blue", name="look", **fields):
    return ToolResult(call_id=call_id, name=name, parts=(Text(text=text),) if text else (), **fields)


def request(*turns, **fields):
    return Request(model="fast", turns=turns or (user("Hi"),), include_usage=True, **fields)
