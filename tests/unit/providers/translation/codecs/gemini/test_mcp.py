from __future__ import annotations

from google.genai import types

from providers.translation.codec import Capabilities
from providers.translation.codecs.gemini.codec import CODEC
from providers.translation.model import McpServer, Tool
from tests.unit.providers.translation.codecs.gemini.made import request

SERVER = {
    "name": "dw",
    "streamableHttpTransport": {
        "url": "https://a.example",
        "headers": {"Authorization": "Bearer t", "x": "y"},
    },
}
HI = [{"parts": [{"text": "Hi"}]}]


def decode(*tools):
    return CODEC.decode_request({"contents": HI, "tools": list(tools)}).tools


def encode(*tools):
    encoded = CODEC.encode_request(request(tools=tools), "x", Capabilities())
    for tool in encoded.body.get("tools", ()):
        types.Tool.model_validate(tool)
    return encoded


def test_a_server_is_read_and_goes_back_as_it_came():
    (tool,) = decode({"mcpServers": [SERVER]})
    assert (tool.name, tool.kind) == ("dw", "mcp")
    assert (tool.mcp.url, tool.mcp.token, tool.mcp.headers) == ("https://a.example", "t", {"x": "y"})
    assert encode(tool).body["tools"] == [{"mcpServers": [SERVER]}]


def test_servers_of_another_vendor_stand_in_one_object():
    one = McpServer(url="https://a.example", token="t", headers={"x": "y"}, also=("server_description",))
    tools = (Tool(name="dw", kind="mcp", mcp=one), Tool(name="b", kind="mcp", mcp=McpServer(url="https://b")))
    encoded = encode(*tools)
    transport = {"url": "https://a.example", "headers": {"x": "y", "Authorization": "Bearer t"}}
    assert encoded.body["tools"] == [
        {
            "mcpServers": [
                {"name": "dw", "streamableHttpTransport": transport},
                {"name": "b", "streamableHttpTransport": {"url": "https://b"}},
            ]
        }
    ]
    assert encoded.dropped == ("tools[0].server_description",)


def test_a_server_of_which_not_every_tool_may_be_called_is_named_and_left_out():
    few = McpServer(url="https://a.example", allowed=("look",))
    denied = McpServer(url="https://a.example", is_portable=False)
    encoded = encode(Tool(name="a", kind="mcp", mcp=few), Tool(name="b", kind="mcp", mcp=denied))
    assert "tools" not in encoded.body
    assert encoded.dropped == ("tools[0]", "tools[1]")


def test_a_server_without_an_address_stays_googles():
    (tool,) = decode({"mcp_servers": {"name": "dw"}})
    assert tool.mcp is None
    assert encode(tool).body["tools"] == [{"mcpServers": [{"name": "dw"}]}]
