from __future__ import annotations

import pytest

from providers.translation.model import (
    OutputConfig,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    WebSearch,
)
from providers.translation.model import (
    ToolChoice as Choice,
)
from providers.values import Format
from tests.unit.providers.translation.codecs.responses.wire import (
    assistant,
    decode_request,
    encode,
    encode_request,
    make_request,
    user,
)

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
OWN = Format.RESPONSES
NAMESPACE = {
    "type": "namespace",
    "name": "mcp__fs",
    "description": "Files",
    "tools": [
        {"type": "function", "name": "read", "parameters": SCHEMA, "strict": False},
        {"type": "custom", "name": "edit"},
    ],
}


def test_tools_of_every_kind():
    tools = decode_request(
        tools=[
            {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": True},
            {
                "type": "custom",
                "name": "patch",
                "description": "d",
                "format": {"type": "grammar", "syntax": "lark", "definition": "start: X"},
            },
            {"type": "web_search", "search_context_size": "low"},
            {"type": "web_search_preview"},
            {"type": "code_interpreter", "container": {"type": "auto"}},
            {"type": "mcp", "server_label": "docs", "server_url": "https://a"},
            {"type": "local_shell"},
        ]
    ).tools
    assert tools == (
        Tool(name="f", description="d", schema=SCHEMA, strict=True),
        Tool(
            name="patch",
            kind="custom",
            description="d",
            grammar={"type": "grammar", "syntax": "lark", "definition": "start: X"},
        ),
        Tool(
            name="web_search",
            kind="web_search",
            search=WebSearch(size="low"),
            ext={OWN: {"search_context_size": "low"}},
        ),
        Tool(name="web_search", kind="web_search", ext={OWN: {"type": "web_search_preview"}}),
        Tool(name="code_execution", kind="code_execution", ext={OWN: {"container": {"type": "auto"}}}),
        Tool(
            name="docs",
            kind="mcp",
            ext={OWN: {"type": "mcp", "server_label": "docs", "server_url": "https://a"}},
        ),
        Tool(name="local_shell", kind="local_shell", ext={OWN: {"type": "local_shell"}}),
    )


def test_a_grammar_is_flat_whichever_way_it_was_nested():
    flat = {"type": "grammar", "syntax": "lark", "definition": "start: x"}
    nested = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: x"}}
    for spelled in (flat, nested):
        assert (
            decode_request(tools=[{"type": "custom", "name": "p", "format": spelled}]).tools[0].grammar
            == flat
        )
        request = make_request(tools=(Tool(name="p", kind="custom", grammar=spelled),))
        assert encode(request)["tools"][0]["format"] == flat


def test_a_namespace_is_flattened_and_grouped_again():
    request = decode_request(
        tools=[NAMESPACE],
        tool_choice={"type": "function", "name": "read", "namespace": "mcp__fs"},
        input=[
            {
                "type": "function_call",
                "call_id": "c",
                "name": "read",
                "namespace": "mcp__fs",
                "arguments": "{}",
            }
        ],
    )
    assert [(tool.name, tool.namespace) for tool in request.tools] == [
        ("mcp__fs__read", "mcp__fs"),
        ("mcp__fs__edit", "mcp__fs"),
    ]
    assert request.tool_choice == Choice(mode="one", names=("mcp__fs__read",))
    assert request.turns[0].parts[0].name == "mcp__fs__read"
    body = encode(request)
    assert body["tools"] == [NAMESPACE]
    assert (body["input"][0]["name"], body["input"][0]["namespace"]) == ("read", "mcp__fs")


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("auto", Choice(mode="auto")),
        ("none", Choice(mode="none")),
        ("required", Choice(mode="required")),
        ({"type": "function", "name": "f"}, Choice(mode="one", names=("f",))),
        ({"type": "function", "function": {"name": "f"}}, Choice(mode="one", names=("f",))),
        ({"type": "custom", "name": "p"}, Choice(mode="one", names=("p",))),
        ({"type": "web_search_preview"}, Choice(mode="one", names=("web_search",))),
        ({"type": "mcp", "server_label": "docs"}, Choice(mode="one", names=("docs",))),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            Choice(mode="allowed", names=("f",), required=True),
        ),
        (None, None),
    ],
)
def test_tool_choices(raw, wanted):
    assert decode_request(tool_choice=raw).tool_choice == wanted


@pytest.mark.parametrize(
    "choice",
    [
        "auto",
        {"type": "function", "name": "f"},
        {"type": "custom", "name": "p"},
        {"type": "web_search_preview"},
        {"type": "code_interpreter"},
        {"type": "mcp", "server_label": "docs"},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
    ],
)
def test_a_choice_goes_up_as_it_came(choice):
    tools = [
        {"type": "function", "name": "f", "parameters": None, "strict": False},
        {"type": "custom", "name": "p"},
        {"type": "web_search"},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "mcp", "server_label": "docs", "server_url": "https://a"},
    ]
    body = encode(decode_request(tools=tools, tool_choice=choice, parallel_tool_calls=True))
    assert body["tools"] == tools
    assert (body["tool_choice"], body["parallel_tool_calls"]) == (choice, True)


def test_strictness_that_the_client_did_not_ask_for_is_switched_off():
    body = encode(make_request(tools=(Tool(name="f"),)))
    assert body["tools"] == [{"type": "function", "name": "f", "parameters": None, "strict": False}]


def test_names_and_ids_that_do_not_fit_are_mangled_alike_everywhere():
    name, call_id = "a.very.long.name." * 5, "x" * 80
    request = make_request(
        assistant(ToolCall(id=call_id, name=name)),
        user(ToolResult(call_id=call_id, parts=(Text(text="1"),))),
        tools=(Tool(name=name),),
        tool_choice=Choice(mode="one", names=(name,)),
    )
    encoded = encode_request(request)
    short = encoded.body["tools"][0]["name"]
    assert len(short) <= 64
    assert encoded.body["input"][0]["name"] == encoded.body["tool_choice"]["name"] == short
    assert encoded.names.restore(short) == name
    assert encoded.body["input"][0]["call_id"] == encoded.body["input"][1]["call_id"]
    assert len(encoded.body["input"][1]["call_id"]) <= 64


def test_tools_of_other_vendors_find_their_counterpart_or_are_named():
    tools = (
        Tool(name="web_search", kind="web_search", ext={Format.CLAUDE: {"max_uses": 3}}),
        Tool(name="web_fetch", kind="url_context"),
        Tool(name="code_execution", kind="code_execution"),
        Tool(name="bash", kind="bash"),
    )
    encoded = encode_request(make_request(tools=tools))
    assert encoded.body["tools"] == [
        {"type": "web_search"},
        {"type": "code_interpreter", "container": {"type": "auto"}},
    ]
    assert encoded.dropped == ("tools[0].max_uses", "tools[3]")


def test_images_as_a_modality_are_asked_of_the_tool():
    body = encode(make_request(output=OutputConfig(modalities=("text", "image"))))
    assert body["tools"] == [{"type": "image_generation"}]


def test_the_first_of_two_tools_with_one_name_stands_and_no_tools_mean_no_choice():
    encoded = encode_request(make_request(tools=(Tool(name="f"), Tool(name="f")), parallel=True))
    assert len(encoded.body["tools"]) == 1
    assert encoded.dropped == ("tools[1]",)
    bare = encode(make_request(tool_choice=Choice(mode="auto"), parallel=True))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & bare.keys()
