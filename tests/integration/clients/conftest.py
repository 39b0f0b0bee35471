"""One gateway over four scripted upstreams, one of each format, as the models ``via-<format>``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.processes import Gateway, running_gateways
from tests.scripted_upstream import MODELS, ScriptedUpstream, running_scripted_upstream


def scripted_config(url: str) -> str:
    blocks = {"responses": "codex-api-key", "claude": "claude-api-key", "gemini": "gemini-api-key"}
    text = (
        f"request-retry: 0\nopenai-compatibility:\n  - name: scripted\n    base-url: {url}/v1\n"
        f"    models: [{{name: {MODELS['openai']}, alias: via-openai}}]\n"
        "    api-key-entries:\n      - api-key: upstream-openai\n"
    )
    for kind, block in blocks.items():
        address = f"{url}/v1" if kind == "responses" else url
        text += (
            f"{block}:\n  - api-key: upstream-{kind}\n    base-url: {address}\n"
            f"    models: [{{name: {MODELS[kind]}, alias: via-{kind}}}]\n"
        )
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
