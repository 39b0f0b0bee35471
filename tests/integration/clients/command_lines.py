"""The real command-line clients, run once each without a terminal: how each is pointed at a gateway.

Every run has a HOME of its own and an environment without anything of the machine's but PATH, so that neither
a developer's settings nor keys steer it. Telemetry and updates are off.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.requirements import PACKAGES

RUN_WITHIN_S = 90
OFF = {
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DO_NOT_TRACK": "1",
    "OTEL_SDK_DISABLED": "true",
}
CODEX_CONFIG = """\
model = "{model}"
model_provider = "gateway"
check_for_update_on_startup = false

[model_providers.gateway]
name = "gateway"
base_url = "{url}/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"
supports_websockets = {websockets}

[analytics]
enabled = false

[otel]
exporter = "none"
"""
GEMINI_SETTINGS = {
    "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}},
    "privacy": {"usageStatisticsEnabled": False},
    "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    "telemetry": {"enabled": False},
}


@dataclass(frozen=True)
class Errand:
    """One run of a client: where the gateway is, what to ask of which model, where to do it."""

    url: str
    key: str
    model: str
    prompt: str
    home: Path
    folder: Path
    picture: Path | None = None
    """A picture that is sent along with the prompt, by those clients that can."""


@dataclass(frozen=True)
class Outcome:
    code: int
    output: str
    log: str


def clean_run(command: list[str], home: Path, folder: Path, environment: dict[str, str]) -> Outcome:
    """Run ``command`` to its end, with ``environment`` and nothing of this process's own but PATH."""
    own = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "TERM": "dumb", **OFF}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**own, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_WITHIN_S,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def run(errand: Errand, command: list[str], environment: dict[str, str]) -> Outcome:
    return clean_run(command, errand.home, errand.folder, environment)


def claude_code(errand: Errand) -> Outcome:
    """``claude -p``. Both of its models, the main one and the small one, are the errand's."""
    command = ["node", str(PACKAGES["claude-code"]), "-p", errand.prompt, "--output-format", "text"]
    command += ["--permission-mode", "acceptEdits", "--allowedTools", "Read,Write,Bash"]
    return run(
        errand,
        command,
        {
            "ANTHROPIC_BASE_URL": errand.url,
            "ANTHROPIC_AUTH_TOKEN": errand.key,
            "ANTHROPIC_MODEL": errand.model,
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": errand.model,
        },
    )


def codex(errand: Errand, websockets: bool = False) -> Outcome:
    """``codex exec`` with a provider of its own. It calls its helpers by name only outside of TMPDIR."""
    settings = errand.home / ".codex"
    settings.mkdir()
    config = CODEX_CONFIG.format(model=errand.model, url=errand.url, websockets=str(websockets).lower())
    (settings / "config.toml").write_text(config, encoding="utf-8")
    command = ["node", str(PACKAGES["codex"]), "exec", "--skip-git-repo-check"]
    command += ["--dangerously-bypass-approvals-and-sandbox", errand.prompt]
    if errand.picture is not None:
        command += ["-i", str(errand.picture)]
    return run(errand, command, {"GATEWAY_KEY": errand.key, "CODEX_HOME": str(settings)})


def gemini_cli(errand: Errand) -> Outcome:
    """``gemini -p``, authenticated by a key as its settings say."""
    settings = errand.home / ".gemini"
    settings.mkdir()
    (settings / "settings.json").write_text(json.dumps(GEMINI_SETTINGS), encoding="utf-8")
    prompt = errand.prompt if errand.picture is None else f"{errand.prompt} @{errand.picture.name}"
    command = ["node", str(PACKAGES["gemini-cli"]), "--yolo", "-m", errand.model, "-p", prompt]
    return run(
        errand,
        command,
        {
            "GOOGLE_GEMINI_BASE_URL": errand.url,
            "GEMINI_API_KEY": errand.key,
            "GEMINI_CLI_NO_RELAUNCH": "true",
            "GEMINI_TELEMETRY_ENABLED": "false",
        },
    )


CLIENTS: dict[str, Callable[[Errand], Outcome]] = {
    "claude-code": claude_code,
    "codex": codex,
    "gemini-cli": gemini_cli,
}
