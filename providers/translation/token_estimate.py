"""How many tokens a request has, roughly, for upstreams that cannot count.

Texts are counted with OpenAI's newest public vocabulary (``o200k_base``), which the tokenizer's wheel brings
along: no network. Other vendors' tokenizers differ by 10 to 30 %, so every answer built on this says that
it is an estimate. Overheads per message and tool follow OpenAI's cookbook ("How to count tokens").
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from providers.translation.json_text import dumps
from providers.translation.model import (
    Media,
    Part,
    Reasoning,
    RefusalText,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Unknown,
)

_PER_TURN = 4
_PER_REQUEST = 3
_PER_TOOL = 8
_PER_IMAGE = 1_100
"""A picture of about one megapixel: 765 at OpenAI, 1,398 at Anthropic, 1,290 at Google."""
_BYTES_PER_TOKEN_OF_FILE = 20
"""A PDF page has some 1,500 to 3,000 tokens and 30 to 60 KB. Our guess."""


@cache
def _vocabulary() -> Any:
    """Imported and loaded on first need: 0.4 s and some 100 MB that most gateways never pay."""
    with warnings.catch_warnings():
        # It opens its data in a way that Python 3.11 calls outdated and 3.13 took back into favour.
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module("bpe_openai").get_encoding("o200k_base")


def count_text(text: str) -> int:
    return len(_vocabulary().encode_ordinary(text)) if text else 0


def estimate(request: Request) -> int:
    """Input tokens of ``request``."""
    total = _PER_REQUEST
    for instruction in request.instructions:
        total += _PER_TURN + _parts(instruction.parts)
    for turn in request.turns:
        total += _PER_TURN + _parts(turn.parts)
    total += sum(_PER_TOOL + count_text(_tool_text(tool)) for tool in request.tools)
    if request.output.schema is not None:
        total += count_text(dumps(request.output.schema))
    return total


def _tool_text(tool: Tool) -> str:
    schema = dumps(tool.schema) if tool.schema is not None else ""
    return "\n".join((tool.name, tool.description or "", schema))


def _parts(parts: Iterable[Part]) -> int:
    total = 0
    for part in parts:
        if isinstance(part, Media):
            total += _media(part)
        elif isinstance(part, ToolResult) and part.parts:
            total += _parts(part.parts)
        else:
            total += sum(count_text(text) for text in _texts(part))
    return total


def _texts(part: Part) -> Iterator[str]:
    match part:
        case Text() | RefusalText() | Reasoning():
            yield part.text
        case ToolCall():
            yield part.name
            yield part.arguments
        case ToolResult() if part.value is not None:
            yield dumps(part.value)
        case Unknown():
            yield dumps(part.raw)


def _media(media: Media) -> int:
    if media.text is not None:
        return count_text(media.text)
    if media.kind == "image":
        return _PER_IMAGE
    if media.data is not None:
        return len(media.data) * 3 // 4 // _BYTES_PER_TOKEN_OF_FILE
    return _PER_IMAGE
