"""Claude Code, Codex and Gemini CLI do an errand with their own tools over every upstream format."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.clients.command_lines import CLIENTS, Errand, codex
from tests.integration.clients.conftest import FAMILIAR, STRANGE
from tests.processes import Gateway
from tests.requirements import requires
from tests.scripted_upstream import FORMATS, ScriptedUpstream, errand, new_mark


@pytest.fixture
def mark() -> str:
    return new_mark()


@pytest.fixture
def errand_of(scripted_gateway: Gateway, tmp_path: Path, mark: str):
    """Makes the errand for one model, in fresh folders."""

    def make(model: str) -> Errand:
        home, folder = tmp_path / "home", tmp_path / "work"
        home.mkdir()
        folder.mkdir()
        prompt = errand(mark, folder / "made.txt")
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
