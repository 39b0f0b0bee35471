"""The official Node SDKs over every upstream format: text, streams, their own tool runners, leaving early."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.clients.command_lines import clean_run
from tests.processes import Gateway
from tests.requirements import requires
from tests.scripted_upstream import FORMATS, PLAIN, ScriptedUpstream, errand, new_mark

FOLDER = Path(__file__).parent
SCRIPTS = {"openai": "openai-node", "anthropic": "anthropic-node"}


@pytest.fixture
def mark() -> str:
    return new_mark()


@pytest.fixture
def run_script(scripted_gateway: Gateway, tmp_path: Path, mark: str) -> Callable[..., dict[str, Any]]:
    """Runs one SDK's script over one upstream format and returns what it saw."""

    def run(sdk: str, upstream: str, *forms: str) -> dict[str, Any]:
        requires(SCRIPTS[sdk])
        file = tmp_path / "made.txt"
        given = [scripted_gateway.url, scripted_gateway.key, f"via-{upstream}", mark, str(file)]
        command = ["node", str(FOLDER / f"{sdk}.mjs"), *given, errand(mark, file), *forms]
        outcome = clean_run(command, tmp_path, tmp_path, {})
        assert outcome.code == 0, outcome
        seen: dict[str, Any] = json.loads(outcome.output)
        return seen

    return run


@pytest.mark.parametrize("upstream", FORMATS)
@pytest.mark.parametrize("sdk", SCRIPTS)
def test_a_node_sdk_sees_its_own_format(sdk, upstream, scripted: ScriptedUpstream, mark, run_script):
    seen = run_script(sdk, upstream)
    SEEN[sdk](seen, mark)
    assert seen["cancel"] == {"aborted": True}
    assert seen["refused"] == {"name": "AuthenticationError", "status": 401}
    calls = scripted.about(mark)
    assert [problem for call in calls for problem in call.problems] == []
    assert scripted.wait_until(lambda: any(call.was_cancelled for call in calls)), "the upstream went on"


@pytest.mark.parametrize("upstream", FORMATS)
def test_anthropics_tool_runner_learns_that_nobody_holds_its_thread(upstream, mark, run_script):
    seen = run_script("anthropic", upstream, "toolRunnerThread")
    assert seen["toolRunnerThread"] == {"text": f"The file says {mark}.", "file": mark}


def openai_saw(seen: dict[str, Any], mark: str) -> None:
    assert seen["chat"]["text"] == seen["chatStream"]["text"] == PLAIN
    assert seen["chat"]["finish"] == "stop"
    assert seen["chat"]["usage"]["total_tokens"] == seen["chatStream"]["usage"]["total_tokens"] == 18
    assert seen["chatStream"]["deltas"] > 1
    for form in ("chatTools", "chatToolsStream", "responsesTools"):
        assert seen[form] == {"text": f"The file says {mark}.", "file": mark}, form
    assert seen["parallelTools"] == {"text": f"Both are written: {mark} {mark}.", "files": [mark, mark]}
    assert seen["vision"] == [f"I saw the picture of {mark}."] * 2
    assert seen["structured"] == [{"word": mark}] * 2
    assert seen["thinking"]["text"] == [PLAIN] * 2
    assert seen["thinking"]["items"] in (["message"], ["reasoning", "message"])  # not every model shows it
    assert seen["responses"]["text"] == seen["responsesStream"]["text"] == PLAIN
    assert seen["responses"]["status"] == "completed"
    assert seen["responses"]["usage"]["total_tokens"] == 18
    assert (seen["responsesStream"]["first"], seen["responsesStream"]["last"]) == (
        "response.created",
        "response.completed",
    )


def anthropic_saw(seen: dict[str, Any], mark: str) -> None:
    assert seen["messages"]["text"] == seen["messagesStream"]["text"] == PLAIN
    assert seen["messages"]["finish"] == "end_turn"
    for form in ("messages", "messagesStream"):
        assert (seen[form]["usage"]["input_tokens"], seen[form]["usage"]["output_tokens"]) == (11, 7), form
    assert seen["messagesStream"]["deltas"] > 1
    for form in ("toolRunner", "toolRunnerThinking", "toolRunnerStream"):
        assert seen[form] == {"text": f"The file says {mark}.", "file": mark}, form
    assert seen["parallelTools"] == {"text": f"Both are written: {mark} {mark}.", "files": [mark, mark]}
    assert seen["vision"] == f"I saw the picture of {mark}."
    assert seen["structured"] == {"word": mark}
    assert seen["count"] > 0


SEEN = {"openai": openai_saw, "anthropic": anthropic_saw}
