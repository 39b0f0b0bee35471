from __future__ import annotations

import pytest
from openai.types.responses import ResponseInputItemParam, ToolParam
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming, ToolChoice
from pydantic import TypeAdapter

from providers.translation.codec import MalformedRequest, Untranslatable
from providers.translation.codecs.responses.codec import CODEC
from providers.translation.model import (
    CacheMark,
    Instruction,
    Media,
    OutputConfig,
    Reasoning,
    ReasoningConfig,
    RefusalText,
    Request,
    Role,
    Sampling,
    Signature,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Unknown,
    WebSearch,
)
from providers.translation.model import (
    ToolChoice as Choice,
)
from providers.values import Format
from tests.unit.providers.translation.codecs.responses.wire import (
    PNG,
    assistant,
    decode_request,
    encode_request,
    make_request,
    user,
)

SDK_BODY = TypeAdapter(ResponseCreateParamsNonStreaming)
SDK_ITEM = TypeAdapter(ResponseInputItemParam)
SDK_TOOL = TypeAdapter(ToolParam)
SDK_CHOICE = TypeAdapter(ToolChoice)
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
OWN = Format.RESPONSES


def encode(request: Request, **capabilities) -> dict:
    """The body, after the SDK's types accepted it and every item, tool and choice in it."""
    body = encode_request(request, **capabilities).body
    # The types want an id of reasoning items; the service takes them without, which Codex relies on.
    items = [{"id": "rs_x", **item} if item["type"] == "reasoning" else item for item in body["input"]]
    rest = {key: value for key, value in body.items() if key not in ("stream", "input")}
    SDK_BODY.validate_python({**rest, "input": items})
    for item in items:
        SDK_ITEM.validate_python(item)
    for tool in body.get("tools", ()):
        SDK_TOOL.validate_python(tool)
    if "tool_choice" in body:
        SDK_CHOICE.validate_python(body["tool_choice"])
    return body


# --- decoding: the top level -----------------------------------------------------------------


def test_a_bare_string_is_one_user_text():
    assert decode_request(input="Hi").turns == (user("Hi"),)


def test_every_parameter_finds_its_place():
    request = decode_request(
        stream=True,
        instructions="Be brief.",
        parallel_tool_calls=False,
        reasoning={"effort": "high", "summary": "auto"},
        include=["reasoning.encrypted_content", "message.output_text.logprobs"],
        text={"verbosity": "low"},
        max_output_tokens=64,
        temperature=0.5,
        top_p=0.9,
        top_logprobs=3,
        metadata={"a": "b"},
        user="u",
        prompt_cache_key="k",
        service_tier="flex",
        store=False,
    )
    assert request.instructions == (Instruction(parts=(Text(text="Be brief."),)),)
    assert request.reasoning == ReasoningConfig(mode="on", effort="high", show="summary", encrypted=True)
    assert request.sampling == Sampling(temperature=0.5, top_p=0.9)
    assert (request.stream, request.include_usage, request.parallel) == (True, True, False)
    assert (request.logprobs, request.top_logprobs, request.max_output_tokens) == (True, 3, 64)
    assert (request.output.verbosity, request.metadata) == ("low", {"a": "b"})
    assert (request.user, request.cache_key, request.service_tier) == ("u", "k", "flex")
    assert request.store is False
    assert request.ext == {}


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ({"effort": "none"}, ReasoningConfig(mode="off")),
        ({"effort": "low"}, ReasoningConfig(mode="on", effort="low", show="none")),
        ({"summary": "auto"}, ReasoningConfig(mode="auto", show="summary")),
        ({"effort": None, "summary": None}, ReasoningConfig()),
        ({"generate_summary": "auto"}, ReasoningConfig(mode="auto", show="summary")),
        (None, ReasoningConfig()),
    ],
)
def test_reasoning_settings(raw, wanted):
    assert decode_request(reasoning=raw).reasoning == wanted


