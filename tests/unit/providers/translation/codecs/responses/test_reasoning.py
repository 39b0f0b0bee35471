from __future__ import annotations

import pytest

from providers.translation.model import (
    ReasoningConfig,
)
from providers.values import Format
from tests.unit.providers.translation.codecs.responses.wire import (
    decode_request,
    encode,
    encode_request,
    make_request,
)

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
OWN = Format.RESPONSES


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ({"effort": "none"}, ReasoningConfig(mode="off")),
        ({"effort": "low"}, ReasoningConfig(mode="on", effort="low", show="none")),
        ({"summary": "auto"}, ReasoningConfig(mode="auto", show="summary")),
        ({"effort": None, "summary": None}, ReasoningConfig()),
        ({"generate_summary": "auto"}, ReasoningConfig(mode="auto", show="summary")),
        (None, ReasoningConfig()),
    ],
)
def test_reasoning_settings(raw, wanted):
    assert decode_request(reasoning=raw).reasoning == wanted


@pytest.mark.parametrize(
    ("config", "reasoning", "is_included"),
    [
        (ReasoningConfig(), None, False),
        (ReasoningConfig(mode="off"), {"effort": "none"}, False),
        (ReasoningConfig(mode="on", effort="high"), {"effort": "high", "summary": "auto"}, True),
        (ReasoningConfig(mode="on", effort="high", show="none"), {"effort": "high"}, True),
        (ReasoningConfig(mode="on", budget=8192, show="full"), {"effort": "medium", "summary": "auto"}, True),
        (ReasoningConfig(mode="on", budget=99_999), {"effort": "high", "summary": "auto"}, True),
        (ReasoningConfig(mode="auto", budget=-1), {"summary": "auto"}, True),
        (ReasoningConfig(effort="low"), {"effort": "low"}, True),
        (ReasoningConfig(encrypted=True), None, True),
    ],
)
def test_reasoning_is_asked_for_with_its_state(config, reasoning, is_included):
    body = encode(make_request(reasoning=config))
    assert body.get("reasoning") == reasoning
    assert ("reasoning.encrypted_content" in body.get("include", [])) is is_included


def test_efforts_that_the_model_lacks_become_the_nearest():
    request = make_request(reasoning=ReasoningConfig(mode="on", effort="max"))
    assert encode(request, thinking_levels=("low", "medium", "high"))["reasoning"]["effort"] == "high"
    off = make_request(reasoning=ReasoningConfig(mode="off"))
    assert encode(off, thinking_levels=("minimal", "low"))["reasoning"]["effort"] == "minimal"


def test_a_model_without_reasoning_is_not_asked_for_it():
    encoded = encode_request(
        make_request(reasoning=ReasoningConfig(mode="on", effort="low")), thinking="none"
    )
    assert "reasoning" not in encoded.body
    assert encoded.dropped == ("reasoning",)


def test_the_exact_kind_of_summary_goes_back():
    body = encode(decode_request(reasoning={"effort": "low", "summary": "detailed"}))
    assert body["reasoning"] == {"effort": "low", "summary": "detailed"}
