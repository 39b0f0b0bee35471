"""What an offered id is called by the service, and what its ending asks for."""

import pytest

from providers.translation.codecs.kiro.model_ids import ModelId, model_id


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        ("kiro-claude-sonnet-4-5", "claude-sonnet-4.5"),
        ("kiro-claude-opus-4-6", "claude-opus-4.6"),
        ("kiro-claude-sonnet-4", "claude-sonnet-4"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4"),
        ("claude-opus-4-5-20251101", "claude-opus-4.5"),
        ("amazonq-claude-haiku-4.5", "claude-haiku-4.5"),
        ("amazonq-auto", "auto"),
        ("kiro-auto", "auto"),
        ("claude-3-7-sonnet", "claude-3-7-sonnet-20250219"),
        ("kiro-deepseek-3-2", "deepseek-3.2"),
        ("kiro-minimax-m2-1", "minimax-m2.1"),
        ("something-new", "something-new"),
    ],
)
def test_ids_are_the_services_own(offered, wanted):
    assert model_id(offered) == ModelId(id=wanted)


def test_endings_ask_for_more():
    assert model_id("kiro-claude-opus-4-5-agentic") == ModelId(id="claude-opus-4.5", is_agentic=True)
    assert model_id("kiro-claude-opus-4-5-chat") == ModelId(id="claude-opus-4.5", without_tools=True)
    assert model_id("kiro-claude-opus-4-5-thinking") == ModelId(id="claude-opus-4.5", hints_thinking=True)
