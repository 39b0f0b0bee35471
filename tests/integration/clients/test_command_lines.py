"""Claude Code, Codex and Gemini CLI do an errand with their own tools over every upstream format."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.clients.command_lines import CLIENTS, Errand, codex
from tests.integration.clients.conftest import FAMILIAR, STRANGE
from tests.processes import Gateway
from tests.requirements import requires
from tests.scripted_upstream import (
    FORMATS,
    ScriptedUpstream,
    errand,
    new_mark,
    pair_errand,
    picture_errand,
)

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def mark() -> str:
    return new_mark()


@pytest.fixture
def errand_of(scripted_gateway: Gateway, tmp_path: Path, mark: str):
    """Makes the errand for one model, in fresh folders."""

    def make(model: str, prompt: str = "") -> Errand:
        home, folder = tmp_path / "home", tmp_path / "work"
        home.mkdir()
        folder.mkdir(exist_ok=True)
        prompt = prompt or errand(mark, folder / "made.txt")
        return Errand(scripted_gateway.url, scripted_gateway.key, model, prompt, home, folder)

    return make


def conversation(upstream: ScriptedUpstream, mark: str) -> str:
    """What reached the upstream, for a failure's message."""
    calls = upstream.about(mark)
    return "\n".join(f"{one.method} {one.path} {one.problems}" for one in calls) or "nothing reached it"


@pytest.mark.parametrize("name", ["strange", "familiar"])
@pytest.mark.parametrize("upstream", FORMATS)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_writes_and_reads_a_file(client, upstream, name, scripted, mark, errand_of):
    requires(client)
    one = errand_of(f"{STRANGE if name == 'strange' else FAMILIAR[client]}-{upstream}")
    outcome = CLIENTS[client](one)
    told = f"{outcome}\n{conversation(scripted, mark)}"
    made = one.folder / "made.txt"
    assert made.exists(), told
    assert made.read_text(encoding="utf-8").strip() == mark, told
    assert f"The file says {mark}." in outcome.output, told
    assert outcome.code == 0, told
    calls = scripted.about(mark)
    assert [problem for call in calls for problem in call.problems] == [], told


@pytest.mark.parametrize("upstream", ["responses", "claude"])
def test_codex_talks_over_a_websocket(upstream, scripted, mark, errand_of):
    requires("codex")
    one = errand_of(f"{STRANGE}-{upstream}")
    outcome = codex(one, websockets=True)
    told = f"{outcome}\n{conversation(scripted, mark)}"
    assert f"The file says {mark}." in outcome.output, told
    assert outcome.code == 0, told
    assert "falling back" not in outcome.log.lower(), told
    assert [problem for call in scripted.about(mark) for problem in call.problems] == [], told


@pytest.mark.parametrize(
    ("client", "upstream"), [("claude-code", "openai"), ("codex", "claude"), ("gemini-cli", "responses")]
)
def test_a_client_calls_two_tools_at_once(client, upstream, scripted, mark, errand_of, tmp_path):
    requires(client)
    marks, folder = (mark, new_mark()), tmp_path / "work"
    paths = (folder / "one.txt", folder / "other.txt")
    one = errand_of(f"{STRANGE}-{upstream}", pair_errand(marks, paths))
    outcome = CLIENTS[client](one)
    told = f"{outcome}\n{conversation(scripted, mark)}"
    assert [path.read_text(encoding="utf-8").strip() for path in paths if path.exists()] == list(marks), told
    assert f"Both are written: {marks[0]} {marks[1]}." in outcome.output, told
    assert outcome.code == 0, told
    assert [problem for call in scripted.about(mark) for problem in call.problems] == [], told


@pytest.mark.parametrize(
    ("client", "upstream"), [("claude-code", "gemini"), ("codex", "openai"), ("gemini-cli", "claude")]
)
def test_a_client_shows_a_picture(client, upstream, scripted, mark, errand_of, tmp_path):
    requires(client)
    folder = tmp_path / "work"
    folder.mkdir()
    picture = folder / "picture.png"
    picture.write_bytes(PIXEL)
    one = errand_of(f"{STRANGE}-{upstream}", picture_errand(mark, picture))
    # Claude Code has no option for it: the model reads the file, and the tool's result holds the picture.
    outcome = CLIENTS[client](one if client == "claude-code" else replace(one, picture=picture))
    told = f"{outcome}\n{conversation(scripted, mark)}"
    assert f"I saw the picture of {mark}." in outcome.output, told
    assert outcome.code == 0, told
    assert [problem for call in scripted.about(mark) for problem in call.problems] == [], told
