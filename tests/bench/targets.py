"""What is measured: this gateway, the bare prototype, LiteLLM's proxy, Portkey's gateway.

Each target is started alone, on one process, and answers ``POST /v1/chat/completions``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.processes import BENCH_DIR, REPOSITORY, Running

CLIENT_KEY = "sk-bench-client-key"

SCENARIOS = {
    "small-pass": "A small chat completion, OpenAI upstream",
    "small-translate": "A small chat completion, Anthropic upstream (translated)",
    "stream-pass": "A stream of 200 chunks, OpenAI upstream, bytes pass",
    "stream-edit": "A stream of 200 chunks, OpenAI upstream behind an alias (model name edited in every one)",
    "stream-translate": "A stream of 200 chunks, Anthropic upstream (every chunk translated)",
}
"""Key and heading, in the order of the report."""


@dataclass(frozen=True)
class Call:
    """How one scenario is asked of one target."""

    model: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    name: str
    server: str
    """What the ratio to the prototype compares: equal servers. ``""`` for foreign programs."""

    def call(self, scenario: str) -> Call | None:
        """None when the target does not do this scenario."""
        raise NotImplementedError

    def start(self, scenario: str, port: int, upstream: int, folder: Path) -> Running:
        raise NotImplementedError

    ready_path = "/health"
    restarts = False
    """A new process per scenario, for targets whose upstream is fixed at start."""

    def install(self) -> None:
        """Put a foreign program into ``.bench/``; installed by name, once."""


def _authorized(model: str) -> Call:
    return Call(model, {"authorization": f"Bearer {CLIENT_KEY}"})


@dataclass(frozen=True)
class Gateway(Target):
    def call(self, scenario: str) -> Call | None:
        return _authorized(scenario)

    def start(self, scenario: str, port: int, upstream: int, folder: Path) -> Running:
        config = folder / "config.yaml"
        config.write_text(gateway_config(port, upstream))
        return Running(
            [sys.executable, "manage.py", "serve", "--config", str(config), "--server", self.server],
            log=folder / "gateway.log",
            env={"CLIPROXY_DATA_DIR": str(folder / "data"), "CLIPROXY_LOG_LEVEL": "INFO"},
        )


def gateway_config(port: int, upstream: int) -> str:
    lines = ["host: 127.0.0.1", f"port: {port}", f'api-keys: ["{CLIENT_KEY}"]', "openai-compatibility:"]
    for shape in ("small", "stream"):
        lines += [
            f"  - name: nginx-{shape}",
            f"    base-url: http://127.0.0.1:{upstream}/{shape}/v1",
            "    api-key-entries:",
            "      - api-key: upstream-key",
            "    models:",
            f"      - {{name: {shape}-pass, alias: {shape}-pass}}",
            f"      - {{name: {shape}, alias: {shape}-edit, force-mapping: true}}",
        ]
    lines.append("claude-api-key:")
    for shape in ("small", "stream"):
        lines += [
            f"  - api-key: upstream-key-{shape}",
            f"    base-url: http://127.0.0.1:{upstream}/{shape}",
            "    models:",
            f"      - {{name: claude-{shape}, alias: {shape}-translate}}",
        ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Prototype(Target):
    restarts = True
    ready_path = "/"

    def call(self, scenario: str) -> Call | None:
        if scenario == "small-translate":
            return None
        return Call("pass" if scenario.endswith("-pass") else "rewrite")

    def start(self, scenario: str, port: int, upstream: int, folder: Path) -> Running:
        application = "tests.bench.prototype:application"
        address = ["--port", str(port)]
        if self.server == "daphne":
            command = ["daphne", "--bind", "127.0.0.1", "--access-log", os.devnull, *address, application]
        else:
            command = ["uvicorn", "--no-access-log", "--lifespan", "off", *address, application]
        shape = scenario.partition("-")[0]
        return Running(
            [sys.executable, "-m", *command],
            log=folder / "prototype.log",
            env={"BENCH_UPSTREAM": f"http://127.0.0.1:{upstream}/{shape}/v1"},
        )


@dataclass(frozen=True)
class LiteLLM(Target):
    ready_path = "/health/liveliness"

    def call(self, scenario: str) -> Call | None:
        return None if scenario == "stream-edit" else _authorized(scenario)

    def install(self) -> None:
        folder = BENCH_DIR / "litellm"
        if not (folder / "bin" / "litellm").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", "litellm[proxy]"], check=True)

    def start(self, scenario: str, port: int, upstream: int, folder: Path) -> Running:
        lines = ["model_list:"]
        for shape in ("small", "stream"):
            for name, model, base in (
                (f"{shape}-pass", f"openai/{shape}", f"{shape}/v1"),
                (f"{shape}-translate", f"anthropic/claude-{shape}", shape),
            ):
                lines += [
                    f"  - model_name: {name}",
                    f"    litellm_params: {{model: {model}, api_key: upstream-key,"
                    f' api_base: "http://127.0.0.1:{upstream}/{base}"}}',
                ]
        lines += ["general_settings:", f"  master_key: {CLIENT_KEY}"]
        config = folder / "litellm.yaml"
        config.write_text("\n".join(lines) + "\n")
        program = BENCH_DIR / "litellm" / "bin" / "litellm"
        return Running(
            [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)],
            log=folder / "litellm.log",
            cwd=folder,
            env={
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_TELEMETRY": "False",
                "LITELLM_LOG": "ERROR",
            },
        )


@dataclass(frozen=True)
class Portkey(Target):
    restarts = True
    ready_path = "/"

    def call(self, scenario: str) -> Call | None:
        if scenario == "stream-edit":
            return None
        return Call("claude-x" if scenario.endswith("translate") else "gpt-x", {"x-bench": scenario})

    def install(self) -> None:
        folder = BENCH_DIR / "portkey"
        if not (folder / "node_modules" / "@portkey-ai").exists():
            folder.mkdir(parents=True, exist_ok=True)
            # Its streams fail ("immutable" headers) on newer versions of the server it asks for loosely.
            (folder / "package.json").write_text(
                '{"private": true, "overrides": {"@hono/node-server": "1.14.1"}}\n'
            )
            npm = shutil.which("npm") or "npm"
            subprocess.run(
                [npm, "install", "--no-audit", "--no-fund", "@portkey-ai/gateway"], cwd=folder, check=True
            )

    def start(self, scenario: str, port: int, upstream: int, folder: Path) -> Running:
        program = BENCH_DIR / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
        return Running(
            [shutil.which("node") or "node", str(program), f"--port={port}", "--headless"],
            log=folder / "portkey.log",
            env={"NODE_ENV": "production"},
        )


def request_headers(target: Target, call: Call, scenario: str, upstream: int) -> dict[str, str]:
    """Portkey is told its upstream by header; the others know it from their configuration."""
    if not isinstance(target, Portkey):
        return dict(call.headers)
    shape, _, mode = scenario.partition("-")
    provider = "anthropic" if mode == "translate" else "openai"
    return {
        "authorization": "Bearer upstream-key",
        "x-portkey-provider": provider,
        "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/{shape}/v1",
    }


TARGETS: tuple[Target, ...] = (
    Prototype("prototype-daphne", "daphne"),
    Prototype("prototype-uvicorn", "uvicorn"),
    Gateway("gateway-daphne", "daphne"),
    Gateway("gateway-uvicorn", "uvicorn"),
    LiteLLM("litellm", ""),
    Portkey("portkey", ""),
)

__all__ = ["CLIENT_KEY", "REPOSITORY", "SCENARIOS", "TARGETS", "Call", "Target", "request_headers"]
