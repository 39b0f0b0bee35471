"""An estimate of a request's tokens, from a vocabulary that needs no network."""

from __future__ import annotations

from providers.translation.model import (
    Instruction,
    Media,
    OutputConfig,
    Request,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from providers.translation.token_estimate import count_text, estimate


def turn(*parts):
    return Turn(role=Role.USER, parts=parts)


def test_text_is_counted_with_a_real_vocabulary():
    assert count_text("") == 0
    assert count_text("hello world") == 2
    assert count_text("<|endoftext|>") > 1


def test_everything_that_the_model_reads_counts():
    plain = Request(model="m", turns=(turn(Text(text="Hi")),))
    grown = [
        Request(model="m", turns=plain.turns, instructions=(Instruction(parts=(Text(text="Be brief."),)),)),
        Request(model="m", turns=plain.turns, tools=(Tool(name="f", schema={"type": "object"}),)),
        Request(model="m", turns=(*plain.turns, turn(ToolCall(id="1", name="f", arguments='{"a":1}')))),
        Request(model="m", turns=(*plain.turns, turn(ToolResult(call_id="1", parts=(Text(text="x"),))))),
        Request(model="m", turns=(*plain.turns, turn(ToolResult(call_id="1", value={"a": 1})))),
        Request(model="m", turns=plain.turns, output=OutputConfig(kind="json_schema", schema={"a": 1})),
    ]
    assert all(estimate(request) > estimate(plain) for request in grown)


def test_pictures_and_files_weigh_something():
    def weight(media):
        return estimate(Request(model="m", turns=(turn(media),)))

    assert weight(Media(kind="image", data="x" * 9_000_000)) < 2_000
    assert weight(Media(kind="document", text="hello world")) < 20
    assert weight(Media(kind="document", data="x" * 400_000)) > 10_000
