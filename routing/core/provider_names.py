"""Which provider a person means: its key, its name, or one of the spellings that tools use. Pure.

The other spellings are those of cliproxyapi-plusplus, whose monitoring scripts ask by them.
"""

from __future__ import annotations

from collections.abc import Iterable

from routing.core.table import ProviderEntry

SPELLINGS = {
    "github-copilot": "copilot",
    "githubcopilot": "copilot",
    "ampcode": "amp",
    "amp-code": "amp",
    "kilo-code": "kilo",
    "kilocode": "kilo",
    "kiloai": "kilo",
    "roo-code": "roo",
    "roocode": "roo",
}
VENDORS = frozenset(
    {
        "nim",
        "kilo",
        "minimax",
        "glm",
        "openrouter",
        "antigravity",
        "claude",
        "codex",
        "gemini",
        "roo",
        "kiro",
        "cursor",
    }
)
"""Under these names the figures of several entries (``claude-2``, ``openrouter-eu``) are told together."""


def canonical(name: str) -> str:
    """One spelling for a name: lower case, without the variants of ``SPELLINGS``."""
    lower = name.strip().lower()
    return "gemini" if lower.startswith("droid") else SPELLINGS.get(lower, lower)


def figure_name(key: str) -> str:
    """Under which name ``/v1/metrics/providers`` tells the figures of the provider ``key``."""
    name = canonical(key)
    head = name.partition("-")[0]
    return head if head in VENDORS else name


def find_provider(providers: Iterable[ProviderEntry], name: str) -> ProviderEntry | None:
    """The provider that ``name`` means: by key, by its own name, by another spelling, else the first of the
    kind of that name."""
    known = list(providers)
    wanted = canonical(name)
    tests = (
        lambda entry: entry.key == name,
        lambda entry: entry.key.lower() == name.strip().lower(),
        lambda entry: entry.name.strip().lower() == name.strip().lower(),
        lambda entry: canonical(entry.key) == wanted,
        lambda entry: canonical(entry.adapter) == wanted,
    )
    for test in tests:
        for entry in known:
            if test(entry):
                return entry
    return None
