"""Tools for Kiro: ``toolSpecification`` with the service's limits on names, descriptions and total size.

Limits (names of 64 characters, descriptions of 10,240 bytes, some 20 KB for all definitions) were learnt
from the service's refusals by other clients: docs/protocols/kiro.md.
"""

from __future__ import annotations

import re

from providers.translation import names, web_search
from providers.translation.codec import Untranslatable
from providers.translation.codecs.kiro.encoding import Encoding
from providers.translation.json_text import dump_bytes, dumps
from providers.translation.model import Json, Request, Tool, ToolCall
from providers.translation.names import NameMap
from providers.values import Format

Block = dict[str, Json]

_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")
_NAME_LIMIT = 64
_LONGEST_DESCRIPTION = 10_240
_ALL_TOOLS = 20_000
_SHORTEST_DESCRIPTION = 60
_CUSTOM_SCHEMA: Block = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}
_REFUSED = frozenset({"additionalProperties", "$schema"})
"""Keywords with which a definition is "improperly formed" to the service."""
_NEEDED = frozenset({"type", "properties", "required", "items", "enum", "anyOf", "oneOf", "allOf", "const"})
"""What stays of a schema when the definitions are too large together; ``$ref`` keeps everything."""
REMOTE_SEARCH = "remote_web_search"
"""The service's name for a web search that the client runs, at the service's own MCP endpoint."""
_SEARCH: Block = {
    "name": REMOTE_SEARCH,
    "description": "Search the web. Returns titles, addresses and excerpts of what was found.",
    "inputSchema": {
        "json": {
            "type": "object",
            "properties": {"query": {"type": "string", "description": "What to search for."}},
            "required": ["query"],
        }
    },
}
_BY_NAME = frozenset({"properties", "$defs", "definitions", "patternProperties"})
"""Keywords under which keys are names and not keywords."""


def build_names(request: Request) -> NameMap:
    """The map for every tool name in the request: definitions, choice, and calls in history."""
    wanted = [tool.name for tool in request.tools if tool.kind in ("function", "custom")]
    if request.tool_choice:
        wanted += request.tool_choice.names
    wanted += [
        part.name for turn in request.turns for part in turn.parts if isinstance(part, ToolCall) and part.name
    ]
    return names.build(wanted, illegal=_ILLEGAL, limit=_NAME_LIMIT)


def is_search_alone(request: Request) -> bool:
    """Whether a web search is the one tool that the client offers: then the gateway runs it."""
    return bool(request.tools) and all(tool.kind == "web_search" for tool in request.tools)


def encode_tools(request: Request, encoding: Encoding) -> list[Block]:
    """The definitions. A duplicate name keeps its first; a tool that runs at another vendor is dropped,
    unless the client insists on it."""
    choice = request.tool_choice
    if is_search_alone(request):
        for n, tool in enumerate(request.tools):
            for lost in web_search.lost(tool, f"tools[{n}]", Format.KIRO, ("max_uses",)):
                encoding.drop(lost)
        return [{"toolSpecification": _SEARCH}]
    allowed = set(choice.names) if choice and choice.mode == "allowed" else None
    tools: dict[str, Block] = {}
    for n, tool in enumerate(request.tools):
        if allowed is not None and tool.name not in allowed:
            continue
        encoding.drop_foreign(tool, f"tools[{n}]")
        if tool.kind not in ("function", "custom"):
            encoding.drop(f"tools[{n}].{tool.kind}")
        elif tool.name in tools:
            encoding.drop(f"tools[{n}]")
        else:
            if tool.strict:
                encoding.drop(f"tools[{n}].strict")
            tools[tool.name] = _definition(tool, encoding)
    if choice and choice.mode in ("one", "required") and request.tools:
        wanted = choice.names[0] if choice.mode == "one" and choice.names else None
        if not tools or (wanted is not None and wanted not in tools):
            raise Untranslatable("tool_choice asks for a tool that Kiro does not have", param="tool_choice")
    return [{"toolSpecification": tool} for tool in _fitted(list(tools.values()))]


def choice_in_words(request: Request, encoding: Encoding) -> str:
    """The service has no tool choice; "" where nothing needs to be said."""
    choice = request.tool_choice
    if choice is None or not request.tools:
        return ""
    if choice.mode == "one" and choice.names:
        name = REMOTE_SEARCH if is_search_alone(request) else encoding.names.mangle(choice.names[0])
        return f"Answer by calling the tool {name}, and in no other way."
    if choice.mode == "required" or (choice.mode == "allowed" and choice.required):
        return "Answer by calling at least one of the tools, and in no other way."
    return "Answer without calling any tool." if choice.mode == "none" else ""


def _definition(tool: Tool, encoding: Encoding) -> Block:
    name = encoding.names.mangle(tool.name)
    description = (tool.description or "").strip() or f"The tool {name}."
    schema = _CUSTOM_SCHEMA
    if tool.kind == "function":
        schema = _schema(tool.schema or {})
        schema = schema if schema.get("type") == "object" else {"type": "object", "properties": {}} | schema
    elif tool.grammar:
        description += f"\n\nThe input must match this format: {dumps(tool.grammar)}"
    return {
        "name": name,
        "description": _cut(description, _LONGEST_DESCRIPTION),
        "inputSchema": {"json": schema},
    }


def _schema(node: Json, *, by_name: bool = False) -> Json:
    """``node`` without what the service refuses, at any depth."""
    if isinstance(node, list):
        return [_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    if by_name:
        return {name: _schema(value) for name, value in node.items()}
    return {
        key: _schema(value, by_name=key in _BY_NAME)
        for key, value in node.items()
        if key not in _REFUSED and not (key == "required" and not value)
    }


def _fitted(tools: list[Block]) -> list[Block]:
    """The definitions within the limit as far as possible: first without the schemas' prose, then with
    shorter descriptions, each in proportion."""
    if _size(tools) <= _ALL_TOOLS:
        return tools
    tools = [{**tool, "inputSchema": {"json": _bare(tool["inputSchema"]["json"])}} for tool in tools]
    surplus = _size(tools) - _ALL_TOOLS
    if surplus <= 0:
        return tools
    prose = sum(len(tool["description"].encode()) for tool in tools)
    share = max(0.0, 1 - surplus / prose)
    return [
        {
            **tool,
            "description": _cut(
                tool["description"],
                max(_SHORTEST_DESCRIPTION, int(len(tool["description"].encode()) * share)),
            ),
        }
        for tool in tools
    ]


def _bare(node: Json, *, by_name: bool = False) -> Json:
    if isinstance(node, list):
        return [_bare(item) for item in node]
    if not isinstance(node, dict):
        return node
    if by_name:
        return {name: _bare(value) for name, value in node.items()}
    if "$ref" in node or "$defs" in node or "definitions" in node:
        return node
    return {
        key: value if key in ("enum", "required", "const") else _bare(value, by_name=key in _BY_NAME)
        for key, value in node.items()
        if key in _NEEDED
    }


def _size(tools: list[Block]) -> int:
    return len(dump_bytes(tools))


def _cut(text: str, limit: int) -> str:
    """At most ``limit`` bytes of UTF-8, whole characters only."""
    raw = text.encode()
    return text if len(raw) <= limit else raw[: limit - 3].decode("utf-8", "ignore") + "…"
