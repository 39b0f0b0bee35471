"""What ``/v1/providers`` tells of the providers of the seeds' own specification."""

from __future__ import annotations

from pathlib import Path

import pytest

from management_api.config import startup
from providers import secrets
from routing import table
from routing.core.table import ClientEntry
from routing.proxy.directory import Directory

pytestmark = pytest.mark.django_db
SEEDS = Path(__file__).parents[2] / "exchanges" / "seeds"
ENVIRONMENT = {f"{name}_API_KEY": "a-key-0001" for name in ("CLAUDE", "GEMINI", "OPENAI")}


@pytest.fixture
def told(tmp_path, monkeypatch):
    """``told("map_claude.yaml", "claude")``: (the provider, its models, its capabilities)."""
    monkeypatch.setattr(secrets, "KEYRING", secrets.Keyring(tmp_path / "encryption_keys", []))

    def load(file: str, name: str):
        startup.load_and_apply(SEEDS / file, ENVIRONMENT)
        directory = Directory(table.build(), ClientEntry(id=1, label="x"))
        entry = directory.provider(name)
        return directory.shown(entry), directory.models(entry)["data"], directory.capabilities(entry)

    return load


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("claude", (True, True, True, True, 200_000)),
        ("gemini", (True, True, True, False, 1_000_000)),
        ("openai", (True, True, True, False, 128_000)),
    ],
)
def test_the_capability_matrix(told, name, row):
    _, _, capabilities = told(f"map_{name}.yaml", name)
    features = ("streaming", "functions", "vision", "code_generation", "max_tokens")
    assert capabilities == dict(zip(features, row, strict=True))


def test_a_provider_is_told_as_its_block_says(told):
    provider, models, _ = told("map_claude.yaml", "claude")
    assert (provider["type"], provider["auth_type"]) == ("claude", "api_key")
    assert provider["endpoint"] == "https://api.anthropic.com"
    assert provider["limits"]["requests_per_minute"] == 60
    assert provider["limits"]["tokens_per_minute"] == 40_000
    assert models[0] == {
        "id": "claude-3-5-sonnet",
        "enabled": True,
        "max_tokens": 200_000,
        "supports_functions": True,
        "supports_streaming": True,
    }


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("map_copilot.yaml", ("copilot", "github-copilot", "githubcopilot")),
        ("map_kiloai.yaml", ("kiloai", "kilo", "kilo-code")),
        ("map_roocode.yaml", ("roocode", "roo", "roo-code")),
        ("map_kiro.yaml", ("kiro",)),
    ],
)
def test_a_provider_has_every_spelling(told, file, names):
    keys = {told(file, name)[0]["name"] for name in names}
    assert len(keys) == 1


def test_a_login_says_so(told):
    assert told("map_kiro.yaml", "kiro")[0]["auth_type"] == "oauth_device_flow"
