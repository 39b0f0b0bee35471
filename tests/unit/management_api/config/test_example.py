"""docs/config.example.yaml is accepted as it stands and shows every key of the top level."""

from __future__ import annotations

import re
from pathlib import Path

from management_api.config import document, schema
from management_api.config.keys import DEDICATED_BLOCKS, DISGUISE_TOP, WITHOUT_EFFECT_TOP

DOCS = Path(__file__).parents[4] / "docs"
EXAMPLE = DOCS / "config.example.yaml"
NAMES = {"OPENROUTER_API_KEY": "a", "ANTHROPIC_API_KEY": "b", "GEMINI_API_KEY": "c"}
OLDER = {
    "auth",
    "generative-language-api-key",
    "amp-code",
    "secrets",
    "kiro-preferred-endpoint",
    "oauth-model-mappings",
    "config-version",
}
"""Other spellings of what the example shows, what an export writes, and what names a layout."""


def test_it_is_accepted_without_a_warning():
    config, problems = schema.read(document.load(EXAMPLE), NAMES)
    assert problems == []
    assert {provider.key for provider in config.providers} >= {"claude", "gemini", "openrouter", "acme"}


def test_it_shows_every_key_of_the_top_level():
    shown = set(document.load(EXAMPLE).root.entries)
    asked: list[str] = []

    class Asked(dict[str, object]):
        def get(self, key, default=None):
            asked.append(key)
            return super().get(key, default)

        def __contains__(self, key):
            asked.append(str(key))
            return super().__contains__(key)

    root = document.load(EXAMPLE).root
    watched = document.Mapping(Asked(root.entries), root.line)  # type: ignore[arg-type]  # a dict that tells
    schema.read(document.Document(source="x", text="", content_hash="", root=watched), NAMES)
    known = {key for key in asked if not key.startswith("amp-")}
    missing = known - shown - OLDER - set(DEDICATED_BLOCKS) - DISGUISE_TOP - set(WITHOUT_EFFECT_TOP)
    assert missing == set()


def test_every_key_of_the_top_level_is_in_the_docs():
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    for key in document.load(EXAMPLE).root.entries:
        assert re.search(rf"`{re.escape(key)}[.:`]", text), key
