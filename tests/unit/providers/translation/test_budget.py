"""Schemas that describe far more than they say, in every place that follows references."""

from __future__ import annotations

import time

import pytest

from providers.translation.budget import Budget
from providers.translation.codec import Capabilities
from providers.translation.model import Request, Tool
from providers.translation.registry import CODECS
from providers.values import Format

LEAF = {"type": "object", "properties": {"x": {"type": "string"}}}


def nested(node, depth=9):
    """``node`` of references, each to a node of as many references to the next."""
    levels = {f"L{n}": {"type": "object", **node(f"#/$defs/L{n + 1}")} for n in range(depth)}
    return {"type": "object", **node("#/$defs/L0"), "$defs": {**levels, f"L{depth}": LEAF}}


BOMBS = {
    "all of": nested(lambda ref: {"allOf": [{"$ref": ref}] * 6}),
    "any of": nested(lambda ref: {"anyOf": [{"$ref": ref}] * 6}),
    "properties": nested(lambda ref: {"properties": {f"p{n}": {"$ref": ref} for n in range(6)}}),
}


@pytest.mark.parametrize("target", [Format.CLAUDE, Format.GEMINI])
@pytest.mark.parametrize("is_native", [True, False])
@pytest.mark.parametrize("schema", BOMBS.values(), ids=BOMBS)
def test_many_tools_together_cost_no_more_than_one(target, is_native, schema):
    tools = tuple(Tool(name=f"f{n}", schema=schema) for n in range(50))
    can = Capabilities(json_schema_native=is_native)
    began = time.process_time()
    encoded = CODECS[target].encode_request(Request(model="m", turns=(), tools=tools), "up", can)
    assert time.process_time() - began < 10
    assert encoded.dropped == ()


def test_a_spent_budget_stays_spent():
    budget = Budget(1)
    assert not budget.is_spent
    budget.spend()
    budget.spend()
    assert budget.is_spent
