"""Whatever a file holds, it is refused in words or applied; nothing in between and no traceback."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from management_api.config import document, schema, startup
from management_api.config.apply import Changes, apply
from management_api.config.blocks import BLOCKS
from management_api.config.document import Document
from management_api.config.export import Secrets, export
from management_api.config.problems import ConfigRefused, errors
from routing import table

WORDS = st.sampled_from(
    [
        "",
        "a",
        "x/y",
        "true",
        "direct",
        "http://127.0.0.1:9/v1",
        "https://h.example",
        "8317",
        "*",
        "*-x",
        "gpt-5",
    ]
)
SCALARS = st.one_of(
    WORDS, st.integers(-2, 2**40), st.booleans(), st.none(), st.floats(allow_nan=False), st.text(max_size=5)
)
ENTRY_KEYS = st.sampled_from(
    [
        "api-key",
        "base-url",
        "prefix",
        "proxy-url",
        "headers",
        "models",
        "excluded-models",
        "priority",
        "weight",
        "disable-cooling",
        "request-retry",
        "request-scoped-errors",
        "rate-limit",
        "websockets",
        "name",
        "alias",
        "api-key-entries",
        "thinking",
        "params",
        "match",
        "status",
        "action",
        "type",
        "endpoint",
        "api_key",
        "model_mappings",
        "features",
        "limits",
        "cooldown",
        "credentials",
        "token-file",
        "levels",
        "rpm",
        "fork",
        "upstream-url",
        "models-endpoint",
        "aliases",
        "options",
        "enabled",
    ]
)
BLOCK_NAMES = [block.name for block in BLOCKS]
TOP_KEYS = st.sampled_from(
    [
        *BLOCK_NAMES,
        *[
            "openai-compatibility",
            "providers",
            "kiro",
            "cursor",
            "github-copilot",
            "ampcode",
            "api-keys",
            "payload",
            "fallbacks",
            "routing",
            "streaming",
            "codex",
            "xai",
            "remote-management",
            "tls",
            "port",
            "oauth-model-alias",
            "oauth-excluded-models",
            "oauth-upstream",
            "oauth-request-scoped-errors",
            "quota-exceeded",
            "plugins",
            "auth",
            "debug",
            "disable-image-generation",
            "auth-dir",
            "proxy-url",
        ],
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(ENTRY_KEYS, WORDS), inner, max_size=5)
    ),
    max_leaves=12,
)
ITEMS = st.dictionaries(ENTRY_KEYS, st.one_of(SCALARS, st.lists(WORDS, max_size=2)), max_size=6)
ENTRIES = st.dictionaries(
    ENTRY_KEYS,
    st.one_of(SCALARS, st.lists(ITEMS, max_size=3), st.lists(WORDS, max_size=3), ITEMS),
    max_size=7,
).map(lambda entry: {"api-key": "k", "base-url": "http://127.0.0.1:9/v1", "name": "n", **entry})
LISTS = st.dictionaries(
    st.sampled_from(
        [*(block.name for block in BLOCKS), "openai-compatibility", "kiro", "cursor", "api-keys"]
    ),
    st.lists(ENTRIES, max_size=3),
    max_size=4,
)
MAPS = st.dictionaries(WORDS, ENTRIES.map(lambda entry: {"type": "custom", "endpoint": "http://x", **entry}))
FILES = st.one_of(
    st.dictionaries(TOP_KEYS, VALUES, min_size=1, max_size=5),
    LISTS.filter(bool),
    MAPS.map(lambda providers: {"providers": providers}),
)


def parsed(content: dict[str, object]) -> Document | None:
    """JSON is YAML; None when the file is refused before anything is read."""
    try:
        return document.parse(json.dumps(content))
    except ConfigRefused:
        return None


class AnyFile(TestCase):
    @settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
    @given(FILES)
    def test_it_is_refused_in_words_or_applied_and_exported(self, content):
        file = parsed(content)
        if file is None:
            return
        config, problems = schema.read(file, {})
        for problem in problems:
            assert str(problem).startswith("config.yaml")
        if errors(problems):
            return
        apply(config)
        assert apply(config) == Changes(notes=apply(config).notes)
        table.build()
        text = export(Secrets.ENCRYPTED).text
        again, said = schema.read(document.parse(text), {}, startup.unseal)
        assert errors(said) == []
        assert len(again.providers) == len({provider.key for provider in config.providers})


@pytest.mark.parametrize("text", ['api-keys: ["a\\0b"]', '"a\\0": 1', 'auth-dir: "\\ud800"', 'x: "\\udfff"'])
def test_what_no_database_can_hold_is_refused(text):
    with pytest.raises(ConfigRefused, match="NUL or half a character"):
        document.parse(text)
