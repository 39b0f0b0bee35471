"""MCP servers in the tools of a Gemini request: ``{"mcpServers": [{"name", "streamableHttpTransport"}]}``.

Source: the types ``McpServer`` and ``StreamableHttpTransport`` of google-genai 3.4. There is no list of the
tools that may be called, so a server with such a list is not handed over.
"""

from __future__ import annotations

from collections.abc import Iterable

from providers.translation.codecs.gemini.fields import Fields
from providers.translation.model import Json, McpServer, Original, Tool
from providers.values import Format

FIELD = "mcpServers"
_BEARER = "Bearer "


def decode(servers: list[Fields], raws: list[Json]) -> list[Tool]:
    """A tool for each server; one without an address is Google's own affair."""
    return [_tool(server, raw) for server, raw in zip(servers, raws, strict=True)]


def _tool(fields: Fields, raw: Json) -> Tool:
    name = fields.text("name") or "mcp"
    transport = fields.object("streamableHttpTransport")
    url = transport.text("url") if transport is not None else None
    if transport is None or not url:
        return Tool(name=name, kind="mcp", ext={Format.GEMINI: {FIELD: [raw]}})
    given = transport.raw_object("headers") or {}
    headers = {key: value for key, value in given.items() if isinstance(value, str)}
    token = None
    for key, value in list(headers.items()):
        if key.lower() == "authorization" and value.startswith(_BEARER):
            token = headers.pop(key).removeprefix(_BEARER)
    server = McpServer(url=url, token=token, headers=headers, original=Original(Format.GEMINI, raw))
    return Tool(name=name, kind="mcp", mcp=server)


def is_carried(tool: Tool) -> bool:
    return tool.mcp is not None and tool.mcp.allowed is None and tool.mcp.is_portable


def encode(tools: Iterable[Tool]) -> dict[str, Json] | None:
    """One tool object for all servers that can be told; None without any."""
    servers = [_server(tool, tool.mcp) for tool in tools if tool.mcp is not None and is_carried(tool)]
    return {FIELD: servers} if servers else None


def _server(tool: Tool, server: McpServer) -> Json:
    if server.original is not None and server.original.format is Format.GEMINI:
        return server.original.raw
    transport: dict[str, Json] = {"url": server.url}
    headers = dict(server.headers)
    if server.token is not None:
        headers["Authorization"] = _BEARER + server.token
    if headers:
        transport["headers"] = headers
    return {"name": tool.name, "streamableHttpTransport": transport}