def test_text_formats():
    schema = {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True, "description": "d"}
    wanted = OutputConfig(kind="json_schema", name="n", schema=SCHEMA, strict=True, description="d")
    assert decode_request(text={"format": schema}).output == wanted
    assert decode_request(text={"format": {"type": "json_object"}}).output.kind == "json"
    assert decode_request(text={"format": {"type": "text"}}).output == OutputConfig()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", {"id": "conv_1"}),
        ("prompt", {"id": "pmpt_1"}),
        ("background", True),
        ("truncation", "auto"),
        ("context_management", [{"type": "compaction"}]),
        ("max_tool_calls", 3),
        ("include", ["web_search_call.results"]),
    ],
)
def test_what_only_openai_understands_is_kept_for_openai(field, value):
    request = decode_request(**{field: value})
    assert request.ext == {OWN: {field: value}}
    assert encode(request)[field] == value


def test_defaults_spelled_out_ask_for_nothing():
    assert decode_request(background=False, truncation="disabled").ext == {}


def test_input_may_be_missing_when_openai_keeps_the_conversation():
    request = CODEC.decode_request({"model": "m", "previous_response_id": "resp_1"})
    assert request.turns == ()


def test_a_safety_identifier_is_sent_back_as_one():
    body = encode(decode_request(safety_identifier="s", user="u"))
    assert (body["safety_identifier"], body["user"]) == ("s", "u")


# --- decoding: items -------------------------------------------------------------------------


def test_instructions_stand_where_they_stood():
    request = decode_request(
        instructions="Head.",
        input=[
            {"role": "system", "content": "First."},
            {"role": "user", "content": "Hi"},
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Mid."}]},
            {"role": "user", "content": "Go"},
        ],
    )
    assert [(one.role, one.position, one.parts[0].text) for one in request.instructions] == [
        ("system", None, "Head."),
        ("system", None, "First."),
        ("developer", 1, "Mid."),
    ]
    assert request.turns == (user("Hi"), user("Go"))


def test_consecutive_items_of_the_assistant_form_one_turn_and_outputs_another():
    request = decode_request(
        input=[
            {"role": "user", "content": "Go"},
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "Hm."}],
                "encrypted_content": "gAAA",
            },
            {"role": "assistant", "content": [{"type": "output_text", "text": "On it."}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}", "id": "fc_1"},
            {"type": "reasoning", "summary": [], "encrypted_content": "gBBB"},
            {"type": "function_call", "call_id": "c2", "name": "g", "arguments": '{"a":1}'},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {
                "type": "function_call_output",
                "call_id": "c2",
                "output": [{"type": "input_text", "text": "two"}],
            },
            {"role": "user", "content": "And?"},
        ]
    )
    assert [turn.role for turn in request.turns] == [Role.USER, Role.ASSISTANT, Role.USER, Role.USER]
    assert request.turns[1] == assistant(
        Reasoning(text="Hm.", is_summary=True, signature=Signature("gAAA", OWN), item_id="rs_1"),
        "On it.",
        ToolCall(id="c1", name="f", arguments="{}", item_id="fc_1"),
        Reasoning(is_summary=True, signature=Signature("gBBB", OWN)),
        ToolCall(id="c2", name="g", arguments='{"a":1}'),
    )
    assert request.turns[2] == user(
        ToolResult(call_id="c1", name="f", parts=(Text(text="one"),)),
        ToolResult(call_id="c2", name="g", parts=(Text(text="two"),)),
    )


def test_free_form_calls_and_their_outputs():
    request = decode_request(
        input=[
            {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "*** x"},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"},
        ]
    )
    assert request.turns == (
        assistant(ToolCall(id="c", name="patch", arguments="*** x", kind="custom")),
        user(ToolResult(call_id="c", name="patch", parts=(Text(text="ok"),), kind="custom")),
    )


