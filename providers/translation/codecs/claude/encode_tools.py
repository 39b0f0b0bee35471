"""Tools and tool choice for Anthropic: ``{name, description, input_schema}`` and server tools."""

from __future__ import annotations

import re

from providers.translation import names
from providers.translation.budget import Budget
from providers.translation.codec import Capabilities, Untranslatable
from providers.translation.codecs.claude import mcp
from providers.translation.codecs.claude.encode_blocks import Block, Encoding, mark, own
from providers.translation.codecs.claude.schema import WRAPPED, output_schema, tool_schema
from providers.translation.json_text import dumps
from providers.translation.model import Json, Request, Tool, ToolCall
from providers.translation.names import NameMap
from providers.translation.web_search import approximate, lost
from providers.values import Format

_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")
_NAME_LIMIT = 64

_SERVER_TOOLS: dict[str, Block] = {
    "web_search": {"type": "web_search_20250305", "name": "web_search"},
    "url_context": {"type": "web_fetch_20250910", "name": "web_fetch"},
    "code_execution": {"type": "code_execution_20250825", "name": "code_execution"},
}
"""Counterparts of other formats' built-in tools, in the oldest dated form that is generally available."""

_SEARCH_FIELDS = ("allowed_domains", "blocked_domains", "location", "max_uses")

_CUSTOM_SCHEMA: Block = {
    "type": "object",
    "properties": {WRAPPED: {"type": "string"}},
    "required": [WRAPPED],
}


def build_names(request: Request) -> NameMap:
    """The map for every tool name in the request: definitions, forced choice, and calls in history."""
    wanted = [tool.name for tool in request.tools if tool.kind in ("function", "custom")]
    if request.tool_choice:
        wanted += request.tool_choice.names
    wanted += [
        part.name for turn in request.turns for part in turn.parts if isinstance(part, ToolCall) and part.name
    ]
    return names.build(wanted, illegal=_ILLEGAL, limit=_NAME_LIMIT)


def encode_tools(request: Request, capabilities: Capabilities, encoding: Encoding) -> dict[str, Json]:
    """``tools`` and ``tool_choice``, or neither, and ``mcp_servers``.

    A duplicate name keeps its first definition. A server tool without a counterpart is dropped, unless
    the client insists on calling it.
    """
    choice = request.tool_choice
    allowed = set(choice.names) if choice and choice.mode == "allowed" else None
    tools: list[Block] = []
    servers: list[Block] = []
    budget = Budget()
    wire_names: dict[str, Json] = {}
    for n, tool in enumerate(request.tools):
        where = f"tools[{n}]"
        if allowed is not None and tool.name not in allowed:
            continue
        if tool.mcp is not None:
            servers.append(mcp.encode_server(tool, tool.mcp))
            if mcp.has_no_toolset(tool):
                wire_names[tool.name] = None
                continue
        block = _tool(tool, where, capabilities, encoding, budget)
        if block is None or tool.name in wire_names:
            encoding.drop(where if block is not None else f"{where}.{tool.kind}")
            continue
        wire_names[tool.name] = block.get("name")
        tools.append(block)
    _check_forced(request, wire_names)
    called = {mcp.SERVERS: servers} if servers else {}
    if not tools:
        return called
    encoded = _choice(request, wire_names, encoding)
    return called | ({"tools": tools, "tool_choice": encoded} if encoded else {"tools": tools})


def is_forced(tool_fields: dict[str, Json]) -> bool:
    """Whether the encoded choice makes the model call something."""
    return tool_fields.get("tool_choice", {}).get("type") in ("any", "tool")


def _tool(
    tool: Tool, where: str, capabilities: Capabilities, encoding: Encoding, budget: Budget
) -> Block | None:
    raw = own(tool)
    if tool.kind not in ("function", "custom"):
        if "type" in raw:
            return mark(dict(raw), tool.cache)
        if tool.mcp is not None:
            lacking = ("headers",) if tool.mcp.headers else ()
            for name in (*lacking, *tool.mcp.also):
                encoding.drop(f"{where}.{name}")
            return mark(mcp.encode_toolset(tool, tool.mcp), tool.cache)
        block = dict(_SERVER_TOOLS.get(tool.kind, {}))
        if not block:
            return None
        for name in lost(tool, where, Format.CLAUDE, _SEARCH_FIELDS):
            encoding.drop(name)
        return mark(block | _search_options(tool), tool.cache)
    encoding.drop_foreign(tool, where)
    block = {"name": encoding.names.mangle(tool.name)}
    description = _custom_description(tool) if tool.kind == "custom" else tool.description
    if description:
        block["description"] = description
    block["input_schema"] = _CUSTOM_SCHEMA if tool.kind == "custom" else tool_schema(tool.schema, budget)
    if tool.strict and tool.kind == "function":
        # A strict schema is held to the dialect of structured output: one word more and all is refused.
        if capabilities.structured_output and output_schema(block["input_schema"]) == block["input_schema"]:
            block["strict"] = True
        else:
            encoding.drop(f"{where}.strict")
    return mark(block | raw, tool.cache)


def _search_options(tool: Tool) -> Block:
    """Anthropic takes allowed or blocked domains, not both."""
    wanted = tool.search
    if wanted is None:
        return {}
    options: Block = {}
    if wanted.allowed_domains:
        options["allowed_domains"] = list(wanted.allowed_domains)
    elif wanted.blocked_domains:
        options["blocked_domains"] = list(wanted.blocked_domains)
    if wanted.location is not None:
        options["user_location"] = approximate(wanted.location)
    if wanted.max_uses is not None:
        options["max_uses"] = wanted.max_uses
    return options


def _custom_description(tool: Tool) -> str | None:
    """The description, with the grammar in words: Anthropic cannot enforce one."""
    if not tool.grammar:
        return tool.description
    hint = f"The {WRAPPED} must match this format: {dumps(tool.grammar)}"
    return f"{tool.description}\n\n{hint}" if tool.description else hint


def _check_forced(request: Request, wire_names: dict[str, Json]) -> None:
    """Raise Untranslatable when the client insists on a tool that is not there any more."""
    choice = request.tool_choice
    if choice is None or not request.tools:
        return
    if choice.mode == "one":
        # No word makes the model call some tool of a server.
        servers = {tool.name for tool in request.tools if tool.kind == "mcp"}
        dropped = ({tool.name for tool in request.tools} - wire_names.keys()) | servers
        lost = bool(choice.names) and choice.names[0] in dropped
    else:
        lost = not wire_names and (choice.mode == "required" or choice.required)
    if lost:
        raise Untranslatable(
            "tool_choice asks for a tool that Anthropic models do not have", param="tool_choice"
        )


def _choice(request: Request, wire_names: dict[str, Json], encoding: Encoding) -> Block | None:
    choice = request.tool_choice
    mode = choice.mode if choice else None
    block: Block | None = None
    if choice and mode == "one" and choice.names:
        name = choice.names[0]
        block = {"type": "tool", "name": wire_names.get(name) or encoding.names.mangle(name)}
    elif choice and (mode == "required" or (mode == "allowed" and choice.required)):
        block = {"type": "any"}
    elif mode in ("auto", "none"):
        block = {"type": mode}
    if request.parallel is False and mode != "none":
        block = (block or {"type": "auto"}) | {"disable_parallel_tool_use": True}
    return block
