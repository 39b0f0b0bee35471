"""docs/configuration.md names every key of the file and every setting of the environment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from management_api.config import schema
from management_api.config.keys import DEDICATED_BLOCKS

PROJECT = Path(__file__).parents[4]
DOCS = (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8")


def keys_read():
    """The keys that the schema asks for, by the calls in its text."""
    source = Path(schema.__file__).read_text(encoding="utf-8")
    calls = r"\.(?:text|texts|integer|flag|mappings|pairs)\(\s*\"([a-z-]+)\""
    return sorted({*re.findall(calls, source), "claude-api-key", "gemini-api-key", *DEDICATED_BLOCKS})


def environment_names():
    source = (PROJECT / "cliproxy_site" / "settings.py").read_text(encoding="utf-8")
    overrides = Path(schema.__file__).read_text(encoding="utf-8")
    return sorted(
        {
            *re.findall(r"\benv\.[a-z_]+\(\s*\"([A-Z_]+)\"", source),
            *re.findall(r"environ\.get\(\"([A-Z_]+)\"", overrides),
        }
    )


@pytest.mark.parametrize("key", keys_read())
def test_a_key_of_the_file_is_documented(key):
    assert f"`{key}`" in DOCS


@pytest.mark.parametrize("name", environment_names())
def test_a_setting_of_the_environment_is_documented(name):
    assert f"`{name}`" in DOCS


def test_the_lists_are_not_empty():
    assert len(keys_read()) >= 40
    assert len(environment_names()) > 20
