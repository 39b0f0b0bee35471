import pytest
from google.genai import types

from providers.translation.codec import Capabilities, MalformedRequest
from providers.translation.codecs.gemini.fields import Fields
from providers.translation.codecs.gemini.thinking import decode_thinking, encode_thinking
from providers.translation.model import ReasoningConfig

BUDGET = Capabilities(thinking="budget", thinking_min=128, thinking_max=24_576)
PRO = Capabilities(
    thinking="budget", thinking_min=128, thinking_max=32_768, thinking_zero=False, thinking_dynamic=False
)
LEVEL = Capabilities(thinking="level", thinking_levels=("low", "high"))
BOTH = Capabilities(
    thinking="both", thinking_levels=("low", "high"), thinking_zero=False, thinking_max=32_768
)
UNKNOWN = Capabilities()


def on(**fields):
    return ReasoningConfig(mode="on", **fields)


OFF = ReasoningConfig(mode="off")
AUTO = ReasoningConfig(mode="auto")


@pytest.mark.parametrize(
    ("wanted", "can", "config"),
    [
        (ReasoningConfig(), BUDGET, None),
        (ReasoningConfig(encrypted=True), BUDGET, None),
        (on(effort="high"), Capabilities(thinking="none"), None),
        (on(effort="high"), BUDGET, {"thinkingBudget": 24_576, "includeThoughts": True}),
        (on(effort="minimal"), BUDGET, {"thinkingBudget": 512, "includeThoughts": True}),
        (on(effort="max"), BUDGET, {"thinkingBudget": 24_576, "includeThoughts": True}),
        (on(effort="strange"), BUDGET, {"thinkingBudget": 8192, "includeThoughts": True}),
        (on(budget=1), BUDGET, {"thinkingBudget": 128, "includeThoughts": True}),
        (on(), BUDGET, {"includeThoughts": True}),
        (AUTO, BUDGET, {"thinkingBudget": -1, "includeThoughts": True}),
        (ReasoningConfig(budget=-1), BUDGET, {"thinkingBudget": -1, "includeThoughts": True}),
        (AUTO, PRO, {"thinkingBudget": 16_448, "includeThoughts": True}),
        (AUTO, LEVEL, {"includeThoughts": True}),
        (AUTO, Capabilities(thinking="budget", thinking_dynamic=False), {"includeThoughts": True}),
        (OFF, BUDGET, {"thinkingBudget": 0}),
        (OFF, PRO, {"thinkingBudget": 128}),
        (OFF, LEVEL, {"thinkingLevel": "LOW"}),
        (OFF, BOTH, {"thinkingLevel": "LOW"}),
        (OFF, UNKNOWN, {"thinkingBudget": 0}),
        (on(budget=0), BUDGET, {"thinkingBudget": 0}),
        (ReasoningConfig(effort="none"), BUDGET, {"thinkingBudget": 0}),
        (on(effort="medium"), LEVEL, {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (on(effort="max"), LEVEL, {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (on(effort="strange"), LEVEL, {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (on(budget=20_000), LEVEL, {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (on(budget=90_000), Capabilities(thinking="level"),
         {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (on(effort="max"), Capabilities(thinking="level", thinking_levels=("max",)),
         {"thinkingLevel": "XHIGH", "includeThoughts": True}),
        (on(effort="low"), Capabilities(thinking="level", thinking_levels=("odd",)),
         {"includeThoughts": True}),
        (on(effort="high", budget=99_999), BOTH, {"thinkingBudget": 32_768, "includeThoughts": True}),
        (on(effort="high"), BOTH, {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (on(effort="xhigh"), UNKNOWN, {"thinkingLevel": "XHIGH", "includeThoughts": True}),
        (on(effort="max"), UNKNOWN, {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (on(budget=77), UNKNOWN, {"thinkingBudget": 77, "includeThoughts": True}),
        (on(budget=77, show="none"), UNKNOWN, {"thinkingBudget": 77, "includeThoughts": False}),
        (ReasoningConfig(show="full"), UNKNOWN, {"includeThoughts": True}),
        (ReasoningConfig(effort="low"), UNKNOWN, {"thinkingLevel": "LOW"}),
    ],
)  # fmt: skip
def test_the_wish_becomes_what_the_model_takes(wanted, can, config):
    made = encode_thinking(wanted, can)
    assert made == config
    assert not made or not {"thinkingBudget", "thinkingLevel"} <= made.keys()
    types.ThinkingConfig.model_validate(made or {})


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ({"thinkingBudget": 0}, ReasoningConfig(mode="off", budget=0)),
        ({"thinking_budget": -1, "include_thoughts": True}, ReasoningConfig(mode="auto", show="summary")),
        ({"thinkingBudget": 512}, on(budget=512)),
        ({"thinkingLevel": "LOW", "includeThoughts": False}, on(effort="low", show="none")),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, ReasoningConfig()),
        ({"includeThoughts": True}, ReasoningConfig(show="summary")),
    ],
)
def test_a_gemini_clients_wish_is_understood(raw, wanted):
    assert decode_thinking(Fields(raw, "x", MalformedRequest)) == wanted


def test_no_config_is_no_wish():
    assert decode_thinking(None) == ReasoningConfig()


def test_a_level_that_google_does_not_publish_is_a_fault():
    with pytest.raises(MalformedRequest) as caught:
        decode_thinking(Fields({"thinkingLevel": "HUGE"}, "thinkingConfig", MalformedRequest))
    assert caught.value.param == "thinkingConfig.thinkingLevel"
