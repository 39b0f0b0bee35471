"""What the operator says of a model goes before what its adapter knows."""

from __future__ import annotations

import pytest

from providers.adapters.abilities import abilities_of
from providers.adapters.registry import adapter_for
from providers.translation.codecs.claude.codec import CODEC
from providers.translation.model import Reasoning, Request, Role, Text, Turn
from providers.values import Features, Thinking

CLAUDE = adapter_for("claude")


def test_nothing_said_is_the_adapters_word():
    known = CLAUDE.capabilities("claude-sonnet-4-6")
    assert abilities_of(CLAUDE, "claude-sonnet-4-6", None) is known
    assert abilities_of(CLAUDE, "claude-sonnet-4-6", Features(streaming=False)) == known


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (Thinking(min=1, max=9), "budget"),
        (Thinking(levels=("low",)), "level"),
        (Thinking(max=9, levels=("low",)), "both"),
        (Thinking(), "none"),
    ],
)
def test_thinking_is_as_the_operator_says(said, kind):
    found = abilities_of(CLAUDE, "claude-sonnet-4-6", Features(thinking=said))
    assert (found.thinking, found.thinking_levels, found.thinking_max) == (kind, said.levels, said.max)
    assert (found.thinking_zero, found.thinking_dynamic) == (False, False)


@pytest.mark.parametrize("is_compat", [True, False])
def test_a_look_alike_gets_unsigned_thinking_back(is_compat):
    turns = (
        Turn(role=Role.USER, parts=(Text(text="a"),)),
        Turn(role=Role.ASSISTANT, parts=(Reasoning(text="hm"), Text(text="b"))),
        Turn(role=Role.USER, parts=(Text(text="c"),)),
    )
    abilities = abilities_of(CLAUDE, "m", Features(is_compat=is_compat))
    body = CODEC.encode_request(Request(model="m", turns=turns), "m", abilities).body
    kinds = [block["type"] for block in body["messages"][1]["content"]]
    assert kinds == (["thinking", "text"] if is_compat else ["text"])
