"""MCP servers: what other vendors would keep to is told to them, anything else stays with OpenAI."""

from __future__ import annotations

import pytest

from providers.translation.model import McpServer, Tool
from tests.unit.providers.translation.codecs.responses.wire import decode_request, encode, make_request

SERVER = {"type": "mcp", "server_label": "dw", "server_url": "https://a.example", "require_approval": "never"}


def test_a_server_that_asks_nobody_is_read():
    more = {
        "authorization": "t",
        "headers": {"x-a": "b"},
        "allowed_tools": ["look"],
        "server_description": "d",
    }
    (tool,) = decode_request(tools=[{**SERVER, **more}]).tools
    assert tool.name == "dw"
    assert tool.mcp == McpServer(
        url="https://a.example",
        token="t",
        headers={"x-a": "b"},
        allowed=("look",),
        also=("server_description",),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"require_approval": "always"},
        {"require_approval": None},
        {"require_approval": {"never": {"tool_names": ["look"]}}},
        {"allowed_tools": {"read_only": True}},
        {"server_url": None, "connector_id": "connector_gmail"},
    ],
)
def test_what_only_openai_can_keep_to_is_told_nobody_else(changes):
    (tool,) = decode_request(tools=[{**SERVER, **changes}]).tools
    assert (tool.kind, tool.mcp) == ("mcp", None)


def test_a_filter_by_name_is_a_list_of_names():
    (tool,) = decode_request(tools=[{**SERVER, "allowed_tools": {"tool_names": ["look"]}}]).tools
    assert tool.mcp.allowed == ("look",)


def test_a_server_of_another_vendor_is_written_in_full():
    server = McpServer(url="https://a.example", token="t", headers={"x": "y"}, allowed=("look",))
    body = encode(make_request(tools=(Tool(name="dw", kind="mcp", mcp=server),)))
    assert body["tools"] == [
        {**SERVER, "authorization": "t", "headers": {"x": "y"}, "allowed_tools": ["look"]}
    ]


def test_one_that_denies_single_tools_is_not():
    server = McpServer(url="https://a.example", is_portable=False)
    assert "tools" not in encode(make_request(tools=(Tool(name="dw", kind="mcp", mcp=server),)))
