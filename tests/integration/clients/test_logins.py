"""The real command lines through logins: Claude Code before Kiro, Codex before ChatGPT's own backend."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from providers.upstream.timeouts import Timeouts
from providers.values import Format
from tests.integration.clients.command_lines import CLIENTS, Errand
from tests.integration.proxy.conftest import KEY, Proxy
from tests.integration.proxy.pairs.spoken import STREAM, Said
from tests.integration.proxy.pairs.test_kiro import event_stream
from tests.integration.proxy.upstream_double import FakeUpstream, streams
from tests.requirements import requires
from tests.unit.providers.translation.codecs.kiro.wire import METADATA, event, said

TEXT = "hi from upstream"


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    double = FakeUpstream()
    await double.start()
    yield double
    await double.stop()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    running = Proxy(Timeouts(connect_s=10, first_byte_s=30, idle_s=30), body_limit=16 * 1024 * 1024)
    await running.start()
    yield running
    await running.stop()


async def run(name, proxy, model, tmp_path):
    """What the client printed, and the text of the file that it was told to write."""
    errand = Errand(
        url=proxy.url,
        key=KEY,
        model=model,
        prompt="Write the file hello.txt",
        home=tmp_path / "home",
        folder=tmp_path / "work",
    )
    errand.home.mkdir()
    errand.folder.mkdir()
    outcome = await asyncio.to_thread(CLIENTS[name], errand)
    assert outcome.code == 0, outcome.log
    return outcome.output, (errand.folder / "hello.txt").read_text(encoding="utf-8").strip()


async def test_claude_code_works_through_kiro(proxy, upstream, tmp_path):
    requires("claude-code")
    proxy.offer("claude-sonnet-4-5", upstream.url, "kiro-claude-sonnet-4-5", adapter="kiro", channel="kiro")
    call = {"file_path": str(tmp_path / "work" / "hello.txt"), "content": TEXT}

    async def kiro(request, asked):
        message = asked.json["conversationState"]["currentMessage"]["userInputMessage"]
        context = message.get("userInputMessageContext", {})
        names = [tool["toolSpecification"]["name"] for tool in context.get("tools", [])]
        if context.get("toolResults") or "Write" not in names:
            pieces: tuple[bytes, ...] = (said("It is written."), METADATA)
        else:
            pieces = (
                event("toolUseEvent", toolUseId="tooluse_1", name="Write", input=json.dumps(call)),
                event("toolUseEvent", toolUseId="tooluse_1", name="Write", stop=True),
                METADATA,
            )
        return await event_stream(*pieces)(request, asked)

    upstream.then(kiro)
    printed, written = await run("claude-code", proxy, "claude-sonnet-4-5", tmp_path)
    assert "It is written." in printed
    assert written == TEXT
    assert {line.outcome for line in proxy.ledger.written} == {"ok"}


async def test_codex_works_through_its_own_backend(proxy, upstream, tmp_path):
    requires("codex")
    account = {"account_id": "acc-1"}
    proxy.offer("gpt-5.5", upstream.url, "gpt-5.5", adapter="codex", channel="codex", account=account)

    async def chatgpt(request, asked):
        body = asked.json
        answer = Said(text="It is written.")
        if not any(item.get("type") == "function_call_output" for item in body["input"]):
            names = [tool.get("name") for tool in body["tools"]]
            command = f"echo {TEXT} > hello.txt"
            shell = ("shell", {"command": ["bash", "-lc", command]})
            name, arguments = ("exec_command", {"cmd": command}) if "exec_command" in names else shell
            answer = Said(calls=(("call_1", name, arguments),), stop="calls")
        return await streams(*STREAM[Format.RESPONSES](answer))(request, asked)

    upstream.then(chatgpt)
    printed, written = await run("codex", proxy, "gpt-5.5", tmp_path)
    assert "It is written." in printed
    assert written == TEXT
    sent = upstream.calls[0]
    assert sent.headers["chatgpt-account-id"] == "acc-1"
    assert sent.json["store"] is False
    assert {line.outcome for line in proxy.ledger.written} == {"ok"}
