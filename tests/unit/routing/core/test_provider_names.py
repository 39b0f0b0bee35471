"""A provider is found under every spelling that tools use."""

from __future__ import annotations

import pytest

from routing.core.provider_names import canonical, figure_name, find_provider
from routing.core.table import ProviderEntry


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("github-copilot", "copilot"),
        ("GitHubCopilot", "copilot"),
        ("amp-code", "amp"),
        ("ampcode", "amp"),
        ("kilo-code", "kilo"),
        ("kiloai", "kilo"),
        ("roocode", "roo"),
        ("droid-fast", "gemini"),
        (" Claude ", "claude"),
        ("acme", "acme"),
    ],
)
def test_a_name_has_one_spelling(name, wanted):
    assert canonical(name) == wanted


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("openrouter-2", "openrouter"),
        ("claude", "claude"),
        ("my-claude", "my-claude"),
        ("roo-code", "roo"),
        ("fake-1", "fake-1"),
    ],
)
def test_figures_are_told_under_the_vendors_name(key, name):
    assert figure_name(key) == name


def test_who_is_found():
    own = ProviderEntry(key="openrouter-eu", adapter="openrouter", name="Router EU")
    copilot = ProviderEntry(key="github-copilot", adapter="github-copilot", name="GitHub Copilot")
    custom = ProviderEntry(key="claude", adapter="openai-compatibility", name="Not Anthropic")
    second = ProviderEntry(key="backup", adapter="claude", name="Backup")
    known = [second, own, copilot, custom]
    assert find_provider(known, "claude") is custom
    assert find_provider(known, "CLAUDE") is custom
    assert find_provider(known, "router eu") is own
    assert find_provider(known, "copilot") is copilot
    assert find_provider(known, "openrouter") is own
    assert find_provider([second], "claude") is second
    assert find_provider(known, "nobody") is None
    assert find_provider([], "") is None
