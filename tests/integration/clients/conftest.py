"""One gateway over four scripted upstreams, one of each format, as the models ``<name>-<format>``.

A client asks by the model's name what it may send, so each upstream has a name that no client knows and the
names that Claude Code, Codex and Gemini CLI take for models of their own vendors.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.processes import Gateway, running_gateways
from tests.scripted_upstream import MODELS, ScriptedUpstream, running_scripted_upstream

STRANGE = "via"
FAMILIAR = {"claude-code": "claude-opus-5", "codex": "gpt-5.5", "gemini-cli": "gemini-3-pro-preview"}


def models(upstream: str) -> str:
    names = (STRANGE, *FAMILIAR.values())
    entries = (f"{{name: {MODELS[upstream]}, alias: {name}-{upstream}}}" for name in names)
    return f"    models: [{', '.join(entries)}]\n"


def scripted_config(url: str) -> str:
    blocks = {"responses": "codex-api-key", "claude": "claude-api-key", "gemini": "gemini-api-key"}
    text = (
        f"request-retry: 0\nopenai-compatibility:\n  - name: scripted\n    base-url: {url}/v1\n"
        f"{models('openai')}    api-key-entries:\n      - api-key: upstream-openai\n"
    )
    for kind, block in blocks.items():
        address = f"{url}/v1" if kind == "responses" else url
        text += f"{block}:\n  - api-key: upstream-{kind}\n    base-url: {address}\n{models(kind)}"
    return text


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedUpstream]:
    with running_scripted_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def scripted_gateway(
    scripted: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with running_gateways(tmp_path_factory.mktemp("clients")) as start:
        yield start(config=scripted_config(scripted.url))
