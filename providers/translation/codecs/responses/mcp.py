"""MCP servers in the tools of a Responses request: ``{"type": "mcp", "server_label", "server_url", …}``.

Source: the type ``Mcp`` of the official Python SDK (3.x). Calls wait for an approval unless
``require_approval`` is ``never``, which no other vendor can do.
"""

from __future__ import annotations

from providers.translation.model import Json, McpServer, Tool

Block = dict[str, Json]
_CARRIED = frozenset(
    {"type", "server_label", "server_url", "authorization", "headers", "allowed_tools", "require_approval"}
)


def decode(item: Block) -> McpServer | None:
    """The server, None when only OpenAI can keep to what was asked (approvals, filters, its connectors)."""
    url, token, headers = item.get("server_url"), item.get("authorization"), item.get("headers")
    if not isinstance(url, str) or item.get("require_approval") != "never":
        return None
    allowed = item.get("allowed_tools")
    if isinstance(allowed, dict) and allowed.keys() == {"tool_names"}:
        allowed = allowed["tool_names"]
    if allowed is not None and not (
        isinstance(allowed, list) and all(isinstance(one, str) for one in allowed)
    ):
        return None
    headers = headers if isinstance(headers, dict) else {}
    return McpServer(
        url=url,
        token=token if isinstance(token, str) else None,
        headers={name: value for name, value in headers.items() if isinstance(value, str)},
        allowed=None if allowed is None else tuple(allowed),
        also=tuple(sorted(item.keys() - _CARRIED)),
    )


def encode(tool: Tool, server: McpServer) -> Block:
    block: Block = {
        "type": "mcp",
        "server_label": tool.name,
        "server_url": server.url,
        "require_approval": "never",
    }
    if server.token is not None:
        block["authorization"] = server.token
    if server.headers:
        block["headers"] = server.headers
    if server.allowed is not None:
        block["allowed_tools"] = list(server.allowed)
    return block