def test_content_parts_of_a_user():
    content = [
        {"type": "input_text", "text": "See:"},
        {"type": "input_image", "image_url": f"data:image/jpg;base64,{PNG}", "detail": "low"},
        {"type": "input_image", "image_url": "https://a/b.png"},
        {"type": "input_image", "file_id": "file_1"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
        {"type": "input_file", "file_url": "https://a/b.pdf"},
        {"type": "input_file", "file_id": "file_2"},
        {"type": "input_file", "filename": "a.txt", "file_data": "aGk="},
    ]
    assert decode_request(input=[{"role": "user", "content": content}]).turns[0].parts == (
        Text(text="See:"),
        Media(kind="image", mime="image/jpeg", data=PNG, detail="low"),
        Media(kind="image", url="https://a/b.png"),
        Media(kind="image", file_id="file_1"),
        Media(kind="document", mime="application/pdf", data="JVBERg==", filename="a.pdf"),
        Media(kind="document", mime="application/pdf", url="https://a/b.pdf"),
        Media(kind="document", file_id="file_2"),
        Media(kind="document", mime="text/plain", data="aGk=", filename="a.txt"),
    )


def test_a_result_may_hold_images():
    output = [{"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}]
    request = decode_request(input=[{"type": "function_call_output", "call_id": "c", "output": output}])
    assert request.turns[0].parts[0].parts == (Media(kind="image", mime="image/png", data=PNG),)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "item_reference", "id": "msg_1"},
        {"id": "msg_1"},
        {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA"},
        {"type": "compaction_trigger"},
    ],
)
def test_items_that_stand_for_what_openai_keeps_are_kept_and_announced(item):
    request = decode_request(input=[{"role": "user", "content": "Hi"}, item])
    assert request.turns[1].parts == (Unknown(raw=item, format=OWN),)
    assert request.ext[OWN] == {item.get("type", "item_reference"): True}
    body = encode_request(request).body
    assert body["input"][1] == item
    assert item.get("type", "item_reference") not in body


def test_calls_of_openais_own_tools_go_back_as_they_are():
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q"},
    }
    output = {"type": "shell_call_output", "call_id": "c", "output": []}
    request = decode_request(input=[search, output])
    assert [turn.role for turn in request.turns] == [Role.ASSISTANT, Role.USER]
    assert encode(request)["input"] == [search, output]


def test_a_generated_image_in_the_history_is_an_image():
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PNG}
    assert decode_request(input=[item]).turns == (assistant(Media(kind="image", mime="image/png", data=PNG)),)


def test_tools_added_in_the_middle_are_tools():
    item = {"type": "additional_tools", "role": "developer", "tools": [{"type": "function", "name": "g"}]}
    request = decode_request(
        tools=[{"type": "function", "name": "f"}], input=[item, {"role": "user", "content": "x"}]
    )
    assert [tool.name for tool in request.tools] == ["f", "g"]


def test_cache_breakpoints_survive():
    mark = {"mode": "explicit"}
    content = [{"type": "input_text", "text": "x", "prompt_cache_breakpoint": mark}]
    request = decode_request(input=[{"role": "user", "content": content}])
    assert request.turns[0].parts[0].cache == CacheMark()
    encoded = encode_request(request)
    assert encoded.body["input"][0]["content"] == content
    assert encoded.dropped == ()


# --- decoding: tools -------------------------------------------------------------------------


def test_tools_of_every_kind():
    tools = decode_request(
        tools=[
            {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": True},
            {
                "type": "custom",
                "name": "patch",
                "description": "d",
                "format": {"type": "grammar", "syntax": "lark"},
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
        Tool(name="patch", kind="custom", description="d", grammar={"type": "grammar", "syntax": "lark"}),
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


NAMESPACE = {
    "type": "namespace",
    "name": "mcp__fs",
    "description": "Files",
    "tools": [
        {"type": "function", "name": "read", "parameters": SCHEMA, "strict": False},
        {"type": "custom", "name": "edit"},
    ],
}


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


# --- decoding: faults ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 3}, "model"),
        ({"model": ""}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 3}, "input"),
        ({"input": [3]}, "input[0]"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [{"type": 3}]}, "input[0].type"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": 3}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "hologram"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "input[0].content[0].image_url",
        ),
        ({"input": [{"role": "system", "content": [{"type": "input_image"}]}]}, "input[0].content[0].type"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0].name"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"input": [{"type": "reasoning", "encrypted_content": 3}]}, "input[0].encrypted_content"),
        ({"instructions": 3}, "instructions"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{}]}]}, "tools[0].tools[0].name"),
        (
            {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "namespace", "name": "m"}]}]},
            "tools[0].tools[0].type",
        ),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"reasoning": {"summary": "long"}}, "reasoning.summary"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"temperature": 3}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"include": "x"}, "include"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_fault_names_its_field(fields, param):
    with pytest.raises(MalformedRequest) as caught:
        decode_request(**fields)
    assert caught.value.param == param


