"""docs/clients.md tells of the versions that the tests run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PINNED = json.loads((REPOSITORY / "tests" / "package.json").read_text(encoding="utf-8"))["dependencies"]
UPSTREAMS = {"@copilotkit/aimock"}


@pytest.mark.parametrize("package", sorted(set(PINNED) - UPSTREAMS))
def test_the_pinned_version_of_a_client_is_the_one_told_of(package):
    page = (REPOSITORY / "docs" / "clients.md").read_text(encoding="utf-8")
    assert f"| `{package}` | {PINNED[package]} |" in page
