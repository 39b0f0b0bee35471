"""What ``config.yaml`` says, as JSON values: as it is written, with no ``${NAME}`` filled in. Pure."""

from __future__ import annotations

from typing import Any

from management_api.config.document import Mapping, Node, ScalarKind, Sequence
from management_api.config.fields import Reader
from management_api.config.problems import Findings

TEXTS = frozenset(
    {
        "api-key",
        "api-keys",
        "name",
        "alias",
        "prefix",
        "base-url",
        "proxy-url",
        "display-name",
        "excluded-models",
        "headers",
        "token-file",
        "secret-key",
        "api_key",
    }
)
"""Keys below which a number is the text that it is written as: an API key ``0123`` stays that."""


def plain(node: Node, name: str = "") -> Any:
    """``node``, the value of the key ``name``."""
    if isinstance(node, Mapping):
        return {
            key: plain(entry.value, name if name == "headers" else key) for key, entry in node.entries.items()
        }
    if isinstance(node, Sequence):
        return [plain(item, name) for item in node.items]
    if node.kind is ScalarKind.NULL:
        return None
    if node.kind is ScalarKind.TEXT or name in TEXTS:
        return node.text
    return Reader(Findings(""), {}).plain_of(node, 0, "")


def value_at(root: Mapping, *names: str) -> Any:
    """The value under a path of keys; None when it is absent."""
    node: Node = root
    for name in names:
        entry = node.entries.get(name) if isinstance(node, Mapping) else None
        if entry is None:
            return None
        node = entry.value
    return plain(node, names[-1] if names else "")