def test_a_body_that_is_no_object_is_refused():
    with pytest.raises(MalformedRequest):
        CODEC.decode_request([])


# --- encoding --------------------------------------------------------------------------------


def test_the_least_that_goes_up():
    assert encode(make_request()) == {
        "model": "up",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        "store": False,
    }


def test_what_was_encoded_is_decoded_to_the_same():
    request = Request(
        model="up",
        stream=True,
        include_usage=True,
        instructions=(
            Instruction(parts=(Text(text="Be brief."),)),
            Instruction(parts=(Text(text="Now."),), role="developer", position=2),
        ),
        turns=(
            user("Go", Media(kind="image", mime="image/png", data=PNG, detail="high")),
            assistant(
                Reasoning(text="Hm.", is_summary=True, signature=Signature("gAAA", OWN), item_id="rs_1"),
                Reasoning(text="Full.", signature=Signature("gBBB", OWN)),
                Text(
                    text="On it.",
                    citations=({"url": "https://a", "title": "T", "start": 0, "end": 2, "text": "On"},),
                ),
                RefusalText(text="Not that."),
                ToolCall(id="c1", name="f", arguments='{"q":1}', item_id="fc_1"),
                ToolCall(id="c2", name="patch", arguments="*** x", kind="custom"),
            ),
            user(
                ToolResult(
                    call_id="c1",
                    name="f",
                    parts=(Text(text="1"), Media(kind="image", url="https://a", detail="auto")),
                ),
                ToolResult(call_id="c2", name="patch", parts=(Text(text="ok"),), kind="custom"),
            ),
            user(Media(kind="document", mime="application/pdf", data="JVBERg==", filename="a.pdf")),
        ),
        tools=(
            Tool(name="f", description="d", schema=SCHEMA, strict=True),
            Tool(name="patch", kind="custom", grammar={"type": "text"}),
        ),
        tool_choice=Choice(mode="required"),
        parallel=False,
        reasoning=ReasoningConfig(mode="on", effort="high", show="summary", encrypted=True),
        output=OutputConfig(kind="json_schema", name="n", schema=SCHEMA, strict=True, verbosity="low"),
        sampling=Sampling(temperature=0.5, top_p=0.9),
        max_output_tokens=64,
        logprobs=True,
        top_logprobs=2,
        cache_key="k",
        user="u",
        metadata={"a": "b"},
        service_tier="flex",
        store=True,
    )
    encoded = encode_request(request)
    encode(request)
    assert encoded.dropped == ()
    assert CODEC.decode_request(encoded.body) == request


def test_the_assistants_history_is_output_text_in_a_message_with_an_id():
    body = encode(make_request(user("Hi"), assistant("Hello"), user("Go")))
    said = body["input"][1]
    assert said["content"] == [{"type": "output_text", "text": "Hello", "annotations": []}]
    assert said["id"].startswith("msg_")
    assert encode(make_request(user("Hi"), assistant("Hello"), user("Go"))) == body


def test_phases_of_messages_stay_apart():
    items = [
        {
            "type": "message",
            "role": "assistant",
            "phase": phase,
            "content": [{"type": "output_text", "text": phase}],
        }
        for phase in ("commentary", "final_answer")
    ]
    body = encode(decode_request(input=items))
    assert [item["phase"] for item in body["input"]] == ["commentary", "final_answer"]


def test_strictness_that_the_client_did_not_ask_for_is_switched_off():
    body = encode(make_request(tools=(Tool(name="f"),)))
    assert body["tools"] == [{"type": "function", "name": "f", "parameters": None, "strict": False}]


