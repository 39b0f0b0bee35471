"""aimock (an upstream that nobody here wrote) behind real gateways, for tests with the official OpenAI SDK.

One provider per upstream format; and for each of aimock's chaos options one more, whose custom header makes
every request to it fail that way.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.processes import Gateway, running_aimock, running_gateways
from tests.requirements import requires

FIXTURES = Path(__file__).parent / "aimock" / "fixtures.json"
FORMATS = ("openai", "claude", "gemini")
CHAOS = ("ratelimit", "drop", "malformed", "disconnect")
UPSTREAM_MODELS = {"openai": "gpt-4o", "claude": "claude-sonnet-4-5", "gemini": "gemini-2.5-pro"}


@dataclass(frozen=True)
class Aimock:
    url: str

    def journal(self) -> list[dict[str, Any]]:
        """What aimock received, oldest first."""
        with urllib.request.urlopen(f"{self.url}/__aimock/journal", timeout=5) as answer:
            entries: list[dict[str, Any]] = json.load(answer)
        return entries


def provider(kind: str, url: str, label: str, models: str, header: str = "") -> str:
    """One configuration entry for a provider of format ``kind`` at aimock."""
    headers = f"    headers: {{{header}}}\n" if header else ""
    if kind == "openai":
        return (
            f"  - name: {label}\n    base-url: {url}/v1\n{headers}    models: [{models}]\n"
            f"    api-key-entries:\n      - api-key: upstream-{label}\n"
        )
    return f"  - api-key: upstream-{label}\n    base-url: {url}\n{headers}    models: [{models}]\n"


def aimock_config(url: str) -> str:
    """Models ``<format>-model``, ``-other`` (the same, for tests that make its credential rest),
    ``-<chaos>``, and ``-failover``, whose first credential fails and whose second answers.
    """
    blocks = {"openai": "openai-compatibility", "claude": "claude-api-key", "gemini": "gemini-api-key"}
    text = "request-retry: 0\n"
    for kind, block in blocks.items():
        name = UPSTREAM_MODELS[kind]
        text += f"{block}:\n"
        for alias in ("model", "other"):
            text += provider(kind, url, f"aimock-{kind}-{alias}", f"{{name: {name}, alias: {kind}-{alias}}}")
        for chaos in CHAOS:
            text += provider(
                kind,
                url,
                f"aimock-{kind}-{chaos}",
                f"{{name: {name}, alias: {kind}-{chaos}}}",
                f'x-aimock-chaos-{chaos}: "1"',
            )
        for number, header in enumerate(('x-aimock-chaos-drop: "1"', "")):
            entry = provider(
                kind,
                url,
                f"aimock-{kind}-failover{number}",
                f"{{name: {name}, alias: {kind}-failover}}",
                header,
            )
            text += entry + f"    priority: {10 - number}\n"
    return text


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aimock]:
    requires("aimock")
    with running_aimock(tmp_path_factory.mktemp("aimock"), FIXTURES) as url:
        yield Aimock(url)


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def aimock_gateway(
    aimock: Aimock, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with running_gateways(tmp_path_factory.mktemp(request.param)) as start:
        yield start(config=aimock_config(aimock.url), server=request.param)


@pytest.fixture
def sdk(aimock_gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{aimock_gateway.url}/v1", api_key=aimock_gateway.key, max_retries=0, timeout=20
    ) as client:
        yield client


@pytest.fixture
async def async_sdk(aimock_gateway: Gateway) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{aimock_gateway.url}/v1", api_key=aimock_gateway.key, max_retries=0, timeout=20
    ) as client:
        yield client
