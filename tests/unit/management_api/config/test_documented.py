"""docs/configuration.md names every key of the file and every setting of the environment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from management_api.config.blocks import BLOCKS
from management_api.config.keys import DISGUISE_CODEX, DISGUISE_ENTRY, DISGUISE_TOP, WITHOUT_EFFECT_TOP
from management_api.config.provider_map import ADAPTER_OF_TYPE
from management_api.config.settings import STRATEGIES

PROJECT = Path(__file__).parents[4]
READERS = "\n".join(
    (PROJECT / "management_api" / "config" / f"{name}.py").read_text(encoding="utf-8")
    for name in (
        "schema",
        "settings",
        "parts",
        "blocks",
        "logins",
        "channels",
        "payload",
        "provider_map",
        "exported",
    )
)
DOCS = (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8")


CALLS = (
    r"\b(?:text|texts|word|integer|flag|choice|duration|plain|mapping|mappings|mappings_or_names|named_mappings"
    r"|pairs|skip|_channels|address|patterns|_not_negative|_ids|_modalities|_conditions|_expressions|_protocol"
    r"|_rules|_texts)\(\s*(?:\w+,\s*)?((?:\"[a-z_-]+\"(?:,\s*)?)+)"
)


def keys_read():
    """The keys that the readers ask for, by the calls in their text, and those that they know of."""
    called = {key for found in re.findall(CALLS, READERS) for key in re.findall(r'"([a-z_-]+)"', found)}
    listed = {block.name for block in BLOCKS} | {name for block in BLOCKS for name in block.switches}
    words = (*DISGUISE_CODEX, *DISGUISE_ENTRY, *DISGUISE_TOP, *WITHOUT_EFFECT_TOP, *filter(None, STRATEGIES))
    types = set(ADAPTER_OF_TYPE) - {"anthropic", "google"}
    return sorted((called | listed | set(words) | types) - CARRIED)


CARRIED = {"sdk", "config"}
"""Words of the old ``auth`` block that are passed over."""


def environment_names():
    source = (PROJECT / "cliproxy_site" / "settings.py").read_text(encoding="utf-8")
    return sorted(
        {
            *re.findall(r"\benv\.[a-z_]+\(\s*\"([A-Z_]+)\"", source),
            *re.findall(r"environ\.get\(\"([A-Z_]+)\"", READERS),
            *re.findall(r"switch\(environ, \"([A-Z_]+)\"", READERS),
        }
    )


def is_documented(key):
    """The key alone, or as the last part of a path of keys, in a code span."""
    return re.search(rf"`(?:[a-z-]+\.)*{re.escape(key)}[.:`\[]", DOCS) is not None


@pytest.mark.parametrize("key", keys_read())
def test_a_key_of_the_file_is_documented(key):
    assert is_documented(key)


@pytest.mark.parametrize("name", environment_names())
def test_a_setting_of_the_environment_is_documented(name):
    assert f"`{name}`" in DOCS


def test_the_lists_are_not_empty():
    assert len(keys_read()) >= 150
    assert len(environment_names()) > 20