def test_reasoning_goes_back_to_its_issuer_only():
    turns = (
        user("Hi"),
        assistant(
            Reasoning(text="a", signature=Signature("c2ln", Format.CLAUDE)),
            Reasoning(text="b"),
            Reasoning(redacted=Signature("aGlkZQ", Format.CLAUDE)),
            Reasoning(text="c", is_summary=True, signature=Signature("gAAA", OWN)),
            ToolCall(id="c", name="f", arguments="", signature=Signature("Z2Vt", Format.GEMINI)),
        ),
        user(ToolResult(call_id="c", parts=(Text(text="1"),))),
    )
    encoded = encode_request(make_request(*turns))
    items = [item for item in encoded.body["input"] if item["type"] == "reasoning"]
    assert items == [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "c"}], "encrypted_content": "gAAA"}
    ]
    assert "c2ln" not in str(encoded.body)
    assert encoded.dropped == ("messages[1].reasoning", "messages[1].signature")


def test_ids_that_this_gateway_made_up_do_not_go_up():
    items = [
        {"type": "reasoning", "id": "rs_cliproxy_5eed_0", "summary": [], "encrypted_content": "gAAA"},
        {"type": "function_call", "id": "fc_cliproxy_5eed_1", "call_id": "c", "name": "f", "arguments": "{}"},
    ]
    body = encode(decode_request(input=items))
    assert not any("id" in item for item in body["input"])


def test_a_result_without_its_call_becomes_text_unless_openai_may_have_the_call():
    result = ToolResult(call_id="c", name="f", parts=(Text(text="42"),))
    said = encode(make_request(user(result)))["input"][0]
    assert said["content"] == [{"type": "input_text", "text": "Result of tool call f: 42"}]
    stored = decode_request(
        previous_response_id="resp_1",
        input=[{"type": "function_call_output", "call_id": "c", "output": "42"}],
    )
    assert encode(stored)["input"][0]["type"] == "function_call_output"


def test_of_two_results_for_one_call_the_later_counts():
    results = [ToolResult(call_id="c", parts=(Text(text=text),)) for text in ("old", "new")]
    turns = (assistant(ToolCall(id="c", name="f")), user(results[0]), user(results[1]))
    outputs = [item["output"] for item in encode(make_request(*turns))["input"] if "output" in item]
    assert outputs == ["new"]


def test_results_of_other_shapes_become_text():
    turns = (
        assistant(ToolCall(id="a", name="f"), ToolCall(id="b", name="g")),
        user(ToolResult(call_id="a", value={"n": 1}, is_error=True), ToolResult(call_id="b")),
    )
    encoded = encode_request(make_request(*turns))
    assert [item["output"] for item in encoded.body["input"][2:]] == ['{"n":1}', ""]
    assert encoded.dropped == ("messages[1].is_error",)


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


@pytest.mark.parametrize(
    ("config", "reasoning", "is_included"),
    [
        (ReasoningConfig(), None, False),
        (ReasoningConfig(mode="off"), {"effort": "none"}, False),
        (ReasoningConfig(mode="on", effort="high"), {"effort": "high", "summary": "auto"}, True),
        (ReasoningConfig(mode="on", effort="high", show="none"), {"effort": "high"}, True),
        (ReasoningConfig(mode="on", budget=8192, show="full"), {"effort": "medium", "summary": "auto"}, True),
        (ReasoningConfig(mode="on", budget=99_999), {"effort": "high", "summary": "auto"}, True),
        (ReasoningConfig(mode="auto", budget=-1), {"summary": "auto"}, True),
        (ReasoningConfig(effort="low"), {"effort": "low"}, True),
        (ReasoningConfig(encrypted=True), None, True),
    ],
)
def test_reasoning_is_asked_for_with_its_state(config, reasoning, is_included):
    body = encode(make_request(reasoning=config))
    assert body.get("reasoning") == reasoning
    assert ("reasoning.encrypted_content" in body.get("include", [])) is is_included


def test_efforts_that_the_model_lacks_become_the_nearest():
    request = make_request(reasoning=ReasoningConfig(mode="on", effort="max"))
    assert encode(request, thinking_levels=("low", "medium", "high"))["reasoning"]["effort"] == "high"
    off = make_request(reasoning=ReasoningConfig(mode="off"))
    assert encode(off, thinking_levels=("minimal", "low"))["reasoning"]["effort"] == "minimal"


