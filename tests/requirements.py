"""What a test needs beyond Python: used when present, skipped with a stated reason when not.

With ``CLIPROXY_REQUIRE_SERVICES=1`` (``.ci/run`` sets it) such a skip is a failure.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
AIMOCK = TESTS / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"


def requires(*names: str) -> None:
    """Skip the running test unless every named thing is here.

    Names: ``chromium``, ``postgresql`` and ``redis`` (a server of ours, by environment), ``node``,
    ``aimock``, ``curl``, ``nginx``, ``wrk``.
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
        case "aimock":
            if not shutil.which("node"):
                return "Node is not installed"
            return "" if AIMOCK.exists() else "aimock is not installed (npm ci in tests/)"
        case "chromium" | "curl" | "node" | "nginx" | "wrk":
            return "" if shutil.which(name) else f"{name} is not installed"
        case _:
            raise ValueError(f"unknown requirement {name!r}")


def _unless_set(variable: str, what: str) -> str:
    return "" if os.environ.get(variable) else f"{variable} names no {what.removeprefix('a ')}"
