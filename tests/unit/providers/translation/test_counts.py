"""Counts that make sense, and what else upstreams send in their place."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.codecs.claude import outcome as claude
from providers.translation.codecs.gemini import outcome as gemini
from providers.translation.codecs.gemini.fields import Fields
from providers.translation.codecs.openai import outcome as openai
from providers.translation.codecs.responses import outcome as responses
from providers.translation.counts import MOST_TOKENS, Count, count_of

COUNTS = [(0, 0), (5, 5), (5.0, 5), (-0.0, 0), (MOST_TOKENS, MOST_TOKENS), (1e3, 1000)]
NO_COUNTS: list[Any] = [
    -1,
    5.5,
    None,
    True,
    False,
    "5",
    "many",
    [],
    {},
    [5],
    MOST_TOKENS + 1,
    2**63,
    2**64,
    10**30,
    1e300,
]
INFINITE = [float("inf"), float("-inf"), float("nan")]


@pytest.mark.parametrize(("value", "count"), COUNTS)
def test_a_count_is_a_whole_number(value, count):
    assert count_of(value) == count
    assert type(count_of(value)) is int


@pytest.mark.parametrize("value", NO_COUNTS + INFINITE, ids=repr)
def test_anything_else_is_untold(value):
    assert count_of(value) is None


@pytest.mark.parametrize("value", [value for value in NO_COUNTS if value is not None], ids=repr)
def test_a_typed_decoder_refuses_the_same(value):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(value), type=Count)


DECODERS: dict[str, Any] = {
    "openai": (openai.decode_usage, "prompt_tokens", "completion_tokens"),
    "responses": (responses.decode_usage, "input_tokens", "output_tokens"),
    "claude": (claude.decode_usage, "input_tokens", "output_tokens"),
    "gemini": (
        lambda raw: gemini.decode_usage(Fields(raw, "usageMetadata", UpstreamProtocolError)),
        "promptTokenCount",
        "candidatesTokenCount",
    ),
}


@pytest.mark.parametrize("format_", DECODERS)
@pytest.mark.parametrize("value", [value for value in NO_COUNTS if value != "5"], ids=repr)
def test_a_number_that_makes_no_sense_costs_neither_the_answer_nor_the_other_numbers(format_, value):
    decode, sent, made = DECODERS[format_]
    usage = decode({sent: 7, made: value})
    assert (usage.input_total, usage.output_total) == (7, None)


@pytest.mark.parametrize("format_", DECODERS)
def test_google_alone_spells_numbers_in_quotes(format_):
    decode, sent, made = DECODERS[format_]
    assert decode({sent: "7", made: 1}).input_total == (7 if format_ == "gemini" else None)
