"""MCP servers of Anthropic's beta, in both of its generations, and those of other vendors."""

from __future__ import annotations

import pytest
from anthropic.types.beta import BetaMCPToolsetParam, BetaRequestMCPServerURLDefinitionParam
from pydantic import TypeAdapter

from providers.translation.codec import Capabilities, MalformedRequest, Untranslatable
from providers.translation.codecs.claude.codec import CODEC
from providers.translation.model import McpServer, Tool, ToolChoice
from tests.unit.providers.translation.codecs.claude.wire import make_request

SDK_SERVER = TypeAdapter(BetaRequestMCPServerURLDefinitionParam)
SDK_TOOLSET = TypeAdapter(BetaMCPToolsetParam)
SERVER = {"type": "url", "name": "dw", "url": "https://a.example", "authorization_token": "t"}
CONFIGURATION = "mcp_servers.dw.tool_configuration"
TOOLSET = {"type": "mcp_toolset", "mcp_server_name": "dw"}


def decode(*tools, servers=(SERVER,)):
    hi = [{"role": "user", "content": "Hi"}]
    body = {"model": "m", "max_tokens": 5, "messages": hi, "tools": list(tools), "mcp_servers": list(servers)}
    return CODEC.decode_request(body)


def encode(*tools, **fields):
    encoded = CODEC.encode_request(make_request(tools=tools, **fields), "m", Capabilities())
    for server in encoded.body.get("mcp_servers", ()):
        SDK_SERVER.validate_python(server)
    for tool in encoded.body.get("tools", ()):
        SDK_TOOLSET.validate_python(tool)
    return encoded


@pytest.mark.parametrize(
    ("config", "allowed", "is_portable"),
    [
        ({}, None, True),
        ({"configs": {"look": {"defer_loading": True}}}, None, True),
        (
            {"default_config": {"enabled": False}, "configs": {"look": {"enabled": True}, "b": {}}},
            ("look",),
            True,
        ),
        ({"configs": {"look": {"enabled": False}}}, None, False),
    ],
)
def test_a_toolset_and_its_server_are_one_tool_and_go_back_as_they_came(config, allowed, is_portable):
    (tool,) = decode({**TOOLSET, **config}).tools
    assert (tool.name, tool.kind, tool.mcp.url, tool.mcp.token) == ("dw", "mcp", "https://a.example", "t")
    assert (tool.mcp.allowed, tool.mcp.is_portable) == (allowed, is_portable)
    encoded = encode(tool)
    assert encoded.body["mcp_servers"] == [SERVER]
    assert encoded.body["tools"] == [{**TOOLSET, **config}]
    assert encoded.headers == {"anthropic-beta": "mcp-client-2025-11-20"}


def test_a_server_of_the_older_generation_needs_no_toolset():
    server = {**SERVER, "tool_configuration": {"enabled": True, "allowed_tools": ["look"]}}
    (tool,) = decode(servers=[server]).tools
    assert tool.mcp.allowed == ("look",)
    encoded = encode(tool)
    assert encoded.body["mcp_servers"] == [server]
    assert "tools" not in encoded.body
    assert encoded.headers == {"anthropic-beta": "mcp-client-2025-04-04"}


def test_a_server_of_another_vendor_gets_a_toolset():
    server = McpServer(url="https://a.example", token="t", headers={"x": "y"}, allowed=("look",), also=("k",))
    encoded = encode(Tool(name="dw", kind="mcp", mcp=server))
    assert encoded.body["mcp_servers"] == [SERVER]
    assert encoded.body["tools"] == [
        {**TOOLSET, "default_config": {"enabled": False}, "configs": {"look": {"enabled": True}}}
    ]
    assert encoded.dropped == ("tools[0].headers", "tools[0].k")


def test_no_word_makes_the_model_call_a_server():
    tool = Tool(name="dw", kind="mcp", mcp=McpServer(url="https://a.example"))
    with pytest.raises(Untranslatable):
        encode(tool, tool_choice=ToolChoice(mode="one", names=("dw",)))


def test_a_toolset_without_its_server_stays_anthropics():
    (tool,) = decode(TOOLSET, servers=()).tools
    assert tool.mcp is None
    assert encode(tool).body["tools"] == [TOOLSET]


@pytest.mark.parametrize(
    ("tools", "servers", "param"),
    [
        ([], [7], "mcp_servers[0]"),
        ([], [{"type": "url", "url": "https://a"}], "mcp_servers[0].name"),
        ([], [{"type": "url", "name": "a"}], "mcp_servers[0].url"),
        ([], [{**SERVER, "tool_configuration": {"allowed_tools": 7}}], f"{CONFIGURATION}.allowed_tools"),
        ([{"type": "mcp_toolset"}], [], "tools[0].mcp_server_name"),
        ([{**TOOLSET, "configs": {"a": 7}}], [SERVER], "tools[0].configs.a"),
        ([{**TOOLSET, "default_config": 7}], [SERVER], "tools[0].default_config"),
    ],
)
def test_a_fault_names_its_field(tools, servers, param):
    with pytest.raises(MalformedRequest) as caught:
        decode(*tools, servers=servers)
    assert caught.value.param == param
