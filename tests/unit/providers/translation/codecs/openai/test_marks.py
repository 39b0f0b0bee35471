from __future__ import annotations

import pytest

from providers.adapters.registry import adapter_for
from providers.translation.codec import Capabilities
from providers.translation.model import CacheMark, Instruction, Media, Request, Role, Text, Turn
from providers.translation.registry import CODECS
from providers.values import Format

MARK = {"prompt_cache_breakpoint": {"mode": "explicit"}}
NEW, OLD = Capabilities(cache_breakpoints=True), Capabilities()
BOTH = pytest.mark.parametrize("target", [Format.OPENAI, Format.RESPONSES])


def encode(target, *parts, can=NEW, notes=()):
    instructions = (Instruction(parts=notes),) if notes else ()
    turns = (Turn(role=Role.USER, parts=parts),)
    return CODECS[target].encode_request(
        Request(model="m", turns=turns, instructions=instructions), "up", can
    )


def parts_of(encoded):
    """Content parts of the last message of either format."""
    body = encoded.body
    return (body.get("messages") or body["input"])[-1]["content"]


def marked(text):
    return Text(text=text, cache=CacheMark("1h"))


@BOTH
def test_marks_of_other_vendors_stand_on_their_parts_where_the_model_knows_them(target):
    image = Media(kind="image", mime="image/png", data="AAAA", cache=CacheMark())
    encoded = encode(target, marked("a"), Text(text="b"), image)
    assert ["prompt_cache_breakpoint" in part for part in parts_of(encoded)] == [True, False, True]
    assert encoded.dropped == ()


@BOTH
def test_elsewhere_they_are_named(target):
    encoded = encode(target, marked("a"), Text(text="b"), can=OLD)
    assert not any("prompt_cache_breakpoint" in part for part in parts_of(encoded))
    assert len(encoded.dropped) == 1


@BOTH
def test_the_last_four_count_and_instructions_come_first(target):
    encoded = encode(target, *map(marked, "abcd"), notes=(marked("rule"),))
    first = (encoded.body.get("messages") or encoded.body["input"])[0]["content"]
    assert "prompt_cache_breakpoint" not in str(first)
    assert all("prompt_cache_breakpoint" in part for part in parts_of(encoded))
    assert len(encoded.dropped) == 1


def test_a_mark_of_openais_own_keeps_what_it_says():
    own = {Format.OPENAI: {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}}
    encoded = encode(Format.OPENAI, Text(text="a", cache=CacheMark(), ext=own))
    assert parts_of(encoded)[0]["prompt_cache_breakpoint"]["ttl"] == "12h"


@pytest.mark.parametrize(
    ("model", "knows"),
    [("gpt-5.6", True), ("gpt-5.10-mini", True), ("gpt-6", True), ("gpt-5.5", False), ("gpt-5", False)],
)
def test_the_models_that_know_them(model, knows):
    assert adapter_for("openai").capabilities(model).cache_breakpoints is knows