def test_a_model_without_reasoning_is_not_asked_for_it():
    encoded = encode_request(
        make_request(reasoning=ReasoningConfig(mode="on", effort="low")), thinking="none"
    )
    assert "reasoning" not in encoded.body
    assert encoded.dropped == ("reasoning",)


def test_the_exact_kind_of_summary_goes_back():
    body = encode(decode_request(reasoning={"effort": "low", "summary": "detailed"}))
    assert body["reasoning"] == {"effort": "low", "summary": "detailed"}


def test_small_limits_are_raised_and_large_ones_cut():
    assert encode(make_request(max_output_tokens=1))["max_output_tokens"] == 16
    assert encode(make_request(max_output_tokens=999), max_output_tokens=100)["max_output_tokens"] == 100


def test_knobs_without_a_place_are_named():
    sampling = Sampling(
        top_k=3, frequency_penalty=1, presence_penalty=1, seed=3, logit_bias={"1": 1}, stop=("x",)
    )
    encoded = encode_request(make_request(sampling=sampling, ext={Format.GEMINI: {"safetySettings": []}}))
    assert encoded.dropped == (
        "top_k", "frequency_penalty", "presence_penalty", "seed", "logit_bias", "stop", "safetySettings",
    )  # fmt: skip


def test_models_that_refuse_sampling_get_none():
    request = make_request(sampling=Sampling(temperature=1, top_p=1), logprobs=True, top_logprobs=2)
    encoded = encode_request(request, accepts_sampling=False)
    assert set(encoded.dropped) == {"temperature", "top_p", "top_logprobs", "logprobs"}
    assert not {"temperature", "top_p", "top_logprobs", "include"} & encoded.body.keys()


def test_roles_of_instructions_are_kept_where_the_model_knows_them():
    request = make_request(instructions=(Instruction(parts=(Text(text="x"),), role="developer"),))
    assert encode(request)["input"][0]["role"] == "developer"
    assert encode(request, developer_role=False)["input"][0]["role"] == "system"


def test_files_without_a_name_get_one_and_text_documents_become_text():
    parts = (
        Media(kind="document", mime="application/pdf", data="JVBERg=="),
        Media(kind="document", url="https://a/b.pdf"),
        Media(kind="document", file_id="file_1"),
        Media(kind="document", text="Once.", title="Tale"),
        Media(kind="image", file_id="file_2"),
    )
    assert encode(make_request(user(*parts)))["input"][0]["content"] == [
        {
            "type": "input_file",
            "filename": "document.pdf",
            "file_data": "data:application/pdf;base64,JVBERg==",
        },
        {"type": "input_file", "file_url": "https://a/b.pdf"},
        {"type": "input_file", "file_id": "file_1"},
        {"type": "input_text", "text": "Tale\n\nOnce."},
        {"type": "input_image", "file_id": "file_2", "detail": "auto"},
    ]


def test_an_image_of_the_assistant_is_a_generated_one():
    body = encode(make_request(user("x"), assistant(Media(kind="image", mime="image/png", data=PNG))))
    assert body["input"][1]["result"] == PNG


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"output": OutputConfig(modalities=("text", "audio"))}, "modalities"),
        ({"turns": (user(Media(kind="audio", data="AAAA", mime="audio/wav")),)}, "messages[0]"),
        ({"turns": (user(Media(kind="video", url="https://a/b.mp4")),)}, "messages[0]"),
        ({"ext": {Format.GEMINI: {"cachedContent": "cachedContents/1"}}}, "cachedContent"),
        (
            {"tools": (Tool(name="bash", kind="bash"),), "tool_choice": Choice(mode="one", names=("bash",))},
            "tool_choice",
        ),
        ({"tools": (Tool(name="bash", kind="bash"),), "tool_choice": Choice(mode="required")}, "tool_choice"),
    ],
)
def test_what_must_not_be_lost_is_refused(fields, param):
    with pytest.raises(Untranslatable) as caught:
        encode_request(Request(**{"model": "m", "turns": (user("x"),), **fields}))
    assert caught.value.param == param


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


def test_a_long_user_id_becomes_its_digest():
    request = Request(model="m", turns=(user("x"),), user="u" * 200)
    assert len(encode(request)["user"]) == 64
