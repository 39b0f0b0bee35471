"""What a test needs beyond Python: used when present, skipped with a stated reason when not.

With ``CLIPROXY_REQUIRE_SERVICES=1`` (``.ci/run`` sets it) such a skip is a failure.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
NODE_MODULES = TESTS / "node_modules"
AIMOCK = NODE_MODULES / "@copilotkit" / "aimock" / "dist" / "cli.js"
PACKAGES = {
    "aimock": AIMOCK,
    "claude-code": NODE_MODULES / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs",
    "codex": NODE_MODULES / "@openai" / "codex" / "bin" / "codex.js",
    "gemini-cli": NODE_MODULES / "@google" / "gemini-cli" / "bundle" / "gemini.js",
    "openai-node": NODE_MODULES / "openai" / "index.js",
    "anthropic-node": NODE_MODULES / "@anthropic-ai" / "sdk" / "index.js",
}
"""What ``node`` runs, or a file whose presence says that the package is installed."""


def requires(*names: str) -> None:
    """Skip the running test unless every named thing is here.

    Names: ``chromium``, ``postgresql`` and ``redis`` (a server of ours, by environment), ``node``,
    ``curl``, ``nginx``, ``wrk``, ``redis-server``, ``tinyproxy`` and ``microsocks`` (a program to start), and
    the npm packages of PACKAGES.
    """
    for name in names:
        if reason := missing(name):
            if os.environ.get("CLIPROXY_REQUIRE_SERVICES") == "1":
                pytest.fail(f"{reason} (and CLIPROXY_REQUIRE_SERVICES=1 makes this a failure)", pytrace=False)
            pytest.skip(reason)


def missing(name: str) -> str:
    """Why ``name`` cannot be used here, "" when it can."""
    match name:
        case "postgresql":
            return _unless_set("CLIPROXY_TEST_POSTGRES_URL", "a PostgreSQL server")
        case "redis":
            return _unless_set("CLIPROXY_TEST_REDIS_URL", "a Redis server")
        case _ if name in PACKAGES:
            if not shutil.which("node"):
                return "Node is not installed"
            return "" if PACKAGES[name].exists() else f"{name} is not installed (npm ci in tests/)"
        case "chromium" | "curl" | "microsocks" | "nginx" | "node" | "redis-server" | "tinyproxy" | "wrk":
            return "" if shutil.which(name) else f"{name} is not installed"
        case _:
            raise ValueError(f"unknown requirement {name!r}")


def _unless_set(variable: str, what: str) -> str:
    return "" if os.environ.get(variable) else f"{variable} names no {what.removeprefix('a ')}"
