"""Tools in groups (``namespace``, as Codex sends those of its MCP servers) for a server that knows functions
alone: flat on the way up, with group and own name again on the way down.

Names as CLIProxyAPI v7 makes them: ``<namespace>__<tool>``, and a name that begins with ``mcp__`` stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

Block = dict[str, Any]
Grouped: TypeAlias = Mapping[str, tuple[str, str]]
"""Flat name -> the group and the name in it."""
NO_GROUPS: Grouped = MappingProxyType({})

_WHOLE = "mcp__"


def flat_name(namespace: str, name: str) -> str:
    return name if name.startswith(_WHOLE) else f"{namespace}__{name}"


def members_of(tool: Block) -> list[tuple[str, Block]]:
    """The functions of a group: each one's own name, and its definition under the flat name."""
    namespace, listed = tool.get("name"), tool.get("tools")
    if not isinstance(namespace, str) or not isinstance(listed, list):
        return []
    return [
        (member["name"], {**member, "name": flat_name(namespace, member["name"])})
        for member in listed
        if isinstance(member, dict)
        and member.get("type", "function") == "function"
        and isinstance(member.get("name"), str)
    ]


def ungrouped(block: Block) -> Block:
    """A call, or the choice of a tool, without its group."""
    namespace, name = block.get("namespace"), block.get("name")
    if not isinstance(namespace, str) or not isinstance(name, str):
        return block
    rest = {key: value for key, value in block.items() if key != "namespace"}
    return {**rest, "name": flat_name(namespace, name)}


def regrouped(item: Block, grouped: Grouped) -> Block:
    """A call as the client knows it."""
    found = grouped.get(item.get("name", "")) if item.get("type") == "function_call" else None
    return {**item, "namespace": found[0], "name": found[1]} if found is not None else item
