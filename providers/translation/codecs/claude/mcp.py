"""MCP servers of a request to Anthropic: ``mcp_servers`` in the body, an ``mcp_toolset`` among the tools.

A beta, in two generations: 2025-11-20 has toolsets; before, ``tool_configuration`` stood in the server and no
toolset was needed. Source: the beta types of the official Python SDK (``anthropic`` 2.11).
"""

from __future__ import annotations

from providers.translation.codecs.claude import fields
from providers.translation.model import Json, McpServer, Original, Tool
from providers.values import Format

Block = dict[str, Json]

SERVERS = "mcp_servers"
TOOLSET = "mcp_toolset"
BETA = "mcp-client-2025-11-20"
BETA_WITHOUT_TOOLSETS = "mcp-client-2025-04-04"


def decode_servers(raw: Json) -> dict[str, Block]:
    """The definitions by name."""
    servers = {}
    for n, item in enumerate(fields.optional_sequence(raw, SERVERS)):
        server = fields.mapping(item, f"{SERVERS}[{n}]")
        servers[fields.text(server.get("name"), f"{SERVERS}[{n}].name")] = server
        fields.text(server.get("url"), f"{SERVERS}[{n}].url")
    return servers


def decode_toolset(raw: Block, servers: dict[str, Block], param: str) -> tuple[str, McpServer | None]:
    """The server's name and what it is, None when it is not defined. Only Anthropic can deny single tools."""
    name = fields.text(raw.get("mcp_server_name"), f"{param}.mcp_server_name")
    server = servers.get(name)
    if server is None:
        return name, None
    default = fields.optional_mapping(raw.get("default_config"), f"{param}.default_config")
    configs = fields.optional_mapping(raw.get("configs"), f"{param}.configs")
    states = {
        tool: fields.mapping(config, f"{param}.configs.{tool}").get("enabled")
        for tool, config in configs.items()
    }
    if default.get("enabled") is False:
        return name, _server(server, tuple(tool for tool, state in states.items() if state))
    return name, _server(server, None, is_portable=False not in states.values())


def server_alone(name: str, server: Block) -> Tool:
    """A server that no toolset names: the older generation."""
    param = f"{SERVERS}.{name}.tool_configuration"
    config = fields.optional_mapping(server.get("tool_configuration"), param)
    allowed = config.get("allowed_tools")
    names = None
    if allowed is not None or config.get("enabled") is False:
        listed = [] if config.get("enabled") is False else fields.sequence(allowed, f"{param}.allowed_tools")
        names = tuple(fields.text(one, f"{param}.allowed_tools") for one in listed)
    return Tool(name=name, kind="mcp", mcp=_server(server, names))


def _server(raw: Block, allowed: tuple[str, ...] | None, *, is_portable: bool = True) -> McpServer:
    token = raw.get("authorization_token")
    return McpServer(
        url=raw["url"],
        token=token if isinstance(token, str) else None,
        allowed=allowed,
        is_portable=is_portable,
        original=Original(Format.CLAUDE, raw),
    )


def encode_server(tool: Tool, server: McpServer) -> Block:
    if server.original is not None and server.original.format is Format.CLAUDE:
        return server.original.raw
    block: Block = {"type": "url", "url": server.url, "name": tool.name}
    if server.token is not None:
        block["authorization_token"] = server.token
    return block


def encode_toolset(tool: Tool, server: McpServer) -> Block:
    block: Block = {"type": TOOLSET, "mcp_server_name": tool.name}
    if server.allowed is not None:
        block["default_config"] = {"enabled": False}
        block["configs"] = {name: {"enabled": True} for name in server.allowed}
    return block


def has_no_toolset(tool: Tool) -> bool:
    """Whether Anthropic's own older form stands for this tool: a server, and nothing among the tools."""
    server = tool.mcp
    is_own = server is not None and server.original is not None and server.original.format is Format.CLAUDE
    return is_own and Format.CLAUDE not in tool.ext
